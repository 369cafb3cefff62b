"""What a prompt cost: visits in, an outcome out. Everything is counted; estimates are marked.

Does not know workers or gates. Compute is parameters times computed tokens, prefill and decode,
over all visited tiers: a decoder-only model does about two operations per weight and token.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

import msgspec

from tierchat.outcomes import FinishReason, Outcome, Usage, Visit
from tierchat.types import Verdict


class Ledger:
    """Collects the visits of one prompt.

    `parameters` returns a tier's size; `top` is the tier that the total is compared with.
    """

    def __init__(self, parameters: Callable[[str], float], top: str) -> None:
        self._parameters = parameters
        self._top = top
        self._visits: list[Visit] = []
        self._answering: int | None = None
        self.notices: list[str] = []
        # How long the answer of the tier that is visited now is expected to take.
        self.expected_wait_s: float | None = None

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
        """Add one visit; its generated tokens count as discarded unless it is the answer."""
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
            expected_wait_s=self.expected_wait_s,
        )
        self._visits.append(visit)
        return visit

    def answered_by(self, visit: Visit) -> None:
        """Take the answer from an earlier visit, whose tokens are shown after all."""
        self._answering = self._visits.index(visit)
        self._visits[self._answering] = msgspec.structs.replace(visit, discarded_tokens=0)

    def close(
        self, answer: str, thought: str, finish_reason: FinishReason, seconds: float
    ) -> Outcome:
        """Add up the visits; the last one answered, or the one that `answered_by` named.

        Nobody did if the prompt is unanswered.
        """
        is_answered = finish_reason != "unanswered"
        last = self._visits[-1 if self._answering is None else self._answering]
        hops = [visit for visit in self._visits if visit is not last or not is_answered]
        alone, is_estimated = self._cost_of_top_alone(last)
        return Outcome(
            answer=answer,
            tier=last.tier if is_answered else None,
            model=last.model if is_answered else None,
            finish_reason=finish_reason,
            path=self.visits,
            prompt_tokens=last.prompt_tokens,
            generated_tokens=last.generated_tokens if is_answered else 0,
            escalation_tokens=sum(visit.computed_tokens for visit in hops),
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

    def _cost_of_top_alone(self, last: Visit) -> tuple[float, bool]:
        """Return what the top tier alone would have cost, and whether that is an estimate.

        It is one if the top tier did not run: the tokens of the `last` visit then stand for its
        own.
        """
        top = [visit for visit in self._visits if visit.tier == self._top]
        reference = top[-1] if top else last
        return self._parameters(self._top) * reference.computed_tokens, not top

    def _cost(self, visits: Iterable[Visit]) -> float:
        return sum(self._parameters(visit.tier) * visit.computed_tokens for visit in visits)
