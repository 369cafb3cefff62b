"""A request's decisions A, B and C on scripted steps."""

from __future__ import annotations

import pytest

from tierchat.engine.sequence import Sequence, Step
from tierchat.gates.order import GateOrder
from tierchat.gates.token_gate import TokenGate
from tierchat.types import Hold, Message, Sampling, Signals
from tierchat.workers.child.request import Request
from tierchat.workers.protocol import Delta, Escalated, Finished, Generate, RequestEvent

END, ESCALATE, THINK, THINK_END = 900, 901, 902, 903


# Tokens from here on are single bytes.
BYTES = 10_000


class Letters:
    def piece(self, token: int) -> bytes:
        return bytes([token - BYTES]) if token >= BYTES else chr(token).encode()


class Script:
    """Feeds one request token by token, as an engine would."""

    def __init__(
        self,
        hold: Hold = "first",
        stop: tuple[str, ...] = (),
        max_tokens: int = 200,
        is_thinking: bool = False,
        targets: tuple[str, ...] = ("M",),
        hold_back: int = 3,
        answer_threshold: float | None = -1.0,
        question: str = "q",
    ) -> None:
        order = Generate(
            id=1,
            messages=(Message(role="user", content=question),),
            sampling=Sampling(stop=stop),
            gate=GateOrder(
                kind="token",
                may_escalate=True,
                hold=hold,
                hold_back=hold_back,
                targets=targets,
            ),
        )
        self.sequence = Sequence(1, [1, 2, 3, 4], order.sampling)
        gate = TokenGate(order.gate, 0.5, answer_threshold)
        self.request = Request(
            order,
            self.sequence,
            gate,
            Letters(),
            max_tokens=max_tokens,
            think_tokens=(THINK, THINK_END),
            is_thinking=is_thinking,
        )
        self.events: list[RequestEvent] = []

    def draw(self, token: int, escalate: float = 0.0, logprob: float = -0.1) -> None:
        self.sequence.tokens.append(token)
        signals = Signals(escalate_probability=escalate) if self.sequence.reads_signals else None
        is_end, is_control = token == END, END <= token < BYTES
        step = Step(self.sequence, token, is_end, is_control, signals, logprob)
        self.events += self.request.take(step)

    def draw_broken(self) -> None:
        self.sequence.tokens.append(ord("?"))
        step = Step(self.sequence, ord("?"), False, False, None, None, is_broken=True)
        self.events += self.request.take(step)

    def write(self, text: str) -> None:
        for letter in text:
            self.draw(ord(letter))

    def write_bytes(self, raw: bytes) -> None:
        for byte in raw:
            self.draw(BYTES + byte)

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
    script = Script(is_thinking=True)
    script.write("hm")
    script.draw(THINK_END)
    script.write("four")
    assert script.answer == "four"


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


def test_with_nobody_above_nothing_is_held_back_and_no_signal_is_read() -> None:
    script = Script(targets=(), hold_back=0)
    script.draw(ord("a"), escalate=0.1)
    assert script.answer == "a" and not script.sequence.reads_signals
    script.write("b")
    assert script.answer == "ab"


def test_an_own_token_may_decline_at_the_top_before_the_first_word() -> None:
    script = Script(targets=(), hold_back=0)
    script.draw(ESCALATE, escalate=0.9)
    [event] = script.events
    assert isinstance(event, Escalated) and event.stage == "prefill"


def test_with_nobody_above_repetition_is_shown_as_far_as_it_went() -> None:
    script = Script(targets=(), hold_back=0, hold="answer", answer_threshold=None)
    script.write("la" * 32)
    last = script.events[-1]
    assert isinstance(last, Finished) and last.reason == "repetition"
    assert script.answer == "la" * 32


def test_an_answer_that_grows_unseen_goes_up_when_it_repeats_itself() -> None:
    script = Script(hold="answer", hold_back=0, answer_threshold=None)
    script.write("la" * 32)
    last = script.events[-1]
    assert isinstance(last, Escalated) and last.cut == "repetition" and last.draft == "la" * 32


def test_an_answer_that_is_judged_by_nobody_is_shown_as_it_grows() -> None:
    script = Script(hold="judged", answer_threshold=None)
    script.write("abc")
    assert script.answer == "abc"
    script = Script(hold="judged")
    script.write("abcdef")
    assert script.answer == ""


@pytest.mark.parametrize("written", ["", " \n"])
def test_an_empty_answer_goes_up_if_somebody_is_above(written: str) -> None:
    script = Script(hold_back=0)
    script.write(written)
    script.draw(END)
    [event] = script.events
    assert isinstance(event, Escalated) and event.verdict.reason == "gives an empty answer"
    script = Script(hold_back=0, targets=())
    script.write(written)
    script.draw(END)
    last = script.events[-1]
    assert isinstance(last, Finished) and last.reason == "stop" and script.answer == written


def test_an_answer_that_a_stop_string_makes_empty_is_what_was_asked_for() -> None:
    script = Script(stop=("a",))
    script.write("a")
    last = script.events[-1]
    assert isinstance(last, Finished) and last.reason == "stop"


def test_text_that_may_begin_a_stop_string_makes_no_answer_empty() -> None:
    script = Script(stop=("408!",))
    script.write("408")
    script.draw(END)
    assert script.answer == "408" and isinstance(script.events[-1], Finished)


@pytest.mark.parametrize("way", ["end", "length", "interrupt", "stop"])
def test_half_a_character_is_left_out_however_the_answer_ends(way: str) -> None:
    script = Script(targets=(), hold_back=0, max_tokens=2 if way == "length" else 9, stop=("z",))
    script.write("a")
    script.write_bytes("я".encode()[:1])
    if way == "end":
        script.draw(END)
    elif way == "interrupt":
        script.events += script.request.interrupt()
    elif way == "stop":
        script.write("z")
    assert isinstance(script.events[-1], Finished)
    assert script.answer == ("a\ufffd" if way == "stop" else "a")


def test_half_a_character_of_a_thought_is_no_part_of_the_answer() -> None:
    script = Script(targets=(), hold_back=0)
    script.draw(THINK)
    script.write_bytes("я".encode()[:1])
    script.draw(THINK_END)
    script.write("4")
    assert script.answer == "4"


def test_text_that_may_begin_a_stop_string_is_not_lost_by_an_interruption() -> None:
    script = Script(stop=("bc",), targets=(), hold_back=0)
    script.write("ab")
    assert script.answer == "a"
    script.events += script.request.interrupt()
    assert script.answer == "ab"


def test_progress_counts_the_prompt_and_what_is_written() -> None:
    script = Script(hold="answer")
    script.sequence.num_computed = 3
    assert (script.request.progress.computed, script.request.progress.total) == (3, 4)
    assert script.request.progress.generated == 0
    script.write("abcd")
    script.sequence.num_computed = 7
    assert (script.request.progress.computed, script.request.progress.generated) == (4, 4)


LINE = "Explain DNA in one line."
PYTHON = "Write a Python function that adds two numbers."


def unfit(script: Script) -> Escalated:
    [event] = script.events
    assert isinstance(event, Escalated) and event.stage == "answer" and event.unfit
    assert event.verdict.reason == event.unfit
    return event


@pytest.mark.parametrize("hold", ["answer", "judged", "first"])
def test_a_second_line_where_one_was_asked_goes_up_at_once(hold: Hold) -> None:
    script = Script(hold=hold, question=LINE, answer_threshold=None)
    script.write("DNA holds genes.\n")
    assert script.events == []
    script.write("I")
    event = unfit(script)
    assert event.unfit == "several lines where one was asked"
    assert event.cut == "form" and event.draft == "DNA holds genes.\nI"


def test_a_line_that_runs_on_is_shown_where_it_is_watched() -> None:
    script = Script(question=LINE)
    script.write("word " * 20)
    assert script.answer.startswith("word word")
    script.write("\nand more")
    script.draw(END)
    last = script.events[-1]
    assert isinstance(last, Finished) and last.unfit == "several lines where one was asked"


@pytest.mark.parametrize("hold", ["answer", "judged"])
def test_code_that_does_not_compile_goes_up(hold: Hold) -> None:
    script = Script(hold=hold, question=PYTHON, answer_threshold=None)
    script.write("```python\ndef add(a, b)\n    return a + b\n```")
    assert script.events == []
    script.draw(END)
    event = unfit(script)
    assert event.unfit == "its Python does not compile: line 1"
    assert event.cut == "" and event.draft.startswith("```python")


def test_code_is_shown_as_it_grows_where_somebody_watches() -> None:
    script = Script(question=PYTHON)
    script.write("def add(")
    assert script.answer == "def add("


@pytest.mark.parametrize(
    ("question", "answer"),
    [(LINE, "DNA holds genes."), (PYTHON, "def f():\n  return 1"), ("q", "x")],
)
def test_an_answer_as_asked_is_let_go(question: str, answer: str) -> None:
    script = Script(hold="judged", question=question, answer_threshold=None)
    script.write(answer)
    script.draw(END)
    assert script.answer == answer and isinstance(script.events[-1], Finished)


def test_with_no_tier_above_an_unfit_answer_is_shown_as_it_grows() -> None:
    script = Script(hold="answer", question=LINE, targets=(), hold_back=0, answer_threshold=None)
    script.write("DNA")
    assert script.answer == "DNA"
    script.write("\nholds genes")
    script.draw(END)
    last = script.events[-1]
    assert isinstance(last, Finished) and last.unfit == "several lines where one was asked"


def test_what_a_limit_or_a_stop_string_cut_is_not_called_unfit() -> None:
    for script in (
        Script(hold="answer", question=PYTHON, max_tokens=10, answer_threshold=None),
        Script(hold="answer", question=PYTHON, stop=("#",), answer_threshold=None),
    ):
        script.write("def add(a#"[:10])
        assert isinstance(script.events[-1], Finished)


def test_text_that_was_given_is_not_given_back_even_where_it_is_watched() -> None:
    log = "\n".join(f"{n} error in module number {n}" for n in range(10))
    script = Script(question=f"Why does it fail?\n\n{log}")
    for line in log.splitlines():
        for word in line.replace(" ", " \0").split("\0"):
            if not script.events:
                script.write(word)
        if not script.events:
            script.write("\n")
    # Letters are tokens here: no more than 48 are kept back.
    assert script.answer.startswith("0 error")
    whole = Script(hold="judged", question=f"Why does it fail?\n\n{log}", answer_threshold=None)
    for letter in log:
        if not whole.events:
            whole.write(letter)
    assert unfit(whole).unfit == "repeats what it was given"
    other = Script(question=f"Why does it fail?\n\n{log}", hold_back=1, answer_threshold=None)
    other.write("Be")
    assert other.answer == "Be"


def test_marks_without_an_answer_go_up() -> None:
    script = Script(hold="answer", answer_threshold=None)
    script.write("```\n```")
    script.draw(END)
    [event] = script.events
    assert isinstance(event, Escalated) and event.verdict.reason == "gives an empty answer"
