"""A request with tools on scripted steps: what is shown, what goes up, what is repaired."""

from __future__ import annotations

from collections.abc import Mapping

from tests.workers.test_request import END, Letters
from tierchat.engine.grammar import Grammar
from tierchat.engine.sequence import Sequence, Step
from tierchat.gates.order import GateOrder
from tierchat.gates.token_gate import TokenGate
from tierchat.tool_calls import Tool
from tierchat.types import Hold, Message, Sampling, Signals
from tierchat.workers.child.answer_text import CUT_CALL, REPEATED_CALL
from tierchat.workers.child.request import Request
from tierchat.workers.child.tool_calls.answer_calls import AnswerCalls
from tierchat.workers.child.tool_calls.checker import CallChecker
from tierchat.workers.child.tool_calls.marks import marks_of
from tierchat.workers.child.tool_calls.reader import CallReader
from tierchat.workers.protocol import Called, Delta, Escalated, Finished, Generate, RequestEvent

OPENS, ODD = 950, 951
TOOL = Tool(
    name="f", parameters='{"type":"object","properties":{"a":{"type":"integer"}},"required":["a"]}'
)


def call(a: object = 1, name: str = "f") -> str:
    return f'<tool_call>\n{{"name": "{name}", "arguments": {{"a": {a}}}}}\n</tool_call>'


class Script:
    """Feeds one request token by token; with `targets` a tier is above."""

    def __init__(
        self,
        *targets: str,
        hold: Hold = "first",
        max_tokens: int = 500,
        is_required: bool = False,
        max_calls: int | None = None,
        marks: Mapping[int, str] | None = None,
        answered: frozenset[tuple[str, str]] = frozenset(),
    ) -> None:
        order = Generate(
            id=1,
            messages=(Message(role="user", content="q"),),
            sampling=Sampling(),
            gate=GateOrder(
                kind="token", may_escalate=True, hold=hold, hold_back=3, targets=targets
            ),
        )
        self.sequence = Sequence(1, [1, 2, 3, 4], order.sampling)
        self.opened: list[tuple[str, str]] = []
        checker = CallChecker([TOOL])
        calls = AnswerCalls(
            CallReader(marks_of(""), checker.names),
            checker,
            marks or {},
            is_required=is_required,
            max_calls=max_calls,
            answered=answered,
            grammar_inside=self._grammar,
        )
        self.request = Request(
            order,
            self.sequence,
            TokenGate(order.gate, 0.5, -1.0),
            Letters(),
            max_tokens=max_tokens,
            calls=calls,
        )
        self.events: list[RequestEvent] = []

    def _grammar(self, mark: str, text: str) -> Grammar | None:
        self.opened.append((mark, text))
        return None

    def write(self, text: str, *more: int) -> Script:
        for token in (*map(ord, text), *more):
            if self.is_over:
                break
            self.sequence.tokens.append(token)
            signals = Signals(escalate_probability=0) if self.sequence.reads_signals else None
            is_control = END <= token < 1_000
            step = Step(self.sequence, token, token == END, is_control, signals, -0.1)
            self.events += self.request.take(step)
        return self

    @property
    def is_over(self) -> bool:
        return bool(self.events) and isinstance(self.events[-1], Escalated | Finished)

    @property
    def answer(self) -> str:
        return "".join(e.answer for e in self.events if isinstance(e, Delta))

    @property
    def called(self) -> list[tuple[int, str]]:
        return [(e.index, e.call.arguments) for e in self.events if isinstance(e, Called)]

    @property
    def end(self) -> Escalated | Finished:
        last = self.events[-1]
        assert isinstance(last, Escalated | Finished)
        return last


def test_calls_follow_the_text_and_are_shown_one_by_one_where_no_tier_is_above() -> None:
    script = Script().write(f"I look.\n{call(1)}")
    assert script.answer == "I look." and script.called == [(0, '{"a": 1}')]
    script.write(f"\n{call(2)}", END)
    assert script.called[1:] == [(1, '{"a": 2}')]
    assert isinstance(script.end, Finished) and script.end.reason == "stop"


def test_with_a_tier_above_calls_wait_until_all_of_them_are_checked() -> None:
    script = Script("M").write(call(1))
    assert not script.events
    script.write(call(2), END)
    assert [index for index, _ in script.called] == [0, 1]
    broken = Script("M").write(call(1) + call('"x"'), END)
    assert not broken.called and isinstance(broken.end, Escalated)


def test_a_call_that_fits_no_tool_goes_up() -> None:
    for text in (call(name="g"), call('"x"'), "<tool_call>\nf it is\n</tool_call>"):
        script = Script("M").write(text)
        assert isinstance(script.end, Escalated) and len(script.events) == 1, text
        assert script.end.unfit.startswith("calls a tool in a way that cannot be used: ")


def test_at_the_top_a_broken_call_ends_the_request_for_a_repair() -> None:
    script = Script().write(f"Well.\n{call(name='g')}")
    assert script.answer == "Well." and not script.called
    assert isinstance(script.end, Finished) and script.end.reason == "broken_call"
    assert script.end.unfit == "there is no tool named 'g'"


def test_once_text_is_shown_a_broken_call_cannot_go_up() -> None:
    script = Script("M").write(f"I look it up.\n{call(name='g')}")
    assert script.answer == "I look it up."
    assert isinstance(script.end, Finished) and script.end.reason == "broken_call"


def test_text_without_a_call_is_shown_as_ever() -> None:
    script = Script("M").write("abcd")
    assert script.answer == "abcd"
    script.write(" <tool", END)
    assert script.answer == "abcd <tool" and isinstance(script.end, Finished)


def test_a_required_call_that_is_missing_is_broken() -> None:
    script = Script(is_required=True).write("no", END)
    assert isinstance(script.end, Finished) and script.end.reason == "broken_call"


def test_one_call_is_enough_where_no_more_are_wanted() -> None:
    script = Script(max_calls=1).write(call(1) + call(2))
    assert script.called == [(0, '{"a": 1}')]
    assert isinstance(script.end, Finished) and script.end.reason == "stop"


def test_the_same_call_again_ends_the_answer() -> None:
    script = Script().write(call(1) + call(2) + call(1) + call(3))
    assert [arguments for _, arguments in script.called] == ['{"a": 1}', '{"a": 2}']
    assert isinstance(script.end, Finished) and script.end.reason == "stop"


def test_a_call_whose_result_was_read_goes_up_while_it_can() -> None:
    answered = frozenset({("f", '{"a": 1}')})
    script = Script("M", answered=answered).write(call(1))
    assert isinstance(script.end, Escalated) and script.end.unfit == REPEATED_CALL
    # At the top a tool may be asked again, as for the state of a job.
    assert Script(answered=answered).write(call(1), END).called == [(0, '{"a": 1}')]
    assert Script("M", answered=answered).write(call(2), END).called


def test_a_call_that_a_limit_cuts_is_left_out_and_told() -> None:
    script = Script(max_tokens=30).write(call(1))
    assert not script.called and script.answer == ""
    assert isinstance(script.end, Finished) and script.end.reason == "length"
    assert CUT_CALL in script.end.notices


def test_a_call_that_repeats_itself_is_made_once_more() -> None:
    script = Script(max_tokens=5_000).write(
        '<tool_call>{"name": "f", "arguments": {"b": "' + "so " * 500
    )
    assert isinstance(script.end, Finished) and script.end.reason == "broken_call"
    assert script.end.unfit == "it repeats itself" and script.answer == ""


def test_control_tokens_mark_calls_and_are_never_shown() -> None:
    script = Script(marks={OPENS: "<tool_call>"}).write("So: ", OPENS)
    script.write('{"name": "f", "arguments": {"a": 1}}', END)
    assert script.answer == "So:" and script.called == [(0, '{"a": 1}')]
    odd = Script(marks={OPENS: "<tool_call>"}).write("So", ODD)
    assert odd.answer == "So" and isinstance(odd.end, Finished)


def test_a_call_that_is_opened_follows_a_grammar_where_it_cannot_go_up() -> None:
    for script in (Script(), Script("M")):
        script.write("I look.\n<tool_call>\n{")
        assert script.opened == [("<tool_call>", "")]
    assert not Script("M").write("<tool_call>\n{").opened


def test_a_cancelled_answer_gives_its_text_and_no_half_of_a_call() -> None:
    script = Script().write("I look.\n<tool_call>\n{")
    events = script.request.interrupt()
    assert isinstance(events[-1], Finished) and len(events) == 1
    assert script.answer == "I look."
