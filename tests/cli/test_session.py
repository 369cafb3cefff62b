"""What a chat sends after turns were undone, replaced or summarised."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from tests.conversations.test_store import CHAT, save, say
from tierchat.cascade.ledger import Ledger
from tierchat.cli.ask.printer import AnswerView
from tierchat.cli.chat import reports, settings, slash
from tierchat.cli.chat.chat import Chat
from tierchat.cli.chat.exchanges import unfit
from tierchat.cli.chat.keys import Keys
from tierchat.cli.chat.session import SUMMARISE, ChatSession, Turn
from tierchat.config.home import Home
from tierchat.conversations.changes import LogChange
from tierchat.conversations.last_answer import LastAnswer
from tierchat.conversations.past import Past
from tierchat.conversations.reader import LogReader
from tierchat.conversations.store import LogStore
from tierchat.errors import UsageError
from tierchat.outcomes import Outcome, Usage
from tierchat.paths import find_paths
from tierchat.service.messages import DaemonStatus
from tierchat.terminal.output import Output
from tierchat.tool_calls import ToolCall
from tierchat.types import Message, Prompt
from tierchat.workers.status import WorkerStatus


def outcome(tier: str = "S") -> Outcome:
    ledger = Ledger({"XS": 1.0, "S": 5.0, "M": 20.0}.__getitem__, "M")
    ledger.add("XS", "small", "escalate token", Usage(prompt_tokens=10, cached_tokens=4))
    ledger.add(tier, "big", "stop", Usage(prompt_tokens=10, generated_tokens=4), is_answer=True)
    return ledger.close("4", "", "stop", 0.5)


@pytest.fixture
def session() -> ChatSession:
    found = ChatSession("pocket", ("XS", "S", "M"))
    for number in (1, 2):
        found.add(Turn(f"exchange{number}", f"q{number}", f"a{number}", outcome(), "S"))
        found.spend(outcome())
    return found


def said(prompt: Prompt) -> list[str]:
    return [message.content for message in prompt.messages]


def test_every_turn_is_sent_with_the_next(session: ChatSession) -> None:
    session.system = "Be brief."
    assert said(session.ask("q3")) == ["Be brief.", "q1", "a1", "q2", "a2", "q3"]


def test_a_prompt_asked_again_replaces_the_last_turn(session: ChatSession) -> None:
    last = session.last
    assert last is not None
    above = session.tier_above(last)
    prompt = session.ask(last.prompt, min_tier=above, replaces=last)
    assert said(prompt) == ["q1", "a1", "q2"] and prompt.options.min_tier == "M"
    assert prompt.options.save is not None and prompt.options.save.replaces == "exchange2"
    session.add(Turn("exchange3", "q2", "better", outcome("M"), "M"), replaces=last)
    assert said(session.ask("q3")) == ["q1", "a1", "q2", "better", "q3"]
    assert session.last is not None and session.tier_above(session.last) is None


def test_undo_takes_turns_back_until_there_are_none(session: ChatSession) -> None:
    assert [turn.prompt for turn in (session.undo(), session.undo()) if turn] == ["q2", "q1"]
    assert session.undo() is None and session.last is None
    assert said(session.ask("q3")) == ["q3"]
    # They were paid for all the same.
    assert session.num_tokens == 2 * (6 + 14) and len(session.spent) == 2


def test_unanswered_turns_are_not_sent_and_interrupted_ones_as_far_as_they_went(
    session: ChatSession,
) -> None:
    session.add(Turn("exchange3", "q3", ""))
    session.add(Turn("exchange4", "q4", "as far as"))
    assert said(session.ask("q5"))[-3:] == ["q4", "as far as", "q5"]


def test_calls_and_their_results_are_sent_with_their_turn(session: ChatSession) -> None:
    call = ToolCall(id="call_1", name="calc", arguments="{}")
    calls = (
        Message(role="assistant", content="", tool_calls=(call,)),
        Message(role="tool", content="391", tool_call_id="call_1"),
    )
    half = Turn("exchange3", "q3", "it is", None, "S", is_complete=False, calls=calls)
    session.add(half)
    assert session.ask("q4").messages[-5:-1] == (
        Message(role="user", content="q3"),
        *calls,
        Message(role="assistant", content="it is"),
    )
    assert session.go_on(half).messages[-4:] == (
        Message(role="user", content="q3"),
        *calls,
        Message(role="assistant", content="it is"),
    )


def test_a_summary_replaces_the_turns_before_it(session: ChatSession) -> None:
    prompt = session.ask_for_summary("M")
    assert prompt.messages[-1].content == SUMMARISE and prompt.options.tier == "M"
    assert prompt.options.save is not None and prompt.options.save.is_summary
    assert said(session.ask_for_summary("M", 1)) == ["q2", "a2", SUMMARISE]
    session.compact(Turn("summary1", SUMMARISE, "we counted"))
    assert len(said(session.ask("q3"))) == 3 and "we counted" in said(session.ask("q3"))[0]
    undone = session.undo()
    assert undone is not None and undone.exchange == "summary1"
    assert said(session.ask("q3")) == ["q1", "a1", "q2", "a2", "q3"]


def test_what_is_taken_back_or_replaced_no_longer_fills_a_context(session: ChatSession) -> None:
    ledger = Ledger({"XS": 1.0, "S": 5.0, "M": 20.0}.__getitem__, "M")
    usage = Usage(prompt_tokens=30, generated_tokens=9)
    ledger.add("XS", "small", "escalate token", Usage(prompt_tokens=30))
    ledger.add("S", "big", "stop", usage, is_answer=True)
    session.add(Turn("exchange3", "q3", "a3", ledger.close("a3", "", "stop", 0.1), "S"))
    assert session.used == {"XS": 30, "S": 39}
    assert "context 39" in reports.status_line(session, None)
    above = Ledger({"M": 20.0}.__getitem__, "M")
    above.add("M", "bigger", "stop", usage, is_answer=True)
    better = Turn("exchange4", "q3", "better", above.close("better", "", "stop", 0.1), "M")
    session.add(better, replaces=session.last)
    assert session.used == {"XS": 10, "S": 14, "M": 39}
    session.undo()
    assert session.used == {"XS": 10, "S": 14}
    assert "context 14" in reports.status_line(session, None)


def test_an_unfinished_answer_is_continued_and_stays_one_turn(session: ChatSession) -> None:
    half = Turn("exchange3", "q3", "the first ha", None, "S", is_complete=False)
    session.add(half)
    prompt = session.go_on(half)
    assert said(prompt)[-2:] == ["q3", "the first ha"]
    assert prompt.messages[-1].role == "assistant" and prompt.begun == "the first ha"
    assert prompt.question == "q3" and prompt.options.tier == "S"
    assert prompt.options.save is not None and prompt.options.save.replaces == "exchange3"
    session.add(Turn("exchange4", "q3", "the first half.", outcome(), "S"), replaces=half)
    assert said(session.ask("q4"))[-3:] == ["q3", "the first half.", "q4"]
    assert session.last is not None and session.last.prompt == "q3"


@pytest.mark.parametrize(
    ("answer", "tier", "is_complete", "why"),
    [
        ("We counted from one to two and stopped.", "M", True, ""),
        ("We counted", None, True, "declined"),
        ("  ", "M", True, "declined"),
        ("We counted from one to", "M", False, "cut short"),
        ("4", "M", True, "too short"),
        ("Elephants eat grass very slowly.", "M", True, "no word"),
        ("We counted. " * 40, "M", True, "longer"),
    ],
)
def test_a_text_that_is_no_summary_is_refused(
    answer: str, tier: str | None, is_complete: bool, why: str
) -> None:
    turn = Turn("summary", SUMMARISE, answer, None, tier, is_complete)
    found = unfit(turn, "Let us count from one to two.\nOne, two.\n" * 5)
    assert why in found and bool(why) == bool(found)


@pytest.mark.parametrize(
    "line", ["temperature", "temperature 99", "temperature nan", "tempreture 1", "top_k x"]
)
def test_hints_of_set_speak_of_the_chat(session: ChatSession, line: str) -> None:
    with pytest.raises(UsageError) as caught:
        settings.sampling(session, line)
    assert caught.value.hint
    assert "-o" not in caught.value.hint and "tierchat ask" not in caught.value.hint


def test_a_saved_conversation_goes_on(session: ChatSession, tmp_path: Path) -> None:
    store = LogStore(tmp_path / "log.sqlite")
    say(store, 1, "gone", "x")
    say(store, 2, "summarise", "we met", is_summary=True)
    say(store, 3, "old", "answer")
    store.begin(save(4), "pocket", (Message(role="user", content="summarise again"),))
    store.end_early(save(4), "failed", "", "")
    exchanges = tuple(LogReader(tmp_path / "log.sqlite").exchanges(CHAT))
    before = session.conversation
    session.go_on_with(Past(CHAT, "pocket", "Rules.", exchanges))
    rules, summary, _, *rest = said(session.ask("new"))
    assert rules == "Rules." and "we met" in summary and rest == ["old", "answer", "new"]
    prompt = session.ask("new")
    assert prompt.options.save is not None and prompt.options.save.conversation == CHAT
    assert session.undo() is not None and session.last is not None
    assert session.last.tier == "S" and session.tier_above(session.last) == "M"
    session.begin()
    assert said(session.ask("x")) == ["Rules.", "x"]
    assert session.conversation not in (before, CHAT)


def test_what_follows_is_told_who_answered_and_what_was_not_good_enough(
    session: ChatSession,
) -> None:
    last = Turn("exchange3", "q3", "a3", tier="XS", cascade="pocket")
    session.add(last)
    options = session.ask("q4").options
    assert (options.answered_by, options.floor, options.up) == ("XS", None, False)
    session.mark_last(is_bad=True)
    assert session.ask("q4").options.floor == session.floor == "S"
    assert session.ask("q3", min_tier="S", replaces=session.last, is_up=True).options.up
    session.mark_last(is_bad=False)
    assert session.floor is None
    # Turns that were summed up still tell who answered, and another cascade has other tiers.
    session.compact(Turn("summary", SUMMARISE, "we met"))
    assert session.ask("q4").options.answered_by == "XS"
    session.cascade = "other"
    assert session.ask("q4").options.answered_by is None


def test_a_conversation_from_the_log_goes_on_where_it_was_answered(
    session: ChatSession, tmp_path: Path
) -> None:
    store = LogStore(tmp_path / "log.sqlite")
    say(store, 1, "old", "answer")
    store.change(LogChange(what="bad", id=save(1).exchange))
    exchanges = tuple(LogReader(tmp_path / "log.sqlite").exchanges(CHAT))
    session.go_on_with(Past(CHAT, "pocket", "", exchanges))
    options = session.ask("shorter").options
    assert (options.answered_by, options.floor) == ("S", "M")
    session.go_on_with(Past(CHAT, "pocket", "", (), LastAnswer("pocket", "M")))
    assert session.ask("shorter").options.answered_by == "M"
    session.begin()
    assert session.ask("shorter").options.answered_by is None


def test_what_is_not_to_be_saved_is_not(session: ChatSession) -> None:
    session.is_saved = False
    assert session.ask("q").options.save is None


def test_what_was_saved_is_counted(session: ChatSession) -> None:
    assert session.compute_saved == pytest.approx(1 - (6 + 70) / 280)
    assert session.used == {"XS": 10, "S": 14}
    assert ChatSession("pocket", ("XS",)).compute_saved is None


def test_commands_are_found_by_all_their_names() -> None:
    assert slash.parse("/quit")[0].names[0] == "exit"
    assert slash.parse("/FILE a b.txt") == (slash.parse("/file x")[0], "a b.txt")
    for line, said_ in (("/wyh", "/why"), ("/undo it", "no argument"), ("/load", "usage: /load")):
        with pytest.raises(UsageError) as caught:
            slash.parse(line)
        assert said_ in f"{caught.value.message} {caught.value.hint}"


@pytest.mark.parametrize(
    ("line", "is_command"),
    [
        (" /up ", True),
        ("/?", True),
        ("/wyh", True),
        ("/etc/hosts what is this?", False),
        ("/usr", True),
        ("a /up", False),
        ("/system two\nlines", True),
        ("/nope\nlines", False),
        ("/", False),
        ("/2 of it", False),
    ],
)
def test_paths_are_not_taken_for_commands(line: str, is_command: bool) -> None:
    assert slash.is_command(line) is is_command


def test_the_chat_does_every_command_that_its_help_lists(
    session: ChatSession, tmp_path: Path
) -> None:
    env = {"TIERCHAT_HOME": str(tmp_path)}
    output = Output(io.StringIO(), io.StringIO(), env)
    home = Home(find_paths(env), env)
    chat = Chat(session, home, output, lambda: None, Keys(0), AnswerView())
    assert set(chat.commands) == {command.names[0] for command in slash.COMMANDS}
    text = "\n".join(slash.help_lines())
    assert all(command.usage in text for command in slash.COMMANDS)
    wanted = """help ? exit bye quit clear new model system set show save load list undo retry edit
        continue copy file think stats context compact export tier up why good bad tools"""
    assert {f"/{name}" for name in wanted.split()} == set(slash.NAMES)


class Typed:
    """Lines as they are typed; an error stands for the key that raises it."""

    def __init__(self, *lines: str | BaseException) -> None:
        self._lines = iter(lines)

    def read(self, default: str = "") -> str:
        line = next(self._lines, EOFError())
        if isinstance(line, BaseException):
            raise line
        return line


def test_ctrl_c_between_two_lines_does_not_leave_the_chat(
    session: ChatSession, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    env = {"TIERCHAT_HOME": str(tmp_path)}
    err = io.StringIO()
    output = Output(io.StringIO(), err, env)
    pressed = iter([True, True, True])
    note = output.note

    def press(*words: str) -> None:
        if next(pressed, False):
            raise KeyboardInterrupt
        note(*words)

    def look() -> None:
        raise KeyboardInterrupt

    home = Home(find_paths(env), env)
    chat = Chat(session, home, output, lambda: None, Keys(0), AnswerView(), look)
    monkeypatch.setattr(output, "note", press)
    assert chat.run(Typed("/show", KeyboardInterrupt(), "/why", EOFError(), "/help")) == 0
    assert "escalate token" in err.getvalue() and "/help" not in err.getvalue()


def worker(*tiers: str, context: int = 512) -> WorkerStatus:
    return WorkerStatus(model=tiers[0], tiers=tiers, state="ready", pid=1, context=context)


def test_the_line_below_the_prompt_shows_the_tiers_of_its_own_cascade() -> None:
    status = DaemonStatus(
        pid=1,
        version="1",
        uptime_s=1,
        socket="",
        cascades={},
        workers=(worker("XS", "net:S"), worker("other:XS", context=99)),
        default_cascade="home",
    )
    home = ChatSession(cascade="home", tiers=("XS", "S"))
    assert reports.contexts(home, status) == [
        "XS: not read yet; 512 tokens fit",
        "S: not read yet",
    ]
    for cascade, shown in (("home", "XS (S)"), ("net", "(XS) S"), ("third", "(XS) (S)")):
        session = ChatSession(cascade=cascade, tiers=("XS", "S"))
        assert reports.status_line(session, status) == shown
        assert reports.status_line(session, status, "lesson 1/5") == f"{shown} · lesson 1/5"
