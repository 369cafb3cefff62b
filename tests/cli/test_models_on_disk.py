"""`ls`, `show`, `verify`, `rm` and `add`: models as files, damaged, partial, taken and removed."""

from __future__ import annotations

import json
import os
import shutil
import signal
import struct
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pexpect
import pytest

from tests.cli.test_pull import FILES, FOLDER, HARD, MODELS, REPO, SIZES, Site, text_of, write_net
from tests.conftest import UserHome, wait_until
from tests.local_hub import COMMIT, LocalHub, running_hub
from tierchat.atomic_file import locked
from tierchat.terminal.units import size_text


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalHub]:
    root = tmp_path_factory.mktemp("hub")
    (root / REPO).mkdir(parents=True)
    shutil.copy(MODELS / FILES[0], root / REPO / "Tiny-Model.gguf")
    with running_hub(root) as hub:
        yield hub


@pytest.fixture
def site(home: UserHome, hub: LocalHub) -> Site:
    """A home with the cascade `net` and all its files, as a pull leaves them."""
    write_net(home, hub)
    site = Site(home, hub)
    site.file("x").parent.mkdir(parents=True)
    for name in FILES:
        shutil.copy(MODELS / name, site.file(name))
    home.paths.cascade_file.write_text("net\n")
    return site


def rows_of(site: Site, *words: str) -> list[dict[str, object]]:
    found = site.run(*words, "--json")
    assert len(found.stdout.splitlines()) == 1 and text_of(found) == ""
    rows: list[dict[str, object]] = json.loads(found.stdout)
    return rows


def row_of(site: Site, model: str) -> dict[str, object]:
    return next(row for row in rows_of(site, "ls") if row["model"] == model)


def test_a_listing_tells_what_is_here_and_what_has_begun(site: Site) -> None:
    site.file(FILES[1]).unlink()
    os.truncate(site.file(FILES[2]), SIZES[FILES[2]] // 4)
    site.file(FILES[2]).rename(site.part(FILES[2]))
    found = site.run("ls")
    lines = {line.split()[0]: line for line in found.stdout.decode().splitlines()}
    assert found.returncode == 0 and text_of(found) == ""
    assert "here" in lines["net-xs"] and size_text(SIZES[FILES[0]]) in lines["net-xs"]
    assert lines["net-xs"].endswith("net:XS")
    assert lines["net-s"].split()[1] == "-" and "25% here" in lines["net-m"]
    assert "here" in lines["pocket-xs"]
    assert row_of(site, "net-xs")["is_here"] is True
    assert row_of(site, "net-m")["state"] == "25% here" and not row_of(site, "net-m")["is_here"]
    assert row_of(site, "net-m")["bytes"] == SIZES[FILES[2]]


def test_what_no_tier_uses_has_no_tiers(site: Site) -> None:
    site.home.paths.models_file.write_text('[models.alone]\nfile = "/nowhere/x.gguf"\n')
    row = row_of(site, "alone")
    assert row["tiers"] == [] and row["state"] == "missing" and row["repo"] is None


def test_a_model_is_described_from_its_own_header(site: Site) -> None:
    said = site.run("show", "net-s").stdout.decode()
    for words in ("from             local/pocket-GGUF at 0123456789ab", "net:S", "2.90 million"):
        assert words in said
    facts = json.loads(site.run("show", "net-s", "--json").stdout)
    assert (
        facts["is_here"] and facts["header"]["has_template"] and facts["bytes"] == SIZES[FILES[1]]
    )
    site.file(FILES[1]).unlink()
    facts = json.loads(site.run("show", "net-s", "--json").stdout)
    assert not facts["is_here"] and "header" not in facts


def test_a_cascade_tells_which_models_share_a_token_table(site: Site) -> None:
    found = site.run("show", "net")
    lines = found.stdout.decode().splitlines()
    assert found.returncode == 0 and lines[0] == "cascade net"
    assert lines[-1].startswith("one token table (") and lines[-1].endswith("net-xs, net-s, net-m")
    facts = json.loads(site.run("show", "net", "--json").stdout)
    tables = {model["header"]["tokens_sha256"] for model in facts["models"].values()}
    assert len(tables) == 1 and [tier["gate"] for tier in facts["tiers"]] == ["token"] * 3
    unknown = site.run("show", "nett")
    assert unknown.returncode == 2 and "no model or cascade named 'nett'" in text_of(unknown)


def test_a_damaged_model_does_not_hide_the_others(site: Site) -> None:
    site.file(FILES[1]).write_bytes(b"GGUF" + bytes(50))
    found = site.run("show", "net")
    assert found.returncode == 0 and "net-m" in found.stdout.decode()
    assert "net-s" in text_of(found) + found.stdout.decode()
    assert site.run("show", "net", "--json").returncode == 0
    alone = site.run("show", "net-s")
    assert alone.returncode == 1 and FILES[1] in text_of(alone)


def test_verify_finds_a_flipped_byte(site: Site) -> None:
    good = site.run("verify")
    assert good.returncode == 0 and good.stdout.decode().splitlines() == [
        f"✓ {family}-{size}" for family in ("pocket", "net") for size in ("xs", "s", "m")
    ]
    data = bytearray(site.file(FILES[2]).read_bytes())
    data[-1000] ^= 1
    before = site.file(FILES[2]).stat()
    site.file(FILES[2]).write_bytes(data)
    # Not even the time of the file gives it away.
    os.utime(site.file(FILES[2]), ns=(before.st_atime_ns, before.st_mtime_ns))
    bad = site.run("verify")
    assert bad.returncode == 1 and "✗ net-m its sha256 is" in bad.stdout.decode()
    found = site.run("verify", "net-s", "net-m", "--json")
    rows = json.loads(found.stdout)
    assert found.returncode == 1 and len(found.stdout.splitlines()) == 1
    assert [row["problem"] is None for row in rows] == [True, False]


def test_verify_names_what_is_not_here(site: Site) -> None:
    site.file(FILES[0]).unlink()
    found = site.run("verify", "net-xs")
    assert found.returncode == 1 and "not on this machine" in found.stdout.decode()
    assert site.run("verify", "net-xl").returncode == 2
    assert site.run("verify").returncode == 0


def test_bundled_models_and_files_of_ones_own_are_not_removed(site: Site) -> None:
    found = site.run("rm", "pocket-xs", "-y")
    assert found.returncode == 2 and "bundled ones stay" in text_of(found)
    assert (MODELS / FILES[0]).exists()
    own = site.home.directory / "own.gguf"
    shutil.copy(MODELS / FILES[0], own)
    site.home.paths.models_file.write_text(f'[models.own]\nfile = "{own}"\n')
    own_entry = site.run("rm", "own", "-y")
    assert own_entry.returncode == 2 and own.exists()
    assert str(site.home.paths.models_file) in text_of(own_entry)
    assert "[models.own]" in text_of(own_entry)
    cascade = site.run("rm", "pocket", "-y")
    assert cascade.returncode == 2 and "pocket-xs, pocket-s, pocket-m" in text_of(cascade)
    assert site.run("rm", "nobody", "-y").returncode == 2


@pytest.mark.slow
def test_a_removed_model_frees_its_bytes_and_what_had_begun_too(site: Site) -> None:
    asked = site.run("rm", "net-m")
    assert asked.returncode == 2 and "-y answers yes" in text_of(asked)
    assert site.file(FILES[2]).exists()
    found = site.run("rm", "net-m", "-y", "--json")
    assert found.returncode == 0
    told = {"model": "net-m", "freed_bytes": SIZES[FILES[2]], "kept": []}
    assert json.loads(found.stdout) == told
    assert str(site.file(FILES[2])) in text_of(found) and not site.file(FILES[2]).exists()
    site.part(FILES[2]).write_bytes(bytes(3_000_000))
    site.file(f"{FILES[2]}.wrong").write_bytes(bytes(2_000_000))
    found = site.run("rm", "net-m", "-y")
    assert found.stdout.decode() == "removed net-m, 5.0 MB freed\n"
    gone = site.run("rm", "net-m", "-y")
    assert gone.returncode == 3 and "net-m is not on this machine" in text_of(gone)
    for model in ("net-xs", "net-s"):
        assert site.run("rm", model, "-y").returncode == 0
    assert not (site.home.paths.models_dir / FOLDER).exists()


def test_enter_keeps_a_model_and_a_yes_removes_it(site: Site) -> None:
    for keys, code in (("", 2), ("y", 0)):
        assert site.file(FILES[2]).exists()
        child = pexpect.spawn(
            sys.executable, ["-m", "tierchat", "rm", "net-m"], env={**site.home.env, **site.env}
        )
        child.expect_exact("Remove net-m? [y/N] ")
        child.sendline(keys)
        child.expect(pexpect.EOF)
        child.close()
        assert child.exitstatus == code
    assert not site.file(FILES[2]).exists()


@pytest.mark.slow
def test_a_loaded_model_is_unloaded_and_asks_go_around_it(site: Site) -> None:
    assert site.run("load").returncode == 0
    # Also a question that it alone would have been asked.
    assert site.run("rm", "net-s", "-y").returncode == 0
    status = site.home.client.status()
    assert status and [w.model for w in status.workers if w.pid] == ["net-xs", "net-m"]
    answer = json.loads(site.run("ask", "--json", HARD).stdout)
    assert (answer["answer"], answer["model"]) == ("408", "net-m")
    pinned = site.run("ask", "--tier", "S", "2+2")
    assert pinned.returncode == 3 and "tierchat pull net" in text_of(pinned)


@pytest.mark.slow
def test_a_model_that_answers_is_not_removed(site: Site) -> None:
    site.run("load")
    status = site.home.client.status()
    pid = next(w.pid for w in status.workers if w.model == "net-xs") if status else None
    assert pid
    os.kill(pid, signal.SIGSTOP)
    child = subprocess.Popen(
        site.home.command("ask", "2+2"), env=site.home.env, stdout=subprocess.PIPE
    )
    site.home.children.append(child)
    try:
        wait_until(lambda: getattr(site.home.client.status(), "num_active", 0) == 1)
        refused = site.run("rm", "net-xs", "-y")
        assert refused.returncode == 2 and "is answering a prompt" in text_of(refused)
        assert site.file(FILES[0]).exists()
    finally:
        os.kill(pid, signal.SIGCONT)
    assert child.communicate(timeout=60)[0] == b"4\n"
    assert site.run("rm", "net-xs", "-y").returncode == 0


def test_a_link_to_another_programs_file_is_all_that_is_removed(site: Site) -> None:
    blob = site.home.directory / "blob"
    site.file(FILES[0]).rename(blob)
    site.file(FILES[0]).symlink_to(blob)
    found = json.loads(site.run("rm", "net-xs", "-y", "--json").stdout)
    assert found["freed_bytes"] == 0 and blob.exists() and not site.file(FILES[0]).is_symlink()
    site.file(FILES[0]).symlink_to("/nowhere/blob")
    assert site.run("rm", "net-xs", "-y").returncode == 0
    assert not site.file(FILES[0]).is_symlink()


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["tierchat", str(MODELS / FILES[0])], 2, "what the API calls the default cascade"),
        (["tierchat/S", str(MODELS / FILES[0])], 2, "a slash separates"),
        (["POCKET", str(MODELS / FILES[0])], 2, "a cascade named pocket already"),
        ([str(MODELS / FILES[0])], 2, f"write: tierchat add pocket-xs {MODELS / FILES[0]}"),
        ([str(MODELS / FILES[0]), "mine"], 2, f"write: tierchat add mine {MODELS / FILES[0]}"),
        (["mine"], 2, "write: tierchat add mine FILE.gguf"),
        (["owner/repo:Tiny-Q4_K_M.gguf"], 2, "write: tierchat add tiny-q4_k_m owner/repo:"),
        (["mine", __file__], 1, "it is a text that begins"),
        ([__file__], 1, "it is a text that begins"),
    ],
)
def test_a_wrong_name_or_order_is_told_with_the_line_to_write(
    home: UserHome, words: list[str], code: int, said: str
) -> None:
    found = home.run("add", *words)
    assert found.returncode == code and said in text_of(found)


def test_a_lock_that_a_killed_pull_left_goes_with_the_next_one(site: Site) -> None:
    lock = site.file(f"{FILES[0]}.lock")
    lock.touch()
    assert site.run("pull", "net-xs", "-y").returncode == 0 and not lock.exists()
    lock.touch()
    assert site.run("rm", "net-xs", "-y").returncode == 0 and not lock.exists()


def test_a_model_that_is_being_fetched_is_not_removed(site: Site) -> None:
    with locked(site.file(FILES[0]), lambda: None):
        found = site.run("rm", "net-xs", "-y")
    assert found.returncode == 2 and "being fetched" in text_of(found)
    assert site.file(FILES[0]).exists()


def test_a_directory_in_place_of_a_model_is_named(site: Site) -> None:
    site.file(FILES[0]).unlink()
    site.file(FILES[0]).mkdir()
    for words in (("verify",), ("verify", "net-xs")):
        found = site.run(*words)
        assert found.returncode == 1
        assert f"✗ net-xs {site.file(FILES[0])} is a directory" in found.stdout.decode()


def test_a_file_without_a_published_hash_is_not_said_to_be_the_published_one(site: Site) -> None:
    assert site.run("add", "mine", str(MODELS / FILES[0])).returncode == 0
    said = site.run("verify", "mine").stdout.decode()
    assert said == "✓ mine (sound; no published sha256 to compare with)\n"


@pytest.mark.slow
def test_a_pull_that_reached_nothing_leaves_nothing(site: Site) -> None:
    site.file(FILES[0]).unlink()
    pulled = site.run("pull", "net-xs", "-y", HF_ENDPOINT="http://127.0.0.1:9")
    assert pulled.returncode == 6
    assert row_of(site, "net-xs")["state"] == "-"
    site.part(FILES[0]).write_bytes(b"x")
    assert row_of(site, "net-xs")["state"] == "<1% here"


@pytest.mark.slow
def test_any_gguf_can_be_added_asked_and_forgotten(site: Site) -> None:
    found = site.run("add", "mine", str(MODELS / FILES[0]))
    said = found.stdout.decode()
    assert found.returncode == 0 and "it is known as mine now" in said
    assert text_of(found).split() == ["loading", "it", "once", "..."]
    assert "architecture" in said and "template" in said
    answer = site.run("ask", "-m", "mine", "2+2")
    assert (answer.returncode, answer.stdout) == (0, b"4\n")
    assert row_of(site, "mine")["tiers"] == ["mine:S"]
    again = site.run("add", "mine", str(MODELS / FILES[0]))
    assert again.returncode == 0
    gone = site.run("rm", "mine", "-y")
    assert gone.stdout == b"forgot mine\n" and (MODELS / FILES[0]).exists()
    assert f"the file stays, since pocket-xs uses it: {MODELS / FILES[0]}" in text_of(gone)
    forgotten = site.run("ask", "-m", "mine", "2+2")
    assert forgotten.returncode == 2 and "no cascade named 'mine'" in text_of(forgotten)


@pytest.mark.slow
def test_a_file_of_the_hub_can_be_added_under_a_name_of_ones_own(site: Site) -> None:
    place = f"{REPO}:Tiny-Model.gguf"
    refused = site.run("add", "pocket-xs", place, "-y")
    assert refused.returncode == 2 and not site.hub.bytes_sent
    assert site.run("add", "small", place).returncode == 2
    found = site.run("add", "small", place, "-y")
    assert found.returncode == 0 and "known as small now" in found.stdout.decode()
    assert site.run("ask", "-m", "small", "2+2").stdout == b"4\n"
    other = site.run("pull", f"{REPO}@{COMMIT}:Tiny-Model.gguf", "-y")
    assert other.returncode == 0 and row_of(site, "tiny-model")["is_here"]


def crafted(kind: str, folder: Path) -> Path:
    path = folder / f"{kind}.gguf"
    whole = (MODELS / FILES[0]).read_bytes()
    match kind:
        case "garbage":
            path.write_bytes(bytes(range(256)) * 100)
        case "header cut":
            path.write_bytes(whole[:23])
        case "body cut":
            path.write_bytes(whole[: len(whole) // 2])
        case "empty":
            path.write_bytes(b"")
        case "tensor type":
            place = whole.index(b"token_embd.weight") + len(b"token_embd.weight") + 4 + 16
            path.write_bytes(whole[:place] + struct.pack("<I", 9999) + whole[place + 4 :])
        case "directory":
            path.mkdir()
    return path


@pytest.mark.parametrize(
    ("kind", "code", "said"),
    [
        ("garbage", 1, "GGUF"),
        ("header cut", 1, "header cut.gguf"),
        ("body cut", 1, "body cut.gguf"),
        ("empty", 1, "empty.gguf"),
        ("tensor type", 1, "tensor type.gguf"),
        ("directory", 3, "directory.gguf"),
        ("absent", 3, "absent.gguf"),
    ],
)
def test_a_file_that_cannot_serve_says_why_and_is_not_noted(
    site: Site, tmp_path: Path, kind: str, code: int, said: str
) -> None:
    found = site.run("add", "bad", str(crafted(kind, tmp_path)))
    assert found.returncode == code and said in text_of(found)
    assert "known as" not in found.stdout.decode()
    assert not site.home.paths.added_models_file.exists()


@pytest.mark.parametrize("name", ["pocket-xs", "net-xs", "pocket", "net", "a b", "a/b", "", "a:b"])
def test_a_name_that_is_taken_or_none_is_refused(site: Site, name: str) -> None:
    found = site.run("add", name, str(MODELS / FILES[0]))
    assert found.returncode == 2 and found.stdout == b"" and text_of(found)
    assert not site.home.paths.added_models_file.exists()


def test_another_file_does_not_take_the_name_of_an_added_one(site: Site) -> None:
    assert site.run("add", "mine", str(MODELS / FILES[0])).returncode == 0
    found = site.run("add", "mine", str(MODELS / FILES[1]))
    assert found.returncode == 2 and "there is a model named mine already" in text_of(found)
    facts = json.loads(site.run("show", "mine", "--json").stdout)
    assert facts["file"] == str(MODELS / FILES[0])


def test_ones_own_file_wins_over_the_added_one_and_both_over_the_shipped(site: Site) -> None:
    assert site.run("add", "mine", str(MODELS / FILES[0])).returncode == 0
    text = site.home.paths.models_file.read_text()
    site.home.paths.models_file.write_text(
        f'{text}[models.mine]\nfile = "{MODELS / FILES[1]}"\n'
        '[models.pocket-m]\ndescription = "ours"\n'
    )
    mine = json.loads(site.run("show", "mine", "--json").stdout)
    assert mine["file"] == str(MODELS / FILES[1])
    shipped = json.loads(site.run("show", "pocket-m", "--json").stdout)
    assert shipped["description"] == "ours" and shipped["sha256"]
    added = site.home.paths.added_models_file
    added.write_text(added.read_text() + '[models."pocket-s"]\nlicense = "ours"\n')
    assert json.loads(site.run("show", "pocket-s", "--json").stdout)["license"] == "ours"


@pytest.mark.slow
def test_an_added_model_that_a_cascade_of_the_user_needs_stays(site: Site) -> None:
    assert site.run("add", "mine", str(MODELS / FILES[0])).returncode == 0
    text = site.home.paths.models_file.read_text()
    tier = '[[cascades.own.tiers]]\nname = "A"\nmodel = "mine"\n'
    site.home.paths.models_file.write_text(text + tier)
    found = site.run("rm", "mine", "-y")
    assert found.returncode == 2 and "mine is a tier of own" in text_of(found)
    assert site.run("ask", "-m", "own", "2+2").stdout == b"4\n"


@pytest.mark.slow
def test_a_running_daemon_learns_of_an_added_model(site: Site) -> None:
    assert site.run("daemon", "up").returncode == 0
    assert site.run("add", "mine", str(MODELS / FILES[0])).returncode == 0
    assert site.run("ask", "-m", "mine", "2+2").stdout == b"4\n"
    assert site.run("rm", "mine", "-y").returncode == 0
    wait_until(lambda: site.run("ask", "-m", "mine", "2+2").returncode == 2)


@pytest.mark.slow
def test_one_file_under_two_names_is_loaded_once(home: UserHome) -> None:
    file = home.directory / "own.gguf"
    shutil.copy(MODELS / FILES[1], file)
    for name in ("first", "second"):
        assert home.run("add", name, str(file)).returncode == 0
        assert home.run("ask", "-q", "-m", name, "--tier", "S", "2+2").stdout == b"4\n"
    [worker] = [
        worker
        for worker in json.loads(home.run("ps", "--json").stdout)["workers"]
        if worker["model"] == "first"
    ]
    assert worker["shared_with"] == ["second"] and worker["tiers"] == ["first:S", "second:S"]
    assert "first, second" in home.run("ps").stdout.decode()
    gone = home.run("rm", "first", "-y")
    assert gone.returncode == 0 and "since second uses it" in text_of(gone)
    assert home.run("ask", "-q", "-m", "second", "--tier", "S", "2+2").stdout == b"4\n"
