"""`tierchat ask -T` as a user runs it, with a daemon that calls tools by a script."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pexpect
import pytest

from tests.cli.test_chat import PROMPT, Talk
from tests.conftest import UserHome, new_home
from tierchat.conversations.reader import open_log


@pytest.fixture(scope="module")
def scripted() -> Iterator[UserHome]:
    """A home whose default cascade knows more than one field."""
    with new_home() as found:
        found.paths.config_dir.mkdir(mode=0o700)
        found.paths.config_file.write_text('cascade = "coder"\nteach = false\n')
        found.start_scripted()
        yield found


SUM = 'call calc {"expression": "17 * 23"}'


def test_a_call_is_run_and_only_the_answer_goes_to_stdout(scripted: UserHome) -> None:
    found = scripted.run("ask", "-T", "calc", SUM)
    assert (found.returncode, found.stdout, found.stderr) == (0, b"391\n", b"")


def test_json_has_the_calls_and_what_all_turns_cost(scripted: UserHome) -> None:
    outcome = json.loads(scripted.run("ask", "--json", "-T", "calc", SUM).stdout)
    assert outcome["answer"] == "391" and outcome["path"][0]["reason"] == "tool_calls"
    (run,) = outcome["tool_runs"]
    assert run["tool"] == "calc" and run["result"] == "391" and not run["is_failed"]
    assert json.loads(run["arguments"]) == {"expression": "17 * 23"}
    found = scripted.run("ask", "-u", "-T", "calc", SUM)
    assert "1 tool call cost" in found.stderr.decode()


def test_an_exchange_with_calls_is_saved_as_one(scripted: UserHome) -> None:
    outcome = json.loads(scripted.run("ask", "--json", "-T", "calc", SUM).stdout)
    with open_log(scripted.paths.log_file) as log:
        assert log
        (exchange,) = log.exchanges(outcome["conversation_id"], is_whole=True)
        visits = log.visits(exchange.id)
    assert exchange.answer == "391" and exchange.prompt == SUM
    assert [visit.tier for visit in visits] == ["XS", "XS"]


def test_what_a_tool_says_is_wrong_goes_back_to_the_tier(scripted: UserHome) -> None:
    found = scripted.run("ask", "-T", "calc", 'call calc {"expression": "1/0"}')
    assert found.stdout == b"error: division by zero\n"
    found = scripted.run("ask", "-T", "calc", "call python {}")
    assert b"there is no tool named 'python'" in found.stdout


def test_files_are_read_below_the_folder_that_was_named(scripted: UserHome, tmp_path: Path) -> None:
    (tmp_path / "inner").mkdir()
    (tmp_path / "inner" / "a.txt").write_text("hello from a file")
    (tmp_path / "b.txt").write_text("outside")
    tool = f"files:{tmp_path / 'inner'}"
    found = scripted.run("ask", "-T", tool, 'call read_file {"path": "a.txt"}')
    assert b"hello from a file" in found.stdout and b"It is data" in found.stdout
    found = scripted.run("ask", "-T", tool, 'call read_file {"path": "../b.txt"}')
    assert b"outside" not in found.stdout and b"leads out of the folder" in found.stdout


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["-T", "clac"], "did you mean `calc`"),
        (["-T", "calc:x"], "takes nothing after a colon"),
        (["-T", "files:/no/such/folder"], "there is no such folder"),
        (["-T", "calc", "--raw"], "-T and --raw do not go together"),
        (["-T", "calc", "--schema", "a int"], "-T and --schema do not go together"),
    ],
)
def test_mistakes_are_told_before_anything_is_asked(
    scripted: UserHome, options: list[str], said: str
) -> None:
    found = scripted.run("ask", *options, "hello")
    assert found.returncode == 2 and said in found.stderr.decode() and not found.stdout


def test_a_terminal_shows_calls_between_what_was_said_and_the_answer(scripted: UserHome) -> None:
    command, *arguments = scripted.command("ask", "-T", "calc", SUM)
    env = {**scripted.env, "TERM": "xterm"}
    with pexpect.spawn(command, arguments, env=env, timeout=60, dimensions=(24, 120)) as child:
        child.expect(pexpect.EOF)
        shown = child.before.decode()
    lines = [line for line in shown.replace("\r", "").split("\n") if line.strip()]
    assert lines[0].endswith("Let me see.") and lines[1] == "calc 17 * 23 → 391"
    assert lines[2] == "391" and "1 tool call cost" in lines[3]


def test_models_that_call_no_tools_are_asked_without(warm: UserHome) -> None:
    found = warm.run("ask", "-T", "calc", "What is 17*24?")
    assert found.stdout == b"408\n" and b"these models call no tools" in found.stderr


def test_a_chat_chooses_tools_and_shows_their_calls(scripted: UserHome) -> None:
    talk = Talk(scripted, "-T", "clock", columns=120)
    talk.say("/tools")
    talk.hear("tools: clock")
    talk.say("/tools clac")
    talk.hear("did you mean `calc`")
    talk.say("/tools calc python")
    talk.hear("tools: calc python")
    talk.say(SUM)
    shown = talk.hear("1 tool call cost")
    assert "calc 17 * 23 → 391" in shown
    talk.say("/tools off")
    talk.hear(r"tools: \(none\)")
    talk.child.expect(PROMPT)
    assert talk.leave() == 0


SHELL = (
    r'call shell {"command": "echo made > made.txt; echo \"Allow it? [y]es, [N]o y\" \u001b[2J"}'
)


def spawn(home: UserHome, where: Path, *arguments: str) -> pexpect.spawn[str]:
    program, *rest = home.command("ask", *arguments)
    env = {**home.env, "TERM": "xterm", "PYTHONPATH": str(Path.cwd())}
    return pexpect.spawn(
        program, rest, env=env, timeout=60, dimensions=(24, 150), cwd=str(where), encoding="utf-8"
    )


@pytest.mark.parametrize(("key", "is_made"), [("y", True), ("n", False), ("", False), ("s", False)])
def test_a_command_is_shown_as_it_is_and_run_after_a_yes(
    scripted: UserHome, tmp_path: Path, key: str, is_made: bool
) -> None:
    with spawn(scripted, tmp_path, "-T", "shell", SHELL) as child:
        child.expect("shell wants to run:")
        child.expect(r"│ echo made > made.txt; echo \"Allow it\? \[y\]es, \[N\]o y\" \\x1b\[2J")
        child.expect(r"\nAllow it\? \[y\]es, \[N\]o ")
        assert not (tmp_path / "made.txt").exists()
        child.send(f"{key}\n")
        child.expect("exit code 0" if is_made else "the person did not allow this call of shell")
        child.expect(pexpect.EOF)
    assert (tmp_path / "made.txt").exists() == is_made


def test_a_pipe_cannot_say_yes(scripted: UserHome, tmp_path: Path) -> None:
    call = 'call shell {"command": "touch made.txt"}'
    found = scripted.run("ask", "--no-stdin", "-T", "shell", call, stdin=b"y\ny\n")
    assert b"no person is at a terminal" in found.stdout and not Path("made.txt").exists()
    edit = 'call edit_file {"path": "made.txt", "old": "", "new": "x"}'
    tool = f"edit:{tmp_path}"
    found = scripted.run("ask", "--no-stdin", "-T", tool, edit, stdin=b"y\ny\n")
    assert b"no person is at a terminal" in found.stdout and not list(tmp_path.iterdir())


def test_an_edit_is_shown_as_a_diff_and_made_after_a_yes(
    scripted: UserHome, tmp_path: Path
) -> None:
    (tmp_path / "a.txt").write_text("one\ntwo\n")
    edit = 'call edit_file {"path": "a.txt", "old": "two", "new": "2"}'
    with spawn(scripted, tmp_path, "-T", "edit", edit) as child:
        child.expect("│ -two\r\n│ \\+2")
        child.expect(r"Allow it\? \[y\]es, yes for this \[s\]ession, \[a\]lways, \[N\]o ")
        child.send("y\n")
        child.expect("a.txt was changed")
        child.expect(pexpect.EOF)
    assert (tmp_path / "a.txt").read_text() == "one\n2\n"


def test_a_chat_asks_for_calls_with_keys_that_are_seen(scripted: UserHome) -> None:
    talk = Talk(scripted, "-T", "shell", columns=120)
    talk.say('call shell {"command": "echo hello | tr a-z A-Z"}')
    talk.hear(r"Allow it\? \[y\]es, \[N\]o ")
    talk.child.send("y\r")
    shown = talk.hear("1 tool call cost")
    assert shown.startswith("y") and "HELLO" in shown
    assert talk.leave() == 0


def test_tools_are_listed_allowed_and_logged(home: UserHome) -> None:
    home.paths.config_dir.mkdir(mode=0o700)
    home.paths.config_file.write_text('cascade = "coder"\nteach = false\n')
    home.start_scripted()
    assert b"shell   shell         asked for" in home.run("tools", "ls").stdout
    assert home.run("tools", "allow", "calc", "never").stderr == b"calc: never\n"
    listed = home.run("tools", "ls", "--json").stdout.splitlines()
    assert json.loads(listed[0])["approval"] == "never"
    assert b"calc is not allowed here" in home.run("ask", "-T", "calc", SUM).stdout
    home.run("tools", "allow", "calc", "always")
    home.run("ask", "-T", "calc", SUM)
    home.run("ask", "-n", "-T", "calc", SUM)
    calls = [json.loads(line) for line in home.run("tools", "log", "--json").stdout.splitlines()]
    assert [call["is_failed"] for call in calls] == [True, False, False]
    assert calls[1]["result"] == "391" and calls[2]["result"] is None
    assert b"391" in home.run("tools", "log", "-n", "2").stdout
    found = home.run("tools", "allow", "shell", "always")
    assert found.returncode == 2 and b"each call is shown and asked for" in found.stderr
