"""The files below a folder: listed, read and searched; nothing outside of it, nothing hidden."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tierchat.tools.apart.process import ToolProcess
from tierchat.tools.failure import ToolFailed
from tierchat.tools.files.reading import Files


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "secret.txt").write_text("the secret")
    work = tmp_path / "work"
    for path, text in {
        "notes.txt": "first\nSecond line\nthird\n",
        "src/a.py": "import os\nprint('second')\n",
        "src/deep/b.py": "x = 1\n",
        "build/out.py": "second\n",
        ".env": "KEY=second",
        ".git/config": "second",
        ".gitignore": "build/\n*.log\n!kept.log\n",
        "src/.gitignore": "generated.py\n",
        "src/generated.py": "second",
        "a.log": "second",
        "kept.log": "kept",
    }.items():
        (work / path).parent.mkdir(parents=True, exist_ok=True)
        (work / path).write_text(text)
    (work / "data.bin").write_bytes(b"second\0")
    return work


def test_a_list_leaves_out_what_is_hidden_or_ignored(folder: Path) -> None:
    assert Files([folder]).list_files().splitlines() == [
        "data.bin  7 bytes",
        "kept.log  4 bytes",
        "notes.txt  24 bytes",
        "src/",
        "src/a.py  26 bytes",
        "src/deep/",
        "src/deep/b.py  6 bytes",
    ]
    assert Files([folder]).list_files("src", "*.py").splitlines() == [
        "src/a.py  26 bytes",
        "src/deep/b.py  6 bytes",
    ]
    # The rules of a repository hold in a folder of it.
    assert Files([folder / "src"]).list_files() == "a.py  26 bytes\ndeep/\ndeep/b.py  6 bytes"


def test_lines_are_read_and_the_rest_is_told(folder: Path) -> None:
    files = Files([folder])
    assert files.read_file("notes.txt") == "first\nSecond line\nthird"
    assert files.read_file("./notes.txt", 2, 1) == "Second line\n... (lines 2 to 2 of 3)"
    assert files.read_file(str(folder / "notes.txt"), 9) == "(the file has 3 lines)"


def test_a_search_finds_lines_of_text_files(folder: Path) -> None:
    files = Files([folder])
    found = "notes.txt:2: Second line\nsrc/a.py:2: print('second')"
    assert files.search_files("second") == found
    assert files.search_files("second", pattern="*.py") == "src/a.py:2: print('second')"
    assert files.search_files("^S.*d", is_regex=True) == "notes.txt:2: Second line"
    assert files.search_files("nothing") == "(nothing found)"
    with pytest.raises(ToolFailed, match="regular expression"):
        files.search_files("(", is_regex=True)


def test_several_folders_are_told_apart_by_their_names(folder: Path) -> None:
    files = Files([folder / "src", folder / "src" / "deep"])
    assert files.list_files().splitlines()[0] == "src/"
    assert files.read_file("deep/b.py") == files.read_file("src/deep/b.py") == "x = 1"
    assert files.read_file(str(folder / "src" / "a.py")).startswith("import os")
    with pytest.raises(ToolFailed, match="begins with one of the folders src, deep"):
        files.read_file("a.py")


def links(folder: Path) -> dict[str, str]:
    """Make ways out of a folder; returns what to ask for, and why it is refused."""
    (folder / "link.txt").symlink_to("../secret.txt")
    (folder / "up").symlink_to("..")
    (folder / "root").symlink_to("/")
    (folder / "loop").symlink_to("loop")
    (folder / "inside.txt").symlink_to("notes.txt")
    os.mkfifo(folder / "pipe")
    return {
        "../secret.txt": "leads out",
        "src/../../secret.txt": "leads out",
        "src/..": "leads out",
        str(folder.parent / "secret.txt"): "outside",
        "/etc/passwd": "outside",
        "/proc/self/environ": "outside",
        "/proc/self/mem": "outside",
        "/dev/zero": "outside",
        "~/.ssh/id_rsa": "hidden",
        "~root": "cannot be opened",
        "link.txt": "links are not followed",
        "up/secret.txt": "links are not followed",
        "root/etc/passwd": "links are not followed",
        "root/proc/self/environ": "links are not followed",
        "loop": "links are not followed",
        "inside.txt": "links are not followed",
        ".env": "hidden",
        ".git/config": "hidden",
        "src/.gitignore": "hidden",
        "build/out.py": "gitignore",
        "build": "folder|gitignore",
        "a.log": "gitignore",
        "src/generated.py": "gitignore",
        "pipe": "no file",
        "src": "is a folder",
        "data.bin": "not text",
        "notes.txt\0.py": "NUL",
        "notes.txt/": "is|cannot|first",
        "missing.txt": "cannot be opened",
        "a/" * 100: "too long",
        "x" * 300: "cannot be opened",
        "file:///etc/passwd": "cannot be opened",
    }


def test_no_path_leads_out_of_the_folder(folder: Path) -> None:
    files, ways = Files([folder]), links(folder)
    assert len(ways) >= 30
    for path, why in ways.items():
        try:
            text = files.read_file(path)
        except ToolFailed as error:
            assert any(part in error.message for part in why.split("|")), (path, error.message)
        else:
            assert path == "notes.txt/" and text.startswith("first")
        for ask in (files.list_files, lambda place: files.search_files("secret", place)):
            with contextlib.suppress(ToolFailed):
                assert "the secret" not in ask(path) and "secret.txt" not in ask(path)
    assert "secret" not in files.list_files() + files.search_files("the secret")


@pytest.fixture
def process(folder: Path) -> Iterator[ToolProcess]:
    made = ToolProcess((folder,), 1.0)
    yield made
    made.close()


def test_a_search_without_end_is_ended(folder: Path, process: ToolProcess) -> None:
    (folder / "a.txt").write_text("a" * 60 + "b")
    with pytest.raises(ToolFailed, match="longer than 1 s"):
        process.run("search_files", {"text": "(a+)+$", "is_regex": True, "pattern": "a.txt"})
    # The next call gets a new process.
    slow = ToolProcess((folder,), 20.0)
    assert slow.run("read_file", {"path": "a.txt"}).endswith("b")
    slow.close()


def test_a_large_file_is_refused(folder: Path) -> None:
    with open(folder / "large.txt", "wb") as file:
        file.truncate(5_000_000)
    with pytest.raises(ToolFailed, match="more than 4,000,000"):
        Files([folder]).read_file("large.txt")
    assert "large" not in Files([folder]).search_files("x")
