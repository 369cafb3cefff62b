"""Where a prompt begins in a cascade without a lesson: at the tier that the prior chooses.

Pure; does not know how the prior was fitted.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from tierchat.cascade.beginning import Beginning
from tierchat.gates import prior
from tierchat.types import QUALITIES, Message, TierOptions


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
    escalate stays with the first tier.
    """
    if options.raw or options.no_escalate:
        return beginning
    quality = options.quality if isinstance(options.quality, str) else "balanced"
    found = prior.shipped()
    text = prior.text_of(messages)
    chosen = found.choose(text, parameters, QUALITIES[quality])
    least = tiers.index(beginning.floor) if beginning.floor in tiers else 0
    if chosen <= least:
        return beginning
    right = found.right(text, parameters)
    why = (
        f"{tiers[least]} would be right with {right[least]:.0%}, {tiers[chosen]} with "
        f"{right[chosen]:.0%}, guessed without a lesson"
    )
    return replace(beginning, floor=tiers[chosen], why=why)
