"""Typing at the prompt: keys, several lines, paste, completion, history."""

from __future__ import annotations

from pathlib import Path

import pytest
from prompt_toolkit.application import create_app_session
from prompt_toolkit.completion import CompleteEvent
from prompt_toolkit.document import Document
from prompt_toolkit.input import create_pipe_input
from prompt_toolkit.output import DummyOutput

from tierchat.cli.chat.line_editor import LineEditor, _SlashCompleter, is_open, unquoted


def typed(keys: str, history: Path | None = None) -> list[str]:
    with create_pipe_input() as pipe, create_app_session(input=pipe, output=DummyOutput()):
        editor = LineEditor(history, {"/tier": lambda: ["XS", "S"]}, (), str, has_colour=False)
        pipe.send_text(keys)
        return [editor.read()]


@pytest.mark.parametrize(
    ("keys", "text"),
    [
        ("hello\r", "hello"),
        ("one\ntwo\r", "one\ntwo"),
        ("one\x1b\rtwo\r", "one\ntwo"),
        ("one\\\rtwo\r", "one\ntwo"),
        ('"""one\rtwo\r"""\r', "one\ntwo"),
        ("\x1b[200~one\rtwo\tthree\x1b[201~\r", "one\ntwo\tthree"),
        ("helo\x1b[Dl\r", "hello"),
    ],
)
def test_keys_do_what_people_expect(keys: str, text: str) -> None:
    assert typed(keys) == [text]


def test_ctrl_d_and_ctrl_c_are_distinguished() -> None:
    with pytest.raises(EOFError):
        typed("\x04")
    with pytest.raises(KeyboardInterrupt):
        typed("half a line\x03")


def test_what_was_typed_is_remembered_and_private(tmp_path: Path) -> None:
    file = tmp_path / "history"
    assert typed("first question\r", file) == ["first question"]
    assert typed("second\r", file) == ["second"]
    assert file.stat().st_mode & 0o777 == 0o600
    assert "first question" in file.read_text() and "second" in file.read_text()


def test_a_history_that_cannot_be_kept_is_no_error(tmp_path: Path) -> None:
    assert typed("x\r", tmp_path / "missing" / "history") == ["x"]


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("/t", ["/tier"]),
        ("/tier ", ["XS", "S"]),
        ("/tier x", ["XS"]),
        ("tier", []),
        ("/nope ", []),
        ("/file da", ["ta.txt"]),
    ],
)
def test_commands_and_what_follows_are_completed(
    text: str, wanted: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "data.txt").touch()
    monkeypatch.chdir(tmp_path)
    completer = _SlashCompleter({"/tier": lambda: ["XS", "S"], "/file": list}, frozenset(["/file"]))
    found = completer.get_completions(Document(text, len(text)), CompleteEvent())
    assert [completion.text for completion in found] == wanted


def test_triple_quotes() -> None:
    assert is_open('"""a') and not is_open('"""a"""') and not is_open('a """')
    assert unquoted('"""\na\n"""') == "a" and unquoted('""') == '""'
