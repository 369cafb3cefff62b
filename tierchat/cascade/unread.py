"""Where a prompt begins, chosen before any tier reads it: by a lesson, else by the prior.

Pure; does not know how either was fitted.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

from tierchat.cascade.beginning import Beginning
from tierchat.cascade.follow_up import leans
from tierchat.cascade.promise import cost_weight
from tierchat.gates import letters, prior
from tierchat.gates.files import GateHead
from tierchat.types import QUALITIES, Message, TierOptions

# So far back a follow-up is looked at whose answers are of unknown tiers.
_MAX_TURNS = 8
# Maps a turn to the index of the tier it begins at, and how likely each tier is right.
_Choose = Callable[[Sequence[Message]], tuple[int, Sequence[float]]]


def begin_untaught(
    beginning: Beginning,
    tiers: Sequence[str],
    parameters: Sequence[float],
    messages: Sequence[Message],
    options: TierOptions,
) -> Beginning:
    """Raise a beginning to the tier that is worth most for a prompt of this kind.

    `parameters` are the sizes of the tiers' models. A quality that is a number is a promise, which
    only a lesson can keep.
    """
    quality = options.quality if isinstance(options.quality, str) else "balanced"
    found = prior.shipped()
    num_tokens = letters.guessed_tokens(letters.num_bytes(messages))

    def choose(turn: Sequence[Message]) -> tuple[int, Sequence[float]]:
        counts = letters.buckets(letters.text_of(turn))
        right = found.right(counts, parameters)
        costs = found.costs(counts, num_tokens, parameters)
        return found.choose(right, costs, QUALITIES[quality]), right

    return _raised(beginning, tiers, messages, options, choose, "a guess without a lesson")


def begin_taught(
    beginning: Beginning, head: GateHead, messages: Sequence[Message], options: TierOptions
) -> Beginning:
    """Raise a beginning to the tier that is worth most by what a lesson learned of letters."""
    unread = head.unread
    if unread is None:
        return beginning
    weight = cost_weight(head, options.quality)
    parameters = [tier.parameters for tier in head.tiers]
    num_bytes = letters.num_bytes(messages)

    def choose(turn: Sequence[Message]) -> tuple[int, Sequence[float]]:
        expected = unread.expect(letters.text_of(turn), num_bytes)
        chosen = unread.choose(expected, parameters, head.unit, weight)
        return chosen, [tier.right for tier in expected]

    tiers = [tier.name for tier in head.tiers]
    return _raised(beginning, tiers, messages, options, choose, "its lesson")


def _raised(
    beginning: Beginning,
    tiers: Sequence[str],
    messages: Sequence[Message],
    options: TierOptions,
    choose: _Choose,
    by: str,
) -> Beginning:
    """Raise a beginning to the tier that is chosen for the hardest turn of the topic.

    What the conversation asks for stays the least. A prompt that may not escalate stays with the
    first tier. "Shorter" alone looks easy: where nobody knows who answered before, a follow-up is
    as hard as the turns it leans on.
    """
    if options.raw or options.no_escalate:
        return beginning
    if beginning.earlier.is_result and beginning.earlier.answered_by:
        # The tier that called the tool goes on: the question has been judged already.
        return beginning
    turns = list(_topic(messages)) or [messages]
    if beginning.earlier.answered_by:
        turns = turns[:1]
    # Reading the letters is the work here, so each turn is read once.
    chosen, right = max((choose(turn) for turn in turns), key=lambda found: found[0])
    beginning = replace(beginning, expected=dict(zip(tiers, right, strict=True)))
    least = tiers.index(beginning.floor) if beginning.floor in tiers else 0
    if chosen <= least:
        return beginning
    why = (
        f"{by} ({tiers[least]} right in {right[least]:.0%} of such prompts, "
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
