"""What destroys asks first: Enter, the end of the input and a pipe keep it, and `-y` removes it."""

from __future__ import annotations

import json
import shutil
import sys

import pexpect
import pytest

from tests.cli.test_pull import FILES, MODELS
from tests.conftest import UserHome

ENTER, END = "\r", "\x04"


def remaining(home: UserHome) -> dict[str, int]:
    """Count what can be removed: conversations, gates and added models."""
    logs = [line for line in home.run("logs", "ls", "--json").stdout.splitlines() if line]
    gates = list(home.paths.gates_dir.glob("*.json"))
    models = json.loads(home.run("ls", "--json").stdout)
    return {
        "logs": len(json.loads(logs[0])) if len(logs) == 1 else len(logs),
        "gate": len(gates),
        "mine": sum(row["model"] == "mine" for row in models),
    }


@pytest.mark.parametrize(
    "words", [("rm", "mine"), ("logs", "rm", "--all"), ("gate", "rm", "pocket")]
)
@pytest.mark.slow
def test_enter_keeps_and_only_a_yes_removes(home: UserHome, words: tuple[str, ...]) -> None:
    shutil.copy(MODELS / FILES[0], home.directory / "own.gguf")
    assert home.run("add", "mine", str(home.directory / "own.gguf")).returncode == 0
    assert home.run("ask", "-q", "2+2").returncode == 0
    home.paths.gates_dir.mkdir(parents=True)
    (home.paths.gates_dir / "pocket.json").write_text("{}")
    before = remaining(home)
    for stdin in (b"", b"\n", b"y\n"):
        piped = home.run(*words, stdin=stdin)
        assert piped.returncode == 2 and b"-y answers yes" in piped.stderr
    for keys in (ENTER, END, f"n{ENTER}", f"maybe{ENTER}"):
        assert typed(home, words, keys) == 2
    assert remaining(home) == before
    assert typed(home, words, f"y{ENTER}") == 0
    after = remaining(home)
    assert sum(after.values()) < sum(before.values())
    assert (home.directory / "own.gguf").exists()


def typed(home: UserHome, words: tuple[str, ...], keys: str) -> int:
    """Answer the question of a command at a terminal; returns its exit code."""
    child = pexpect.spawn(sys.executable, ["-m", "tierchat", *words], env=dict(home.env))
    child.expect_exact("[y/N]", timeout=60)
    child.send(keys)
    child.expect(pexpect.EOF, timeout=60)
    child.close()
    return int(child.exitstatus or 0)
