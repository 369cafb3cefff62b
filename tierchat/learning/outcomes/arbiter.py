"""The top tier as arbiter: the probability that a smaller tier's answer is right.

Reads the probabilities of "yes" and "no", and never parses prose. Does not know graders or the
matrix; verdicts are kept in the store, beside the answers.
"""

from __future__ import annotations

import asyncio
import hashlib
import math
import struct
from collections.abc import Sequence
from dataclasses import dataclass

from tierchat.config.catalogue import TierSpec
from tierchat.errors import ContextTooLong
from tierchat.learning.outcomes.store import OutcomeStore
from tierchat.types import Message, Sampling
from tierchat.workers.complete import Generates, complete
from tierchat.workers.protocol import Generate

YES, NO = ("yes", "Yes", " yes", " Yes"), ("no", "No", " no", " No")
_QUESTION = (
    "Question:\n{question}\n\nProposed answer:\n{answer}\n\nAnother answer, by an expert:\n"
    "{reference}\n\nIs the proposed answer correct? Answer yes or no."
)
_FLOAT = struct.Struct("<d")
# A model that puts less probability on yes and no together is not answering the question, and
# which of the two is ahead means nothing.
_LEAST_SAID = 0.1
# To be raised with every change of what a verdict means, so that stored verdicts are made again.
_VERDICT_FORMAT = "2"


@dataclass(frozen=True)
class Case:
    """One answer to be judged; `reference` is the arbiter's own answer."""

    question: str
    answer: str
    reference: str


@dataclass(frozen=True)
class Arbiter:
    """The tier that judges. `identity` names its model and effort by their content."""

    tier: TierSpec
    identity: str
    num_at_once: int = 16

    async def judge(
        self, cases: Sequence[Case], models: Generates, store: OutcomeStore
    ) -> list[float | None]:
        """Return the probability that each answer is right; None where the tier says neither.

        An answer with the same text as the arbiter's own is right, and the model is not asked.
        Verdicts come from the store where they are known, and are saved there.
        """
        keys = [self._key(case) for case in cases]
        known = store.load(keys)
        missing = iter({k: c for k, c in zip(keys, cases, strict=True) if k not in known}.items())

        async def take() -> None:
            for key, case in missing:
                is_same = case.answer.strip() == case.reference.strip()
                verdict = 1.0 if is_same else await self._ask(case, models)
                known[key] = _FLOAT.pack(math.nan if verdict is None else verdict)
                store.save([(key, known[key])])

        await asyncio.gather(*(take() for _ in range(self.num_at_once)))
        said = [float(_FLOAT.unpack(known[key])[0]) for key in keys]
        return [None if math.isnan(verdict) else verdict for verdict in said]

    def _key(self, case: Case) -> bytes:
        parts = (
            "judge",
            _VERDICT_FORMAT,
            self.identity,
            case.question,
            case.answer,
            case.reference,
        )
        return hashlib.blake2b("\0".join(parts).encode(), digest_size=20).digest()

    async def _ask(self, case: Case, models: Generates) -> float | None:
        text = _QUESTION.format(
            question=case.question, answer=case.answer, reference=case.reference
        )
        order = Generate(
            id=0,
            messages=(Message(role="user", content=text),),
            sampling=Sampling(temperature=0, max_tokens=1),
            think=False,
            probe=True,
            watch=(*YES, *NO),
        )
        try:
            completed = await complete(models, self.tier.model, order)
        except ContextTooLong:
            return 0.0
        return share_of_yes(completed.probe.first.watched if completed.probe else ())


def share_of_yes(watched: Sequence[float]) -> float | None:
    """Return the share of "yes" in the probabilities of YES and NO; None where both are small."""
    # Spellings may begin with the same token; the largest probability avoids counting it twice.
    yes = max(watched[: len(YES)], default=0.0)
    no = max(watched[len(YES) :], default=0.0)
    return yes / (yes + no) if yes + no >= _LEAST_SAID else None
