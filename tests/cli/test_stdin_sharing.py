"""Whose standard input it is, asked below real shells, loops, scripts and hooks."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="there is no /proc")

SHELLS = ["sh", "bash", "dash", "zsh", "ksh"]
PROBE = (
    "import sys; from tierchat.cli.ask.stdin_sharing import other_reader; "
    "print('ours' if other_reader(0) is None else 'left')"
)
OURS = {
    "a pipe of its own": "printf 'a\\nb\\n' | ask; :",
    "a function": "f() { ask; :; }; printf 'a\\nb\\n' | f; :",
    "a function that runs other commands": (
        "f() { x=$(date); y=$(pwd; uname -a); ask; :; }; printf 'a\\n' | f; :"
    ),
    "a group": "printf 'a\\nb\\n' | { ask; :; }; :",
    "a command that starts another": "printf 'a\\nb\\n' | timeout 20 $ASK; :",
    "a pipe inside a loop": "for i in 1 2; do printf 'a\\n' | ask; done",
    "a pipe of its own inside a loop that reads": (
        "printf 'a\\nb\\n' | while read -r l; do printf '%s\\n' \"$l\" | $ASK; done"
    ),
}
LEFT = {
    "a loop": "printf 'a\\nb\\n' | while read l; do ask; done; :",
    "a loop with options": "printf 'a\\nb\\n' | while IFS= read -r l; do ask; done; :",
    "a loop in a group": "printf 'a\\nb\\n' | { read l; read m; ask; :; }; :",
    "a loop around another command": (
        "printf 'a\\nb\\n' | while read l; do timeout 20 $ASK; done; :"
    ),
    "a loop in a function": "f() { while read l; do ask; done; }; printf 'a\\nb\\n' | f; :",
    "a subshell in a loop": "printf 'a\\nb\\n' | while read l; do (ask; :); done; :",
}


def below(shell: str, script: str, stdin: bytes | None = None, *words: str) -> set[str]:
    """Run a script in which `ask` and $ASK stand for us, and return what we found each time."""
    if not shutil.which(shell):
        pytest.skip(f"{shell} is not installed")
    ask = f'{sys.executable} -c "{PROBE}"'
    program = f"ask() {{ {ask}; }}\n{script}\n".replace("$ASK", ask)
    given = {"input": stdin} if stdin is not None else {"stdin": subprocess.DEVNULL}
    found = subprocess.run(  # type: ignore[call-overload]
        [shell, *words, "-c", program], capture_output=True, timeout=60, check=False, **given
    )
    said = set(found.stdout.decode().split())
    assert said, found.stderr
    return said


@pytest.mark.parametrize("shell", SHELLS)
@pytest.mark.parametrize("script", OURS.values(), ids=OURS)
def test_it_is_ours(shell: str, script: str) -> None:
    assert below(shell, script) == {"ours"}


@pytest.mark.parametrize("shell", SHELLS)
@pytest.mark.parametrize("script", LEFT.values(), ids=LEFT)
def test_it_belongs_to_a_loop(shell: str, script: str) -> None:
    assert below(shell, script) == {"left"}


@pytest.mark.parametrize("shell", ["bash", "zsh"])
@pytest.mark.parametrize("given", ["< <(printf 'a\\nb\\n')", "<<< $'a\\nb'"])
def test_a_loop_over_a_command_or_a_text(shell: str, given: str) -> None:
    assert below(shell, f"while read l; do ask; done {given}; :") == {"left"}


@pytest.mark.parametrize("shell", ["sh", "bash", "dash"])
def test_a_script_is_a_loop_only_if_it_reads_lines(shell: str) -> None:
    text = b"a\nb\n"
    assert below(shell, "x=1; ask; :", text) == {"ours"}
    assert below(shell, "# read the text\nask; :", text) == {"ours"}
    assert below(shell, 'echo "please read" >&2; ask; :', text) == {"ours"}
    assert below(shell, "read x < /dev/null; ask; :", text) == {"ours"}
    assert below(shell, "while read l; do ask; done; :", text) == {"left"}
    assert below(shell, "if ! IFS=' ' read -r l; then exit; fi; ask; :", text, "-e") == {"left"}


@pytest.mark.parametrize("shell", ["sh", "bash", "dash"])
@pytest.mark.parametrize("taken", [". {}", 'eval "$(cat {})"'])
def test_a_loop_that_the_script_itself_does_not_show(
    shell: str, taken: str, tmp_path: Path
) -> None:
    functions = tmp_path / "functions.sh"
    functions.write_text(
        "each() { while read -r l; do ask; done; }\nonce() { x=$(uname -a); ask; }\n"
    )
    take = taken.format(functions)
    assert below(shell, f"{take}; printf 'a\\nb\\nc\\n' | each; :") == {"left"}
    assert below(shell, f"{take}; printf 'a\\nb\\nc\\n' | once; :") == {"ours"}


@pytest.mark.parametrize("shell", ["sh", "bash", "dash"])
def test_every_turn_of_a_loop_that_is_typed(shell: str) -> None:
    ask = f'{sys.executable} -c "{PROBE}"'
    typed = f"printf 'a\\nb\\nc\\n' | while read -r l; do {ask}; done\n"
    found = subprocess.run([shell], input=typed.encode(), capture_output=True, check=True)
    assert found.stdout == b"left\n" * 3


def test_a_script_that_comes_from_a_pipe() -> None:
    ask = f'{sys.executable} -c "{PROBE}"'
    script = f"printf 'a\\nb\\n' | while read -r l; do {ask}; done; printf a | {{ {ask}; }}; :"
    line = ["bash", "-c", 'bash <(printf %s "$0")', script]
    found = subprocess.run(line, stdin=subprocess.DEVNULL, capture_output=True, check=True)
    assert found.stdout == b"left\nleft\nours\n"


@pytest.mark.parametrize("shell", ["sh", "bash", "dash"])
def test_a_script_in_a_file(shell: str, tmp_path: Path) -> None:
    script = tmp_path / "summarise.sh"
    script.write_text(f'#!/usr/bin/env {shell}\n{sys.executable} -c "{PROBE}"\n:\n')
    script.chmod(0o755)
    found = subprocess.run([script], input=b"a\n", capture_output=True, check=True)
    assert found.stdout == b"ours\n"
    script.write_text(script.read_text().replace("\n:\n", "\nread x\n"))
    found = subprocess.run([script], input=b"a\n", capture_output=True, check=True)
    assert found.stdout == b"left\n"


def test_a_shell_that_takes_its_commands_from_its_input() -> None:
    script = f'{sys.executable} -c "{PROBE}"\n:\n'.encode()
    found = subprocess.run(["bash"], input=script, capture_output=True, check=True)
    assert found.stdout == b"left\n"


def test_a_python_program_keeps_its_input_to_itself() -> None:
    code = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {PROBE!r}])"
    found = subprocess.run(["python3", "-c", code], input=b"a\n", capture_output=True, check=True)
    assert found.stdout == b"left\n"


def test_the_list_of_a_git_hook_is_left_alone_but_an_alias_is_not(tmp_path: Path) -> None:
    env = {**os.environ, "GIT_CONFIG_GLOBAL": os.devnull, "PYTHONPATH": os.pathsep.join(sys.path)}

    def git(*arguments: str, stdin: bytes | None = None) -> bytes:
        who = ("-c", "user.name=x", "-c", "user.email=x@example.org")
        found = subprocess.run(
            ["git", *who, *arguments],
            cwd=tmp_path,
            env=env,
            input=stdin or b"",
            capture_output=True,
            check=False,
        )
        assert found.returncode == 0, found.stderr
        return found.stdout + found.stderr

    git("init", "--bare", "remote.git")
    git("init", "-b", "main", ".")
    git("commit", "--allow-empty", "-m", "x")
    hook = tmp_path / ".git" / "hooks" / "pre-push"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text(f'#!/bin/sh\n{sys.executable} -c "{PROBE}" >&2\n:\n')
    hook.chmod(0o755)
    assert b"left\n" in git("push", "remote.git", "main")
    (tmp_path / "probe.py").write_text(PROBE)
    alias = f"alias.probe=!{sys.executable} probe.py; :"
    assert git("-c", alias, "probe", stdin=b"text\n") == b"ours\n"
