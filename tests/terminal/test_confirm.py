"""A question at a real pseudo-terminal, and what each answer means."""

from __future__ import annotations

import io
import os
from collections.abc import Iterator

import pytest

from tierchat.errors import UsageError
from tierchat.terminal.confirm import confirm
from tierchat.terminal.output import Output


@pytest.fixture
def keyboard(monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """A descriptor on which keys are typed that reach this process's stdin."""
    typed, read = os.openpty()
    with os.fdopen(read, encoding="utf-8") as stdin:
        monkeypatch.setattr("sys.stdin", stdin)
        yield typed
    os.close(typed)


def asked(default: bool, err: io.StringIO) -> bool:
    try:
        confirm(Output(io.StringIO(), err, {}), "Remove it?", is_sure=False, default=default)
    except UsageError as error:
        assert error.message == "nothing was changed"
        return False
    return True


@pytest.mark.parametrize(
    ("keys", "to_fetch", "to_remove"),
    [
        ("\n", True, False),
        ("y\n", True, True),
        ("YES \n", True, True),
        ("n\n", False, False),
        ("remove\n", False, False),
        ("\x04", False, False),
    ],
)
def test_enter_fetches_but_never_removes(
    keyboard: int, keys: str, to_fetch: bool, to_remove: bool
) -> None:
    for default, expected in ((True, to_fetch), (False, to_remove)):
        err = io.StringIO()
        os.write(keyboard, keys.encode())
        assert asked(default, err) is expected
        assert err.getvalue() == f"Remove it? {'[Y/n]' if default else '[y/N]'} "


def test_bytes_that_are_no_text_are_no_yes(keyboard: int) -> None:
    os.write(keyboard, b"\xff\n")
    assert not asked(True, io.StringIO())


def test_without_a_terminal_only_a_flag_says_yes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("y\n"))
    output = Output(io.StringIO(), io.StringIO(), {})
    confirm(output, "Remove it?", is_sure=True, default=False)
    with pytest.raises(UsageError, match="no terminal to ask at") as caught:
        confirm(output, "Remove it?", is_sure=False, default=False)
    assert caught.value.hint == "-y answers yes"
