"""What the small tiers say of themselves when asked: one token's probabilities for each question.

Does not know what policies make of it. Replies are kept in the store beside the cells, each at
once, so that a run that was stopped goes on where it was.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import msgspec
import numpy as np

from tierchat.errors import ContextTooLong
from tierchat.learning.outcomes.arbiter import NO, YES, share_of_yes
from tierchat.learning.outcomes.matrix import Cell, Floats, Matrix
from tierchat.learning.outcomes.prompts import GradedPrompt
from tierchat.learning.outcomes.side_by_side import side_by_side
from tierchat.learning.outcomes.store import OutcomeStore
from tierchat.learning.outcomes.topics import Topic
from tierchat.learning.outcomes.work import Work
from tierchat.types import Frozen, Message, Sampling
from tierchat.workers.complete import Generates, complete
from tierchat.workers.protocol import Generate

# To be raised when a reply comes to mean something else, so that stored replies are made again.
_REPLY_FORMAT = 1
_IS_RIGHT = (
    "Question:\n{question}\n\nProposed answer:\n{answer}\n\n"
    "Is the proposed answer correct? Answer yes or no."
)
_MARKER = "UNSURE"
_UNSURE_SENTENCE = (
    f"If you cannot answer correctly, or are not sure, answer with the one word {_MARKER}. "
    "Otherwise answer as usual."
)


@dataclass(frozen=True)
class Said:
    """Replies of all tiers but the top one, shape (n, k - 1).

    `probabilities` are those of being right: 0 where a tier says neither yes nor no, and NaN where
    it was not asked. `num_tokens` counts the prompt tokens that were read for the question.
    """

    probabilities: Floats
    num_tokens: Floats


class _Reply(Frozen, frozen=True):
    probability: float
    num_tokens: int


@dataclass(frozen=True)
class _Question:
    """One question to one tier; `key` names it in the store."""

    row: int
    tier: int
    key: bytes
    messages: tuple[Message, ...]
    watch: tuple[str, ...]


async def ask_tiers(
    work: Work,
    matrix: Matrix,
    topic: Topic,
    models: Generates,
    store: OutcomeStore,
    *,
    on_reply: Callable[[int, int], None],
    rows: Sequence[int] | None = None,
) -> Said:
    """Ask every tier but the top one about these rows, or all; only what the store lacks is asked.

    `on_reply` gets the number of replies so far and the number of all. Raises what a worker fails
    with; replies that have come are kept.
    """
    chosen = range(len(matrix.rows)) if rows is None else rows
    questions = list(_questions(work, matrix, topic, chosen))
    known = store.load({question.key for question in questions})
    missing = {q.key: q for q in questions if q.key not in known}
    total = len(known) + len(missing)
    on_reply(len(known), total)

    async def ask(question: _Question) -> None:
        reply = await _ask(work, topic, question, models)
        known[question.key] = msgspec.msgpack.encode(reply)
        store.save([(question.key, known[question.key])])
        on_reply(len(known), total)

    await side_by_side(ask, missing.values(), work.num_at_once)
    return _said(matrix, questions, known)


def reply_keys(work: Work, matrix: Matrix, topic: Topic, rows: Sequence[int]) -> list[bytes]:
    """Return the names that the replies about some rows of a matrix have in the store."""
    return [question.key for question in _questions(work, matrix, topic, rows)]


def _said(matrix: Matrix, questions: Sequence[_Question], known: dict[bytes, bytes]) -> Said:
    shape = (len(matrix.rows), len(matrix.tiers) - 1)
    probabilities, num_tokens = np.full(shape, np.nan), np.zeros(shape)
    decoder = msgspec.msgpack.Decoder(_Reply)
    for question in questions:
        reply = decoder.decode(known[question.key])
        probabilities[question.row, question.tier] = reply.probability
        num_tokens[question.row, question.tier] = reply.num_tokens
    return Said(probabilities, num_tokens)


def _questions(
    work: Work, matrix: Matrix, topic: Topic, rows: Sequence[int]
) -> Iterator[_Question]:
    # One tier after another, so that one model at a time is at work.
    for tier in range(len(matrix.tiers) - 1):
        for row in rows:
            messages = _messages(topic, matrix.prompts[row], matrix.rows[row][tier])
            text = "\0".join(f"{m.role}\0{m.content}" for m in messages)
            named = f"said\0{_REPLY_FORMAT}\0{topic}\0{work.identities[tier]}\0{text}"
            key = hashlib.blake2b(named.encode("utf-8", "replace"), digest_size=20).digest()
            watch = (*YES, *NO) if topic == "is-right" else (_MARKER,)
            yield _Question(row, tier, key, messages, watch)


def _messages(topic: Topic, prompt: GradedPrompt, cell: Cell) -> tuple[Message, ...]:
    if topic == "is-right":
        text = _IS_RIGHT.format(question=prompt.question, answer=cell.answer)
        return (Message(role="user", content=text),)
    first, *rest = prompt.messages
    if first.role != "system":
        return (Message(role="system", content=_UNSURE_SENTENCE), first, *rest)
    return (Message(role="system", content=f"{first.content}\n\n{_UNSURE_SENTENCE}"), *rest)


async def _ask(work: Work, topic: Topic, question: _Question, models: Generates) -> _Reply:
    order = Generate(
        id=0,
        messages=question.messages,
        sampling=Sampling(temperature=0, max_tokens=1),
        think=False,
        probe=True,
        watch=question.watch,
    )
    try:
        completed = await complete(models, work.tiers[question.tier].model, order)
    except ContextTooLong as error:
        # A question that cannot be read tells nothing, which is no reason to keep the answer.
        return _Reply(0.0, error.num_tokens)
    watched = completed.probe.first.watched if completed.probe else ()
    if topic == "is-right":
        probability = share_of_yes(watched) or 0.0
    else:
        probability = 1.0 - max(watched, default=0.0)
    return _Reply(probability, completed.usage.prompt_tokens)
