"""Conversations of a lesson: the next turns, on top of what the tiers answered to those before.

Does not know models: `AnswersOf` is the seam. A cascade's follow-ups come after answers of any of
its tiers, so each turn is drawn a tier whose own answer stands before the next one.
"""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable, Sequence

import msgspec

from tierchat.learning.outcomes.prompts import GradedPrompt
from tierchat.types import Message

AnswersOf = Callable[[int, Sequence[GradedPrompt]], Awaitable[Sequence[str]]]
"""Returns the answers of a tier to some prompts, empty where there is none (yet)."""


async def with_follow_ups(
    prompts: Sequence[GradedPrompt], tiers: Sequence[str], answers_of: AnswersOf, seed: int = 0
) -> list[GradedPrompt]:
    """Return the prompts, and for those with a next turn also that turn, and so on.

    Turns of one conversation are in one group. A turn without an answer ends its conversation.
    """
    found: list[GradedPrompt] = []
    turns = list(prompts)
    while turns:
        found += turns
        drawn: dict[int, list[GradedPrompt]] = {}
        for turn in turns:
            if turn.then is not None:
                tier = random.Random(f"{seed} {turn.digest}").randrange(len(tiers))
                drawn.setdefault(tier, []).append(turn)
        turns = []
        for tier, asked in sorted(drawn.items()):
            answers = await answers_of(tier, asked)
            turns += [
                after(turn, answer, tiers[tier])
                for turn, answer in zip(asked, answers, strict=True)
                if answer.strip()
            ]
    return found


def after(turn: GradedPrompt, answer: str, tier: str) -> GradedPrompt:
    """Return the next turn of a conversation, after a tier's answer to this one."""
    assert turn.then is not None
    said = (
        Message(role="user", content=turn.prompt),
        Message(role="assistant", content=answer),
    )
    return msgspec.structs.replace(
        turn.then,
        earlier=(*turn.earlier, *said),
        system=turn.system,
        group=turn.group_name,
        family=turn.then.family or turn.family,
        answered_by=tier,
    )
