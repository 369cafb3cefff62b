"""The log-probabilities of an answer go with its text, and stop strings take theirs along."""

from __future__ import annotations

import pytest

from tierchat.engine.prompt_reader import Scores
from tierchat.engine.sequence import Sequence, Step
from tierchat.gates.order import GateOrder
from tierchat.gates.token_gate import TokenGate
from tierchat.types import Message, Sampling
from tierchat.workers.child.request import Request
from tierchat.workers.protocol import Delta, Finished, Generate, RequestEvent

END = 900


class Words:
    """Tokens are numbers of pieces."""

    pieces = (b"Hel", b"lo", b" wor", b"ld", b"\xf0\x9f", b"\x98\x80", b"!EN", b"D.")

    def piece(self, token: int) -> bytes:
        return b"" if token == END else self.pieces[token]

    def spelled(self, token: int) -> bytes:
        return b"<end>" if token == END else self.pieces[token]


def run(tokens: list[int]) -> list[RequestEvent]:
    order = Generate(
        id=1,
        messages=(Message(role="user", content="q"),),
        sampling=Sampling(stop=("END",)),
        gate=GateOrder(kind="token", may_escalate=True, hold_back=0),
        logprobs=1,
    )
    sequence = Sequence(1, [1], order.sampling)
    gate = TokenGate(order.gate, 0.5, None)
    request = Request(order, sequence, gate, Words(), max_tokens=100)
    events: list[RequestEvent] = []
    for number, token in enumerate(tokens):
        sequence.tokens.append(token)
        scores = Scores(token, -float(number), ((token, -float(number)),))
        step = Step(sequence, token, token == END, token == END, None, None, scores=scores)
        events += request.take(step)
    return events


def shown(events: list[RequestEvent]) -> tuple[str, list[bytes]]:
    deltas = [event for event in events if isinstance(event, Delta)]
    tokens = [token.raw for delta in deltas for token in delta.logprobs]
    return "".join(delta.answer for delta in deltas), tokens


def test_tokens_spell_the_answer_and_the_end_is_none_of_them() -> None:
    events = run([0, 1, 2, 3, END])
    assert shown(events) == ("Hello world", [b"Hel", b"lo", b" wor", b"ld"])
    first = next(event for event in events if isinstance(event, Delta))
    assert first.logprobs[0].top[0].raw == b"Hel"
    assert isinstance(events[-1], Finished)


def test_a_character_of_several_tokens_has_all_of_them() -> None:
    text, tokens = shown(run([4, 5, END]))
    assert text == "😀" and tokens == [b"\xf0\x9f", b"\x98\x80"]


@pytest.mark.parametrize(("tokens", "text"), [([0, 6, 7], "Hel!"), ([0, 1, 6, 7], "Hello!")])
def test_a_stop_string_over_two_tokens_shows_only_the_token_that_begins_before_it(
    tokens: list[int], text: str
) -> None:
    found, logprobs = shown(run(tokens))
    assert found == text
    assert logprobs == [Words.pieces[token] for token in tokens[:-1]]
