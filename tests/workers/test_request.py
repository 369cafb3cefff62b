"""A request's decisions A, B and C on scripted steps."""

from __future__ import annotations

from tierchat.engine.sequence import Sequence, Step
from tierchat.gates.order import GateOrder
from tierchat.gates.token_gate import TokenGate
from tierchat.types import Hold, Message, Sampling, Signals
from tierchat.workers.child.request import Request
from tierchat.workers.protocol import Delta, Escalated, Finished, Generate, RequestEvent

END, ESCALATE, THINK, THINK_END = 900, 901, 902, 903


class Letters:
    def piece(self, token: int) -> bytes:
        return chr(token).encode()


class Script:
    """Feeds one request token by token, as an engine would."""

    def __init__(
        self,
        hold: Hold = "first",
        stop: tuple[str, ...] = (),
        max_tokens: int = 200,
        prompt: tuple[int, ...] = (1, 2, 3, 4),
    ) -> None:
        order = Generate(
            id=1,
            messages=(Message(role="user", content="q"),),
            sampling=Sampling(stop=stop),
            gate=GateOrder(kind="token", may_escalate=True, hold=hold, hold_back=3),
        )
        self.sequence = Sequence(1, list(prompt), order.sampling)
        gate = TokenGate(order.gate, 0.5, -1.0)
        self.request = Request(
            order,
            self.sequence,
            gate,
            Letters(),
            max_tokens=max_tokens,
            think_tokens=(THINK, THINK_END),
        )
        self.events: list[RequestEvent] = []

    def draw(self, token: int, escalate: float = 0.0, logprob: float = -0.1) -> None:
        self.sequence.tokens.append(token)
        signals = Signals(escalate_probability=escalate) if self.sequence.reads_signals else None
        is_end, is_control = token == END, token >= END
        step = Step(self.sequence, token, is_end, is_control, signals, logprob)
        self.events += self.request.take(step)

    def draw_broken(self) -> None:
        self.sequence.tokens.append(ord("?"))
        step = Step(self.sequence, ord("?"), False, False, None, None, is_broken=True)
        self.events += self.request.take(step)

    def write(self, text: str) -> None:
        for letter in text:
            self.draw(ord(letter))

    @property
    def answer(self) -> str:
        return "".join(e.answer for e in self.events if isinstance(e, Delta))


def test_decision_a_costs_prefill_only() -> None:
    script = Script()
    script.draw(ESCALATE, escalate=0.9)
    [event] = script.events
    assert isinstance(event, Escalated) and event.stage == "prefill"
    assert (event.usage.prompt_tokens, event.usage.generated_tokens) == (4, 0)


def test_decision_b_goes_up_while_nothing_is_shown() -> None:
    script = Script()
    script.write("ab")
    script.draw(ord("c"), escalate=0.9)
    [event] = script.events
    assert isinstance(event, Escalated) and event.stage == "first"
    assert event.draft == "ab" and event.usage.generated_tokens == 2


def test_once_shown_nothing_is_retracted() -> None:
    script = Script()
    script.write("abc")
    assert script.answer == "abc"
    script.draw(ord("d"), escalate=0.99)
    script.draw(ESCALATE, escalate=0.99)
    last = script.events[-1]
    assert isinstance(last, Finished) and last.reason == "stop"
    assert script.answer == "abcd"


def test_decision_c_reads_the_whole_answer_before_any_of_it_is_shown() -> None:
    script = Script(hold="answer")
    script.write("abcdef")
    script.draw(ord("g"), logprob=-2.0)
    assert script.events == []
    script.draw(END)
    [event] = script.events
    assert isinstance(event, Escalated) and event.stage == "answer"
    assert event.draft == "abcdefg" and event.usage.generated_tokens == 7


def test_a_sure_answer_is_let_go_whole() -> None:
    script = Script(hold="answer")
    script.write("abcdef")
    script.draw(END)
    assert script.answer == "abcdef" and isinstance(script.events[-1], Finished)


def test_thoughts_flow_apart_from_the_answer() -> None:
    script = Script()
    script.draw(THINK)
    script.write("hm, 2+2")
    script.draw(THINK_END)
    script.write("4")
    script.draw(END)
    thought = "".join(e.thought for e in script.events if isinstance(e, Delta))
    assert (thought, script.answer) == ("hm, 2+2", "4")


def test_a_thought_that_the_prompt_has_opened_is_no_answer() -> None:
    script = Script(prompt=(1, THINK, 5, THINK_END, 2, THINK))
    script.write("hm")
    script.draw(THINK_END)
    script.write("four")
    assert script.answer == "four"
    closed = Script(prompt=(1, THINK, THINK_END))
    closed.write("four")
    assert closed.answer == "four"


def test_stop_strings_length_and_repetition_end_it() -> None:
    script = Script(stop=("XY",))
    script.write("abcdXY")
    assert script.answer == "abcd"
    assert isinstance(script.events[-1], Finished) and script.events[-1].reason == "stop"
    script = Script(max_tokens=2)
    script.write("ab")
    assert script.answer == "ab"
    assert isinstance(script.events[-1], Finished) and script.events[-1].reason == "length"
    script = Script()
    script.write("la" * 32)
    assert isinstance(script.events[-1], Finished) and script.events[-1].reason == "repetition"


def test_an_interrupted_request_keeps_what_was_written() -> None:
    script = Script()
    script.write("ab")
    script.events += script.request.interrupt()
    assert script.answer == "ab"
    assert isinstance(script.events[-1], Finished) and script.events[-1].reason == "interrupted"


def test_repetition_that_nobody_has_seen_is_a_reason_to_go_up() -> None:
    script = Script(hold="answer")
    script.write("la" * 32)
    last = script.events[-1]
    assert isinstance(last, Escalated) and last.verdict.reason == "repeats itself"
    assert script.answer == ""


def test_numbers_that_are_not_finite_go_up_unseen_and_end_what_is_shown() -> None:
    script = Script()
    script.write("a")
    script.draw_broken()
    last = script.events[-1]
    assert isinstance(last, Escalated) and last.verdict.reason == "numbers that are not finite"
    script = Script()
    script.write("abcd")
    script.draw_broken()
    last = script.events[-1]
    assert isinstance(last, Finished) and last.reason == "garbage" and script.answer == "abcd"


def test_an_escalate_marker_written_as_text_is_only_text() -> None:
    script = Script()
    script.write("<|escalate|>")
    script.draw(END)
    assert script.answer == "<|escalate|>" and isinstance(script.events[-1], Finished)
