"""The controls behind the names, and the run through the chosen ones.

Does not know how a control works. Needs scikit-learn.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from tierchat.learning.evaluation.controls import answers, asked, bounds, prompts
from tierchat.learning.evaluation.controls.names import ControlSpec
from tierchat.learning.evaluation.controls.study import Study
from tierchat.learning.evaluation.policy import Policy

_WALKS: dict[str, Callable[[Study], Policy]] = {
    "random": bounds.at_random,
    "untaught": prompts.untaught_default,
    "knn": prompts.nearest,
    "lr": prompts.embedding_router,
    "tfidf": prompts.text_router,
    "margin": answers.first_token_margin,
    "entropy": answers.first_token_entropy,
    "ucci": answers.ucci,
    "quantiles": answers.token_quantiles,
    "frugalgpt": answers.answer_scorer,
    "p-true": asked.p_true,
    "automix": asked.automix,
    "words": asked.asks_in_words,
    "family-oracle": bounds.perfect_by_family,
    "oracle": bounds.perfect,
}


def walk_controls(
    specs: Sequence[ControlSpec], study: Study, on_control: Callable[[int, int], None]
) -> list[Policy]:
    """Fit the controls and walk them; `on_control` gets the number done, and the number of all."""
    from threadpoolctl import threadpool_limits

    found: list[Policy] = []
    # The systems are small: several threads would wait for each other longer than they compute.
    with threadpool_limits(1):
        for spec in specs:
            on_control(len(found), len(specs))
            found.append(_WALKS[spec.name](study))
    on_control(len(found), len(specs))
    return found
