"""The chat as people use it: a real terminal, a real daemon, real models."""

from __future__ import annotations

import os
import re
import shutil
import signal
import sqlite3
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pexpect
import pytest

from tests.conftest import UserHome, wait_until
from tierchat.conversations.reader import LogReader

PROMPT = r">\x08?\x1b\[|> "
# pexpect does not answer when it is asked where the cursor is.
NO_CPR = {"PROMPT_TOOLKIT_NO_CPR": "1"}


class Talk:
    """One chat in a pseudo-terminal."""

    def __init__(self, home: UserHome, *arguments: str, columns: int = 80, **env: str) -> None:
        program, *rest = home.command(*arguments)
        self.child = pexpect.spawn(
            program,
            rest,
            env={**home.env, "TERM": "xterm-256color", **NO_CPR, **env},
            dimensions=(24, columns),
            encoding="utf-8",
            timeout=60,
        )
        # One column has no room for the prompt.
        self.child.expect(PROMPT if columns > 2 else r"\x1b\[\?25h")

    def say(self, line: str) -> None:
        self.child.send(line + "\r")

    def hear(self, pattern: str) -> str:
        self.child.expect(pattern)
        return bare(str(self.child.before) + str(self.child.after))

    def leave(self) -> int:
        self.child.send("\x04")
        self.child.expect(pexpect.EOF)
        self.child.close()
        return int(self.child.exitstatus or 0)


def bare(text: str) -> str:
    return re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", text)


@pytest.fixture
def talk(warm: UserHome) -> Iterator[Talk]:
    found = Talk(warm)
    yield found
    found.child.close(force=True)


def test_a_chat_answers_says_who_did_and_why(talk: Talk, warm: UserHome) -> None:
    talk.say("2+2")
    talk.hear("pocket-xs")
    talk.say("What is 17*24?")
    talk.hear("XS → S: escalate token")
    talk.hear("408")
    talk.hear("pocket-s")
    talk.say("/why")
    talk.hear("escalate_threshold")
    talk.say("/up")
    talk.hear("pocket-m")
    talk.say("/good")
    talk.hear("marked as good")
    talk.say("/stats")
    talk.hear("3 prompts answered by: XS 1, S 1, M 1")
    talk.say("/undo")
    talk.hear("took back: What is 17")
    assert talk.leave() == 0
    reader = LogReader(warm.paths.log_file)
    last = reader.last()
    assert last is not None
    shown = reader.exchanges(last, with_hidden=True)
    assert [e.prompt for e in shown] == ["2+2", "What is 17*24?", "What is 17*24?"]
    assert shown[1].hidden_by == shown[2].id and shown[2].hidden_by == "undo"
    assert shown[2].mark == 1 and [e.prompt for e in reader.exchanges(last)] == ["2+2"]


def test_a_topic_goes_on_higher_after_bad_and_up_and_a_new_one_begins_below(
    warm: UserHome,
) -> None:
    talk = Talk(warm, columns=200)
    talk.say("What is 17*24?")
    talk.hear("pocket-s")
    talk.say("/bad")
    talk.hear("marked as bad; what follows on this topic begins at M")
    talk.say("and 17*25?")
    talk.hear("began at M: the answer of S was not good enough")
    talk.say("2+2")
    talk.hear("began at XS: a new topic")
    talk.say("/up")
    talk.hear("pocket-s")
    talk.say("and 2+3?")
    talk.hear("began at S: it answered before")
    talk.say("/why")
    talk.hear("began at S: it answered before")
    assert talk.leave() == 0


def test_the_chat_of_yesterday_goes_on(warm: UserHome) -> None:
    first = Talk(warm)
    first.say("2+2")
    first.hear("pocket-xs")
    first.say("/save sums of mine")
    first.hear("saved as")
    assert first.leave() == 0
    again = Talk(warm, "-c")
    assert "1 exchange" in bare(str(again.child.before))
    again.say("/why")
    again.hear("pocket-xs")
    again.say("/up")
    again.hear("pocket-s")
    again.say("3+3")
    again.hear("pocket-")
    again.say("/load")
    again.hear("needs an argument")
    again.say("/list")
    again.hear("sums of mine")
    assert again.leave() == 0


def test_ctrl_c_stops_the_answer_keeps_it_and_the_chat_goes_on(home: UserHome) -> None:
    home.start_scripted("400", "0.02")
    talk = Talk(home)
    talk.say("count")
    talk.hear(" 7 8 9 ")
    began_s = time.monotonic()
    talk.child.sendintr()
    talk.hear("the answer above is incomplete")
    assert time.monotonic() - began_s < 1
    talk.say("/why")
    talk.hear("no ledger")
    # The scripted tier counts from zero again; it gets the words so far as the beginning.
    talk.say("/continue")
    talk.hear(" 3 4 5 ")
    # Twice within a moment is no harm either.
    talk.child.sendintr()
    talk.child.sendintr()
    talk.hear("incomplete")
    talk.say("/context")
    talk.hear("M: not read yet")
    assert talk.leave() == 0
    reader = LogReader(home.paths.log_file)
    last = reader.last()
    assert last is not None
    wait_until(lambda: all(e.state != "running" for e in reader.exchanges(last)))
    found = reader.exchanges(last)
    assert [e.state for e in found] == ["interrupted"]
    assert found[0].prompt == "count"
    assert found[0].answer.startswith("0 1 2 3 4 5 6 7 8 9")
    assert "0 1 2 3 4 5" in found[0].answer[10:]


def test_settings_and_mistakes_are_printed(talk: Talk, tmp_path: Path) -> None:
    for line, answer in (
        ("/help", "Ctrl-D leaves"),
        ("/tier", "free: XS"),
        ("/tier m", "only M is asked"),
        ("/tier huge", "known: XS, S, M, free"),
        ("/tier free", "free: XS"),
        ("/set temperature 0.5", "temperature = 0.5"),
        ("/set tempreture 1", "did you mean `temperature`"),
        ("/set quality best", "quality = best"),
        ("/set quality 7", "from 0 to 1"),
        ("/set max_wait 10s", "max_wait = 10s"),
        ("/set max_wait soon", "no time to wait"),
        ("/set max_wait default", "quality = best"),
        ("/think hide", "thoughts are hidden"),
        ("/think loudly", "on, off, auto"),
        ("/system Be brief.", "system: Be brief"),
        ("/system -", "none"),
        ("/model nope", "known: pocket"),
        ("/up", "nothing was asked yet"),
        ("/undo", "nothing to take back"),
        ("/wyh", "did you mean `/why`"),
        ("/file /no/such", "No such file"),
        ("/compact", "nothing was asked"),
        ("/new", "a new conversation"),
        (f"/export {tmp_path}/x.md", "nothing was asked"),
        ("/load zzz", "no conversation begins"),
    ):
        talk.say(line)
        talk.hear(answer)
    talk.say("/exit")
    talk.child.expect(pexpect.EOF)


def test_files_go_with_the_next_prompt_and_a_chat_is_exported(talk: Talk, tmp_path: Path) -> None:
    (tmp_path / "sum.txt").write_text("2+2")
    talk.say(f"/file {tmp_path}/sum.txt")
    talk.hear("goes with")
    talk.say("/tier M")
    talk.say("Calculate")
    talk.hear("pocket-m|no tier could answer")
    talk.say(f"/export {tmp_path}/chat.json")
    talk.hear("wrote")
    assert "sum.txt" in (tmp_path / "chat.json").read_text()
    assert talk.leave() == 0


def test_a_conversation_too_long_for_every_tier_says_what_to_do(talk: Talk) -> None:
    talk.say("7 " * 1500)
    talk.hear("shorten the prompt; /model NAME changes")
    talk.say("2+2")
    talk.hear("pocket-")
    talk.say("7 " * 1500)
    talk.hear("/compact replaces the")


def test_files_too_long_for_every_tier_are_left_out_of_the_next_prompt(
    talk: Talk, tmp_path: Path
) -> None:
    (tmp_path / "long.txt").write_text("7 " * 1500)
    talk.say(f"/file {tmp_path}/long.txt")
    talk.hear(r"\(3.0 kB\)")
    talk.say("2+2")
    talk.hear("are left out from now on")
    talk.say("2+2")
    talk.hear("pocket-")


@pytest.mark.slow
def test_a_terminal_that_does_not_say_where_its_cursor_is_gets_no_warning(warm: UserHome) -> None:
    talk = Talk(warm, PROMPT_TOOLKIT_NO_CPR="")
    # prompt-toolkit gives up after two seconds.
    time.sleep(3)
    talk.say("2+2")
    assert "WARNING" not in talk.hear("pocket-xs")
    assert talk.leave() == 0


def test_a_tier_that_cannot_summarise_leaves_the_conversation_as_it_is(talk: Talk) -> None:
    talk.say("2+2")
    talk.hear("pocket-xs")
    talk.say("/compact")
    talk.hear("no summary")
    talk.say("/show")
    talk.hear("1 exchange")


def test_what_is_typed_during_an_answer_waits_for_its_end(home: UserHome) -> None:
    home.start_scripted("60", "0.02")
    talk = Talk(home)
    talk.say("count")
    talk.hear(" 3 4 5 ")
    talk.say("and again")
    heard = talk.hear("no compute saved")
    assert "again" not in heard
    talk.hear("and again")
    talk.hear(" 58 59")
    assert talk.leave() == 0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_chat_that_is_ended_leaves_the_terminal_as_it_was(warm: UserHome, number: int) -> None:
    inner = " ".join(warm.command("-n"))
    direct = pexpect.spawn(
        "bash",
        ["--norc", "-c", f"{inner}; echo code $?; stty -a; echo over"],
        env={**warm.env, "TERM": "xterm-256color", **NO_CPR},
        encoding="utf-8",
        timeout=60,
    )
    direct.expect(PROMPT)
    [chat] = [
        int(p.name)
        for p in Path("/proc").iterdir()
        if p.name.isdigit() and _parent(p) == direct.pid
    ]
    os.kill(chat, number)
    direct.expect("over")
    said = bare(str(direct.before))
    assert f"code {128 + number}" in said
    assert " icanon" in said and " echo " in said and " icrnl" in said


def _parent(process: Path) -> int | None:
    try:
        return int((process / "stat").read_text().rpartition(")")[2].split()[1])
    except OSError:
        return None


def test_minus_n_leaves_no_trace(warm: UserHome) -> None:
    assert warm.run("ask", "1+1").returncode == 0
    before = LogReader(warm.paths.log_file).conversations(100)
    talk = Talk(warm, "-n")
    talk.say("2+2")
    talk.hear("pocket-xs")
    talk.say("/good")
    talk.hear("this chat is not saved")
    assert talk.leave() == 0
    assert LogReader(warm.paths.log_file).conversations(100) == before


def test_minus_i_goes_on_after_a_pipe(warm: UserHome) -> None:
    line = " ".join(["echo", "2+2", "|", *warm.command("ask", "-i")])
    child = pexpect.spawn(
        "bash",
        ["-c", line],
        env={**warm.env, "TERM": "xterm", **NO_CPR},
        encoding="utf-8",
        timeout=60,
    )
    child.expect("pocket-xs")
    child.expect(PROMPT)
    time.sleep(0.1)
    child.send("3+3\r")
    child.expect("pocket-")
    child.expect(PROMPT)
    time.sleep(0.1)
    child.sendeof()
    child.expect(pexpect.EOF)
    reader = LogReader(warm.paths.log_file)
    last = reader.last()
    assert last is not None
    assert [e.prompt for e in reader.exchanges(last)] == ["2+2", "3+3"]


def test_minus_i_keeps_how_answers_are_shown(warm: UserHome) -> None:
    command = warm.command("ask", "-i", "-R", "17*24")
    env = {**warm.env, "TERM": "xterm", **NO_CPR}
    child = pexpect.spawn(command[0], command[1:], env=env, encoding="utf-8", timeout=60)
    child.expect(PROMPT)
    time.sleep(0.1)
    child.send("18*24\r")
    child.expect("pocket-")
    # Thoughts are a sum of products here.
    assert "*24=" not in child.before
    child.expect(PROMPT)
    child.sendeof()
    child.expect(pexpect.EOF)


@pytest.mark.parametrize("columns", [1, 20])
def test_narrow_and_plain_terminals_are_good_enough(warm: UserHome, columns: int) -> None:
    talk = Talk(warm, columns=columns)
    talk.say("2+2")
    talk.hear("4")
    assert talk.leave() == 0
    dumb = Talk(warm, columns=columns, TERM="dumb")
    dumb.say("3+3")
    dumb.hear("6")
    assert dumb.leave() == 0


@pytest.mark.slow
def test_a_resize_in_the_middle_is_survived(home: UserHome, tmp_path: Path) -> None:
    home.start_scripted()
    file = tmp_path / "long.md"
    file.write_text("".join(f"line {n} is here\n" for n in range(3000)))
    talk = Talk(home)
    talk.say(f"say {file}")
    talk.hear("line 20 ")
    talk.child.setwinsize(24, 30)
    talk.hear("line 2999 is here")
    assert talk.leave() == 0


@pytest.mark.slow
def test_ctrl_z_and_fg_and_a_lost_daemon(home: UserHome) -> None:
    daemon = home.start_scripted("200", "0.02")
    talk = Talk(home)
    talk.say("count")
    talk.hear(" 3 4 5 ")
    talk.child.kill(signal.SIGSTOP)
    time.sleep(0.3)
    talk.child.kill(signal.SIGCONT)
    talk.hear(" 30 31 ")
    daemon.kill()
    talk.hear("connection to the daemon was lost")
    assert talk.leave() == 0
    # The next daemon finds what was written so far, and marks it.
    home.start_scripted()
    home.run("ask", "x")
    [first] = [r for r in LogReader(home.paths.log_file).conversations(5) if r.title == "count"]
    [exchange] = LogReader(home.paths.log_file).exchanges(first.id)
    assert exchange.state == "lost" and exchange.answer.startswith("0 1 2 3 4 5")


@pytest.mark.slow
def test_without_a_place_to_save_a_chat_still_answers_and_says_so_once(home: UserHome) -> None:
    home.directory.joinpath("data").write_text("in the way")
    talk = Talk(home)
    talk.say("2+2")
    talk.hear("not saved")
    talk.hear("pocket-xs")
    talk.say("3+3")
    assert "not saved" not in talk.hear("pocket-")
    assert talk.leave() == 0


@pytest.mark.slow
def test_a_newer_log_is_left_alone_and_a_damaged_one_is_mended(home: UserHome) -> None:
    assert home.run("ask", "2+2").returncode == 0
    home.client.stop()
    db = sqlite3.connect(home.paths.log_file)
    db.execute("PRAGMA user_version = 99")
    db.commit()
    db.close()
    before = home.paths.log_file.read_bytes()
    found = home.run("ask", "2+2")
    assert found.returncode == 0 and b"newer tierchat" in found.stderr
    assert home.run("logs", "ls").returncode == 1
    home.client.stop()
    assert home.paths.log_file.read_bytes() == before
    home.paths.log_file.write_bytes(b"garbage " * 1000)
    found = home.run("ask", "2+2")
    assert found.returncode == 0 and b"damaged" in found.stderr
    assert b"2+2" in home.run("logs", "ls").stdout


@pytest.mark.slow
@pytest.mark.skipif(not shutil.which("tmux"), reason="tmux is not installed")
def test_2000_lines_at_40_columns_with_a_resize_lose_and_double_nothing(
    home: UserHome, tmp_path: Path
) -> None:
    home.start_scripted("5", "0")
    parts = []
    for n in range(400):
        parts.append(
            f"Paragraph {n} has **bold{n}** words and `code{n}` and is long enough to wrap.\n"
        )
        parts.append(f"\n- item {n}\n\n```\ncode line {n}\n```\n\n")
    text = "".join(parts)
    assert text.count("\n") >= 2000
    file = tmp_path / "long.md"
    file.write_text(text)
    tmux = ["tmux", "-L", tmp_path.name, "-f", "/dev/null"]
    env = {name: value for name, value in home.env.items() if name not in ("NO_COLOR", "TMUX")}
    start = " ".join(home.command())
    subprocess.run(
        [*tmux, "new-session", "-d", "-x", "40", "-y", "24", "-s", "t", start],
        env=env,
        check=True,
    )
    try:
        subprocess.run([*tmux, "set", "-g", "history-limit", "20000"], check=True)
        subprocess.run([*tmux, "respawn-pane", "-k", "-t", "t", start], check=True)
        # The limit counts for panes made after it.
        subprocess.run([*tmux, "new-window", "-t", "t", start], env=env, check=True)

        def screen() -> str:
            return subprocess.run(
                [*tmux, "capture-pane", "-t", "t", "-p", "-J", "-S", "-"],
                capture_output=True,
                text=True,
                check=True,
            ).stdout

        wait_until(lambda: screen().strip().startswith(">"))
        time.sleep(0.5)
        subprocess.run([*tmux, "send-keys", "-t", "t", "-l", f"say {file}"], check=True)
        subprocess.run([*tmux, "send-keys", "-t", "t", "Enter"], check=True)
        wait_until(lambda: "Paragraph 50 " in screen())
        subprocess.run([*tmux, "resize-window", "-t", "t", "-x", "60"], check=True)
        wait_until(lambda: "Paragraph 150 " in screen())
        subprocess.run([*tmux, "resize-window", "-t", "t", "-x", "40"], check=True)
        wait_until(lambda: "no compute saved" in screen(), 60)
        shown = screen()
    finally:
        subprocess.run([*tmux, "kill-server"], check=False)
    shown = shown[shown.index("Paragraph 0 ") : shown.index("XS · script")]
    wanted = re.sub(r"\*\*|`(?!``)(?<!``)", "", text.replace("```", "@@@")).replace("@@@", "```")
    assert shown.split() == wanted.replace("- item", "• item").split()
