"""A command that is forked does what one does that is started."""

from __future__ import annotations

import subprocess
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.conftest import UserHome, forked_commands, wait_until


@pytest.mark.parametrize("arguments", [("--version",), ("ls",), ("frob",), ("ask",)])
def test_a_fork_prints_and_ends_like_a_command_that_was_started(
    home: UserHome, arguments: tuple[str, ...]
) -> None:
    env = {**home.env, "TIERCHAT_THEME": "no such theme" if arguments == ("ls",) else "plain"}
    forked = home.run(*arguments, stdin=b" \n", env=env)
    started = subprocess.run(
        home.command(*arguments), input=b" \n", env=env, capture_output=True, check=False
    )
    assert (forked.returncode, forked.stdout, forked.stderr) == (
        *(started.returncode, started.stdout, started.stderr),
    )


def test_another_python_path_or_language_is_not_forked(home: UserHome) -> None:
    def run(**env: str) -> object:
        command = home.command("--version")
        return forked_commands().run(command, {**home.env, **env}, None, 60)

    assert run()
    assert not run(PYTHONPATH="/elsewhere")
    assert not run(LC_ALL="no_such_LANGUAGE")


def count_active(home: UserHome) -> int:
    status = home.client.status()
    assert status
    return status.num_active


def test_a_command_beside_another_is_started(home: UserHome) -> None:
    home.start_scripted("1000", "0.05")
    with ThreadPoolExecutor(1) as threads:
        # The first takes 50 s, unless it ends with its daemon.
        first = threads.submit(home.run, "ask", "x")
        wait_until(lambda: count_active(home) == 1)
        assert forked_commands().run(home.command("--version"), home.env, None, 60) is None
        assert home.run("--version").returncode == 0 and not first.done()
        home.children[-1].kill()
        first.result()


def test_a_command_that_does_not_end_is_killed(home: UserHome) -> None:
    home.start_scripted("1000", "0.05")
    with pytest.raises(TimeoutError):
        forked_commands().run(home.command("ask", "x"), home.env, None, 1.0)
    assert home.run("--version").returncode == 0
