"""How a tier's answer ended, in words for the user and as the reason of the outcome.

Does not know tiers, routes or the ledger.
"""

from __future__ import annotations

from tierchat.outcomes import FinishReason
from tierchat.types import Sampling
from tierchat.workers.protocol import Finished

BROKEN = "numbers that are not finite"
_FINISH_REASONS: dict[str, FinishReason] = {
    "stop": "stop",
    "interrupted": "interrupted",
    "misfit": "misfit",
}
# Ends that come before the answer is whole.
_CUT = {
    "repetition": "{tier} was stopped: it repeated itself",
    "garbage": f"{{tier}} was stopped: it produced {BROKEN}",
    "grammar": "{tier} was stopped: the schema is too complex to follow",
}


def finish_reason(reason: str) -> FinishReason:
    """Return the outcome's reason for a worker's: whatever cut an answer counts as `length`."""
    return _FINISH_REASONS.get(reason, "length")


def empty(tier: str) -> str:
    return f"{tier} gave an empty answer"


def why_cut(tier: str, reason: str, is_json: bool) -> str:
    """Return the words for an answer that a detector ended; empty for any other end."""
    return _of_json(_CUT.get(reason, "").format(tier=tier), is_json)


def why_unfit(tier: str, why: str) -> str:
    """Return the words for an answer that is not what was asked for."""
    return f"the answer of {tier} is not as asked: {why}"


def why_short(tier: str, end: Finished, sampling: Sampling) -> str:
    """Return the words for an answer that is cut or does not fit; empty for any other end."""
    is_json = sampling.json_schema is not None
    if end.reason == "misfit":
        return f"the answer of {tier} does not fit the schema: {end.misfit}"
    if end.reason != "length":
        return why_cut(tier, end.reason, is_json)
    num, most = end.usage.generated_tokens, sampling.max_tokens
    why = f"its context of {end.usage.prompt_tokens + num} tokens is full"
    if most and 0 < most <= num:
        why = f"it reached its token limit, max_tokens = {most}"
    return _of_json(f"{tier} stopped after {num} tokens: {why}", is_json)


def _of_json(words: str, is_json: bool) -> str:
    return f"{words}; the answer is not complete JSON" if words and is_json else words
