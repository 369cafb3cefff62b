"""Where a prompt begins in a cascade without a lesson: at the tier that the prior chooses.

Pure; does not know how the prior was fitted.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from tierchat.cascade.beginning import Beginning
from tierchat.cascade.follow_up import leans
from tierchat.gates import prior
from tierchat.types import QUALITIES, Message, TierOptions

# So far back a follow-up is looked at whose answers are of unknown tiers.
_MAX_TURNS = 8


def begin_untaught(
    beginning: Beginning,
    tiers: Sequence[str],
    parameters: Sequence[float],
    messages: Sequence[Message],
    options: TierOptions,
) -> Beginning:
    """Raise a beginning to the tier that is worth most for a prompt of this kind.

    `parameters` are the sizes of the tiers' models. What the conversation asks for stays the least;
    a quality that is a number is a promise, which only a lesson can keep. A prompt that may not
    escalate stays with the first tier. "Shorter" alone looks easy: where nobody knows who answered
    before, a follow-up is as hard as the turns it leans on.
    """
    if options.raw or options.no_escalate:
        return beginning
    if beginning.earlier.stage == "result" and beginning.earlier.answered_by:
        # The tier that called the tool goes on: the question has been judged already.
        return beginning
    quality = options.quality if isinstance(options.quality, str) else "balanced"
    found = prior.shipped()
    texts = [prior.text_of(turn) for turn in _topic(messages)] or [prior.text_of(messages)]
    if beginning.earlier.answered_by:
        texts = texts[:1]
    # Reading the letters is the work here, so each turn is read once.
    rights = [found.right(text, parameters) for text in texts]
    choices = [found.choose(right, parameters, QUALITIES[quality]) for right in rights]
    chosen = max(choices)
    right = rights[choices.index(chosen)]
    least = tiers.index(beginning.floor) if beginning.floor in tiers else 0
    if chosen <= least:
        return beginning
    why = (
        f"a guess without a lesson ({tiers[least]} right in {right[least]:.0%} of such prompts, "
        f"{tiers[chosen]} in {right[chosen]:.0%})"
    )
    return replace(beginning, floor=tiers[chosen], why=why)


def _topic(messages: Sequence[Message]) -> Iterator[Sequence[Message]]:
    """Yield what each turn of the topic asks, the last turn first, with the system text."""
    system = messages[:1] if messages[0].role == "system" else ()
    asked = [number for number, message in enumerate(messages) if message.role == "user"]
    for number in reversed(asked[-_MAX_TURNS:]):
        yield [*system, messages[number]]
        if not leans(messages[: number + 1]):
            return
