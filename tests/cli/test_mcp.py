"""`tierchat mcp`: the protocol's own client asks over real standard input and output."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable
from typing import Any

import pexpect
import pytest

from tests.cli.test_server import Far
from tests.cli.test_server import far as far
from tests.conftest import UserHome, wait_until
from tierchat.cli.actions.mcp import start
from tierchat.cli.actions.mcp.arguments import AskArguments, read_arguments
from tierchat.config.home import Home
from tierchat.errors import UsageError

Talk = Callable[[Any], Awaitable[None]]


def talk(home: UserHome, with_client: Talk, *options: str, **env: str) -> None:
    """Start the command as an editor does, let the official client talk to it, end it."""
    pytest.importorskip("mcp_types", reason="the extra mcp is not installed")
    import anyio
    from mcp import Client, StdioServerParameters

    async def run() -> None:
        command, *words = home.command("mcp", *options)
        server = StdioServerParameters(command=command, args=words, env={**home.env, **env})
        with anyio.fail_after(60):
            async with Client(server) as client:
                await with_client(client)

    anyio.run(run)


def texts(result: Any) -> list[str]:
    return [part.text for part in result.content]


def test_an_agent_asks_the_bundled_models_and_hears_which_tier_answered(warm: UserHome) -> None:
    async def ask(client: Any) -> None:
        tools = {tool.name: tool for tool in (await client.list_tools()).tools}
        assert sorted(tools) == ["ask", "models"]
        assert tools["ask"].input_schema["required"] == ["prompt"]
        listed = await client.call_tool("models", {})
        assert texts(listed) == ["pocket: XS, S, M (the default)"]
        assert listed.structured_content["cascades"] == {"pocket": ["XS", "S", "M"]}
        easy = await client.call_tool("ask", {"prompt": "2+2"})
        assert not easy.is_error and texts(easy)[0] == "4"
        assert texts(easy)[1].startswith("XS · pocket-xs · 1 token · ")
        news: list[str] = []

        async def note(_number: float, _total: float | None, text: str | None) -> None:
            news.append(text or "")

        hard = {"prompt": "2+2", "min_tier": "M", "cascade": "pocket", "system": "Be brief."}
        above = await client.call_tool("ask", hard, progress_callback=note)
        assert above.structured_content["tier"] == "M" and news

    before = warm.run("logs", "ls", "--json").stdout
    talk(warm, ask)
    assert warm.run("logs", "ls", "--json").stdout == before


def test_an_error_is_a_result_in_words_and_the_next_call_goes_on(scripted: UserHome) -> None:
    wrong: tuple[tuple[str, dict[str, Any], str], ...] = (
        ("ask", {"prompt": "refuse"}, "too long\nhint: shorten it"),
        ("ask", {"prompt": "refuse late"}, "too long\nhint: shorten it"),
        ("ask", {"prompt": "boom"}, "a bug in tierchat"),
        ("ask", {"prompt": "end"}, "without an outcome"),
        ("ask", {}, "`prompt`"),
        ("ask", {"prompt": 7}, "prompt: must be a text"),
        ("ask", {"prompt": "x", "teir": "M"}, "did you mean `tier`?"),
        ("ask", {"prompt": "x", "quality": "bst"}, "did you mean `best`?"),
        ("aks", {}, "did you mean `ask`?"),
        ("models", {"all": True}, "takes no arguments"),
    )

    async def ask(client: Any) -> None:
        for name, arguments, said in wrong:
            result = await client.call_tool(name, arguments)
            assert result.is_error and said in texts(result)[0], texts(result)
        assert texts(await client.call_tool("ask", {"prompt": "x"}))[0] == "0 1 2 3 4 "

    talk(scripted, ask)


@pytest.mark.slow
def test_a_cancelled_call_ends_its_answer_while_others_go_on(home: UserHome) -> None:
    home.start_scripted("1000", "0.02")

    async def ask(client: Any) -> None:
        import anyio

        with anyio.move_on_after(0.5) as scope:
            await client.call_tool("ask", {"prompt": "x"})
        assert scope.cancelled_caught
        await anyio.to_thread.run_sync(wait_until, lambda: num_cancelled(home) == 1, 2.0)
        assert (await client.call_tool("ask", {"prompt": "refuse"})).is_error

    talk(home, ask)


def num_cancelled(home: UserHome) -> int:
    status = home.client.status()
    return status.workers[0].num_crashes if status else 0


@pytest.mark.slow
def test_a_tierchat_elsewhere_is_asked_and_no_daemon_started_here(far: Far) -> None:
    async def ask(client: Any) -> None:
        assert texts(await client.call_tool("ask", {"prompt": "x"}))[0] == "0 1 2 3 4 "
        assert texts(await client.call_tool("models", {}))[0].startswith("script: XS")

    talk(far.here, ask, TIERCHAT_SERVER=far.url, TIERCHAT_KEY=far.key)
    talk(far.here, ask, "--server", far.url, TIERCHAT_KEY=far.key)

    async def refused(client: Any) -> None:
        result = await client.call_tool("ask", {"prompt": "x"})
        assert result.is_error and "refused the key" in texts(result)[0]

    talk(far.here, refused, TIERCHAT_SERVER=far.url, TIERCHAT_KEY="wrong-wrong-wrong")
    assert not far.here.paths.socket.exists()


@pytest.mark.slow
def test_nothing_but_the_protocol_comes_on_stdout_and_its_end_is_the_end(home: UserHome) -> None:
    pytest.importorskip("mcp_types", reason="the extra mcp is not installed")
    hello = {
        "protocolVersion": "2025-06-18",
        "capabilities": {},
        "clientInfo": {"name": "test", "version": "1"},
    }
    asked = {"name": "ask", "arguments": {"prompt": "2+2"}}
    lines = (
        {"id": 1, "method": "initialize", "params": hello},
        {"method": "notifications/initialized"},
        {"id": 2, "method": "tools/call", "params": asked},
    )
    # A variable that is mistyped is told, and a daemon started, in the middle of it.
    child = subprocess.Popen(
        home.command("mcp"),
        env={**home.env, "TIERCHAT_CASCADES": "x"},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert child.stdin and child.stdout
    with child:
        for line in lines:
            child.stdin.write(json.dumps({"jsonrpc": "2.0", **line}).encode() + b"\n")
        child.stdin.flush()
        replies = [json.loads(child.stdout.readline()) for _ in range(2)]
        rest, said = child.communicate(timeout=20)
    assert [reply["id"] for reply in replies] == [1, 2]
    assert replies[1]["result"]["content"][0]["text"] == "4"
    assert child.returncode == 0 and rest == b"" and b"TIERCHAT_CASCADES" in said


@pytest.mark.slow
def test_ctrl_c_ends_it_at_a_terminal(home: UserHome) -> None:
    pytest.importorskip("mcp_types", reason="the extra mcp is not installed")
    command, *words = home.command("mcp")
    child = pexpect.spawn(command, words, env=dict(home.env), timeout=30)
    try:
        child.expect("Ctrl-D ends it")
        # Long enough for the client of the protocol to wait for its first line.
        time.sleep(3)
        child.sendintr()
        child.expect(pexpect.EOF)
        child.wait()
        assert child.signalstatus == signal.SIGINT
    finally:
        child.close(force=True)


def test_without_the_extra_the_install_line_is_told(
    home: UserHome, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _name: None)
    with pytest.raises(UsageError) as caught:
        start.run(Home(home.paths, home.env), None, None)
    assert caught.value.hint == 'run: pip install "tierchat[mcp]"'


def test_the_extra_is_not_imported_by_other_commands(home: UserHome) -> None:
    code = (
        "import sys; from tierchat.cli.main import build_app; build_app();"
        "sys.exit(' '.join(m for m in ('mcp', 'anyio', 'pydantic') if m in sys.modules))"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, check=False)
    assert found.stderr.strip() == b""


def test_a_quality_is_a_name_or_a_number_and_what_is_empty_is_left_open(home: UserHome) -> None:
    settings = Home(home.paths, home.env).settings
    for given, quality in (("", None), ("frugal", "frugal"), (0.9, 0.9), ("0.9", 0.9)):
        arguments = read_arguments({"prompt": "x", "quality": given}, AskArguments)
        options = arguments.prompt_to(settings, None).options
        assert options.quality == quality
        assert options.tier is options.min_tier is options.cascade is options.save is None
