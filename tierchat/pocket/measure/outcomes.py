"""The outcome matrix: every tier on every prompt, through the real engine.

Does not know policies. The shipped GGUFs run in this process, batched as a worker runs them, with
escalation forbidden; how much a tier wished to escalate is recorded beside its answer.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from tierchat.gates.order import GateOrder
from tierchat.pocket.recipe import dataset
from tierchat.pocket.tasks.problems import Problem
from tierchat.types import Message, Sampling
from tierchat.workers.child.held_model import HeldModel
from tierchat.workers.child.request import Request
from tierchat.workers.protocol import Delta, Finished, Generate, LoadModel

TIERS = ("XS", "S", "M")
_MAX_TOKENS = 256
_NUM_AT_ONCE = 16


@dataclass(frozen=True)
class Question:
    """One prompt of an evaluation: the conversation, and the problem its last turn poses."""

    group: str
    messages: tuple[Message, ...]
    problem: Problem


@dataclass(frozen=True)
class Cell:
    """What one tier did with one prompt: an entry of the outcome matrix."""

    is_right: bool
    escalate_probability: float
    min_logprob: float
    num_prompt_tokens: int
    num_generated_tokens: int


@dataclass(frozen=True)
class TierFacts:
    """What a policy needs to know of a tier."""

    name: str
    num_parameters: int
    escalate_threshold: float
    answer_threshold: float


def run_tiers(
    folder: Path, questions: Sequence[Question]
) -> tuple[list[TierFacts], list[list[Cell]]]:
    """Run XS, S and M on every question; returns the tiers and one row of cells a question."""
    tiers, columns = [], []
    for name in TIERS:
        path = folder / f"pocket-{name.lower()}.gguf"
        order = LoadModel(name=name, path=str(path), max_sequences=_NUM_AT_ONCE)
        held = HeldModel(order, lambda _share: None)
        columns.append(run_tier(held, questions))
        info = held.info
        tiers.append(
            TierFacts(
                name, info.parameters, info.escalate_threshold or 0.5, info.answer_threshold or -99
            )
        )
        held.close()
    return tiers, [list(row) for row in zip(*columns, strict=True)]


def run_tier(held: HeldModel, questions: Sequence[Question]) -> list[Cell]:
    """Run one model on every question; of what nobody can answer only the wish is looked at."""
    cells: dict[int, Cell] = {}
    for number, text, end in _answers(held, map(_order, range(len(questions)), questions)):
        problem = questions[number].problem
        estimates = end.verdict.estimates if end.verdict else {}
        cells[number] = Cell(
            is_right=end.reason == "stop" and dataset.grade(problem, text),
            escalate_probability=estimates["escalate_probability"],
            min_logprob=estimates.get("answer_min_logprob", 0.0),
            num_prompt_tokens=end.usage.prompt_tokens,
            num_generated_tokens=end.usage.generated_tokens,
        )
    return [cells[number] for number in range(len(questions))]


def _order(number: int, question: Question) -> Generate:
    max_tokens = 1 if question.problem.answer is None else _MAX_TOKENS
    return Generate(
        id=number,
        messages=question.messages,
        sampling=Sampling(temperature=0, max_tokens=max_tokens),
        gate=GateOrder(kind="token", may_escalate=False, hold="answer"),
    )


def _answers(held: HeldModel, orders: Iterable[Generate]) -> Iterator[tuple[int, str, Finished]]:
    """Keep a batch full until all is answered; yields (id, answer, end) as each finishes."""
    waiting, running = iter(orders), dict[int, Request]()
    texts: dict[int, str] = {}
    while True:
        while len(running) < _NUM_AT_ONCE and (order := next(waiting, None)) is not None:
            running[order.id], texts[order.id] = held.request(order), ""
        if not running:
            return
        for step in held.engine.step():
            number = step.sequence.id
            for event in running[number].take(step):
                if isinstance(event, Delta):
                    texts[number] += event.answer
                elif isinstance(event, Finished):
                    held.engine.finish(step.sequence)
                    del running[number]
                    yield number, texts.pop(number), event
