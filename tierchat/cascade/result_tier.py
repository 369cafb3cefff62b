"""Which tier reads what a tool has found: the one that called the tool, or one that is worth more.

Pure; does not know how guesses are fitted. Another tier first has to read what it has not seen of
the conversation, and a bigger one costs more for each token from there on.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from tierchat.cascade.beginning import Beginning
from tierchat.cascade.promise import cost_weight
from tierchat.cascade.unread import begin_taught, begin_untaught
from tierchat.gates import letters, prior
from tierchat.gates.files import GateHead
from tierchat.gates.order import Earlier
from tierchat.gates.stage_shift import right_at
from tierchat.types import QUALITIES, Message, Prompt

# A call in a chat template, beside its name and arguments.
_CALL_BYTES = 60


@dataclass(frozen=True)
class Guess:
    """What is guessed of every tier of a cascade for a question, cheapest tier first.

    `right` are probabilities of a right answer, `generated` the tokens of each turn. Compute of
    `unit`, in parameters times tokens, is worth `weight` of a right answer.
    """

    tiers: Sequence[str]
    parameters: Sequence[float]
    right: Sequence[float]
    generated: Sequence[float]
    unit: float
    weight: float


def guess_of(
    head: GateHead | None,
    tiers: Sequence[str],
    parameters: Sequence[float],
    prompt: Prompt,
) -> Guess:
    """Guess by a lesson that learned letters, else by the untaught default."""
    question, options = _question(prompt.messages), prompt.options
    if head and head.unread:
        text, num_bytes = letters.text_of(question), letters.num_bytes(question)
        expected = head.unread.expect(text, num_bytes)
        return Guess(
            tiers,
            [tier.parameters for tier in head.tiers],
            [tier.right for tier in expected],
            [tier.generated for tier in expected],
            head.unit,
            cost_weight(head, options.quality),
        )
    found, counts = prior.shipped(), letters.buckets(letters.text_of(question))
    quality = options.quality if isinstance(options.quality, str) else "balanced"
    return Guess(
        tiers,
        parameters,
        found.right(counts, parameters),
        [found.length(counts)] * len(tiers),
        found.usual_tokens * parameters[-1],
        found.cost_weight(QUALITIES[quality]),
    )


def begin_by_worth(
    beginning: Beginning,
    head: GateHead | None,
    tiers: Sequence[str],
    parameters: Sequence[float],
    prompt: Prompt,
) -> Beginning:
    """Begin at the tier that is worth most by a lesson, else by the untaught default.

    `parameters` are the sizes of the tiers' models.
    """
    if beginning.earlier.is_result and beginning.earlier.answered_by:
        return begin_after_result(beginning, guess_of(head, tiers, parameters, prompt), prompt)
    if head:
        return begin_taught(beginning, head, prompt.messages, prompt.options)
    return begin_untaught(beginning, tiers, parameters, prompt.messages, prompt.options)


def begin_after_result(beginning: Beginning, guess: Guess, prompt: Prompt) -> Beginning:
    """Begin at the tier that is worth most for what a tool has found.

    The tier that called the tool wins ties. No tier is chosen that knows no tools, or that is below
    what a person asked for.
    """
    options, earlier, tiers = prompt.options, beginning.earlier, guess.tiers
    if options.raw or options.no_escalate or earlier.answered_by not in tiers:
        return beginning
    right = right_at(earlier.stage, guess.right, guess.parameters)
    unread = num_unread(tiers, earlier, prompt.messages)
    values = [
        p - guess.weight * size * (num_read + num_written) / guess.unit
        for p, size, num_read, num_written in zip(
            right, guess.parameters, unread, guess.generated, strict=True
        )
    ]
    least = max(
        tiers.index(name) if name else 0 for name in (beginning.least, beginning.kept_floor)
    )
    called = tiers.index(earlier.answered_by)
    best = max(range(least, len(tiers)), key=lambda tier: (values[tier], tier == called))
    expected = dict(zip(tiers, right, strict=True))
    if best == called:
        return replace(beginning, expected=expected)
    why = (
        f"the call of {tiers[called]} failed"
        if best > called and earlier.stage == "failed"
        else f"it is worth more than {tiers[called]} on this result"
    )
    return replace(beginning, floor=tiers[best], why=why, expected=expected)


def num_unread(tiers: Sequence[str], earlier: Earlier, messages: Sequence[Message]) -> list[float]:
    """Return how many tokens of a conversation each tier would have to read.

    What nobody has counted is guessed from its bytes. System text and tools are the same in all
    conversations of an agent, so that each tier reads them once and they are not counted here.
    """
    answers = [n for n, message in enumerate(messages) if message.role == "assistant"]
    known = answers[-1] + 1 if answers else 0
    new = letters.guessed_tokens(_num_bytes(messages[known:]))
    never_asked = letters.guessed_tokens(_num_bytes(messages[:known]))
    read = earlier.num_read.get(earlier.answered_by, 0)
    missed = [
        max(0, read - earlier.num_read[tier]) if tier in earlier.num_read else never_asked
        for tier in tiers
    ]
    return [new + num for num in missed]


def _num_bytes(messages: Sequence[Message]) -> int:
    calls = [call for message in messages for call in message.tool_calls]
    called = sum(len(f"{call.name}{call.arguments}".encode("utf-8", "replace")) for call in calls)
    said = [message for message in messages if message.role != "system"]
    return letters.num_bytes(said) + called + _CALL_BYTES * len(calls)


def _question(messages: Sequence[Message]) -> Sequence[Message]:
    """Return the last question, with the system text."""
    asked = [message for message in messages if message.role == "user"]
    system = [message for message in messages[:1] if message.role == "system"]
    return [*system, *asked[-1:]] or messages
