"""`tierchat top`: who asks, tiers at work, live at a terminal, once and as JSON elsewhere."""

from __future__ import annotations

import contextlib
import json
import subprocess
from collections.abc import Iterator

import pexpect
import pytest

from tests.conftest import UserHome
from tierchat.cli.actions.watching.top import top_lines
from tierchat.service.messages import DaemonStatus, RunningPrompt, TierCounts
from tierchat.service.network.order import ServeOrder
from tierchat.service.network.serve_client import ServeClient
from tierchat.workers.status import WorkerStatus


@contextlib.contextmanager
def asking(home: UserHome, prompt: str) -> Iterator[int]:
    """Let a prompt run; yields the PID of its command once its first word has come."""
    with subprocess.Popen(
        home.command("ask", prompt), env=home.env, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    ) as child:
        assert child.stdout and child.stdout.read(1)
        yield child.pid
        child.kill()


def test_a_frame_tells_of_prompts_tiers_and_models() -> None:
    status = DaemonStatus(
        pid=1,
        version="1",
        uptime_s=1,
        socket="",
        cascades={},
        workers=(
            WorkerStatus(
                model="qwen", tiers=("S",), state="busy", rss_bytes=610 << 20, num_active=1
            ),
        ),
        num_active=2,
        num_waiting=3,
        prompts=(
            RunningPrompt(client="pid 7", cascade="nest", tier="S", num_tokens=50, writing_s=2.0),
            RunningPrompt(client="", cascade="nest"),
        ),
        tiers=(TierCounts(cascade="nest", tier="XS", num_answered=3, num_escalated=1),),
    )
    lines = [" ".join(line.split()) for line in top_lines(status)]
    assert lines[0].startswith("2 prompts running, 3 waiting, 25 tokens/s")
    assert "pid 7 nest S 0 50 25 <1 ms" in lines
    assert "- nest - 0 0 - <1 ms" in lines
    assert "nest XS 3 1 25 % 0 tokens" in lines
    assert "qwen busy 1 610 MiB -" in lines


def test_without_a_daemon_that_is_said_and_none_is_started(home: UserHome) -> None:
    found = home.run("top")
    assert found.returncode == 0 and b"not running" in found.stdout
    assert json.loads(home.run("top", "--json").stdout) == {"running": False}
    assert not home.paths.socket.exists()


def test_it_tells_who_asks_on_this_machine_but_not_to_other_machines(home: UserHome) -> None:
    home.start_scripted("1000", "0.05")
    url = ServeClient(home.paths).open(ServeOrder(port=0)).url.removesuffix("/v1")
    key = {"TIERCHAT_KEY": home.paths.key_file.read_text().strip()}
    with asking(home, "a secret") as pid:
        shown = home.run("top", "--once").stdout.decode()
        facts = json.loads(home.run("top", "--json").stdout)
        there = json.loads(home.run("top", "--server", url, "--json", env=key).stdout)
    assert f"pid {pid} " in shown and "1 prompts running" in shown
    (run,) = facts["prompts"]
    assert (run["client"], run["cascade"], run["tier"]) == (f"pid {pid}", "pocket", "XS")
    assert [run["client"] for run in there["prompts"]] == [""]
    assert "secret" not in shown + json.dumps(facts)


@pytest.mark.parametrize("key", ["q", "\x03"])
def test_at_a_terminal_it_goes_on_until_a_key_and_leaves_the_terminal_as_it_was(
    home: UserHome, key: str
) -> None:
    home.start_scripted("1000", "0.05")
    program, *rest = home.command("top")
    env = {**home.env, "TERM": "xterm-256color"}
    view = pexpect.spawn(program, rest, env=env, encoding="utf-8", timeout=20)
    with contextlib.closing(view):
        view.expect("0 prompts running")
        with asking(home, "x") as pid:
            view.expect(f"pid {pid}")
        view.expect("0 prompts running")
        view.send(key)
        view.expect(pexpect.EOF)
        # The screen of before is shown again, and so is the cursor.
        assert "\x1b[?1049l" in view.before and "\x1b[?25h" in view.before
        assert "Traceback" not in view.before
    assert view.exitstatus == 0
