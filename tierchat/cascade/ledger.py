"""What a prompt cost: visits in, an outcome out. Counted, never guessed unless marked so.

Does not know workers or gates. Compute is parameters times computed tokens, prefill and decode,
over all visited tiers (facts of a decoder-only model: about two operations per weight and token).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from tierchat.types import FinishReason, Outcome, Usage, Verdict, Visit


class Ledger:
    """Collects the visits of one prompt.

    `parameters` tells a tier's size; `top` is the tier that the total is compared with.
    """

    def __init__(self, parameters: Callable[[str], float], top: str) -> None:
        self._parameters = parameters
        self._top = top
        self._visits: list[Visit] = []
        self.notices: list[str] = []

    @property
    def visits(self) -> tuple[Visit, ...]:
        return tuple(self._visits)

    def add(
        self,
        tier: str,
        model: str,
        reason: str,
        usage: Usage,
        verdict: Verdict | None = None,
        *,
        is_answer: bool = False,
    ) -> Visit:
        """Write down one visit; all it generated is discarded unless it is the answer."""
        visit = Visit(
            tier=tier,
            model=model,
            reason=reason,
            prompt_tokens=usage.prompt_tokens,
            cached_tokens=usage.cached_tokens,
            generated_tokens=usage.generated_tokens,
            discarded_tokens=0 if is_answer else usage.generated_tokens,
            seconds=usage.seconds,
            estimates=verdict.estimates if verdict else {},
        )
        self._visits.append(visit)
        return visit

    def close(
        self, answer: str, thought: str, finish_reason: FinishReason, seconds: float
    ) -> Outcome:
        """Add up; the last visit is the one that answered, unless nobody did."""
        is_answered = finish_reason != "unanswered"
        last = self._visits[-1]
        hops = self._visits[:-1] if is_answered else self._visits
        alone, is_estimated = self._cost_of_top_alone()
        return Outcome(
            answer=answer,
            tier=last.tier if is_answered else None,
            model=last.model if is_answered else None,
            finish_reason=finish_reason,
            path=self.visits,
            prompt_tokens=last.prompt_tokens,
            generated_tokens=last.generated_tokens if is_answered else 0,
            escalation_tokens=sum(_computed(visit) for visit in hops),
            escalation_seconds=sum(visit.seconds for visit in hops),
            seconds=seconds,
            relative_compute=self._cost(self._visits) / alone if alone else 1.0,
            is_compute_estimated=is_estimated,
            top_tier=self._top,
            escalation_compute=self._cost(hops) / alone if alone else 0.0,
            compute=self._cost(self._visits),
            top_compute=alone,
            thought=thought,
            notices=tuple(self.notices),
        )

    def _cost_of_top_alone(self) -> tuple[float, bool]:
        """Charge the top tier what it computed, or what the last tier did; tells if it guessed."""
        top = [visit for visit in self._visits if visit.tier == self._top]
        reference = top[-1] if top else self._visits[-1]
        return self._parameters(self._top) * _computed(reference), not top

    def _cost(self, visits: Iterable[Visit]) -> float:
        return sum(self._parameters(visit.tier) * _computed(visit) for visit in visits)


def _computed(visit: Visit) -> int:
    return visit.prompt_tokens - visit.cached_tokens + visit.generated_tokens
