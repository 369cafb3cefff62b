"""Controls that see the prompt's text alone and choose a tier before any model reads it.

Their own work, an encoder far smaller than the lowest tier, is not charged. Needs scikit-learn.
"""

from __future__ import annotations

import numpy as np

from tierchat.learning.evaluation.controls.fitting import best_strength, logistic, text_logistic
from tierchat.learning.evaluation.controls.study import Study
from tierchat.learning.evaluation.policies import COST_WEIGHTS, pick
from tierchat.learning.evaluation.policy import Policy
from tierchat.learning.evaluation.untaught_policy import untaught
from tierchat.learning.outcomes.matrix import Floats, Matrix
from tierchat.learning.training.fit import deal_folds

_NEIGHBOURS = (5, 10, 20, 40, 80)


def untaught_default(study: Study) -> Policy:
    """Begin as a cascade without a lesson does: by the prompt's letters and the models' sizes."""
    walks = tuple(untaught(study.judged))
    return Policy("untaught default", "gates/prior.py, nothing learned here", walks)


def text_router(study: Study) -> Policy:
    """Fit one logistic regression on character n-grams for each tier."""
    predict = text_logistic(_texts(study.learned), study.learned.right)
    costs = np.broadcast_to(study.learned.costs().mean(0), study.judged.right.shape)
    name, source = "router on TF-IDF", "RouteLLM, arXiv 2406.18665"
    return _router(name, source, study, predict(_texts(study.judged)), costs)


def embedding_router(study: Study) -> Policy:
    """Fit one logistic regression on the prompt's embedding for each tier, and a ridge on costs."""
    from sklearn.linear_model import Ridge

    learned = study.learned
    encode = study.embedder.fit(_texts(learned))
    x, others = encode(_texts(learned)), encode(_texts(study.judged))
    right = learned.right
    strength = best_strength(x, right, deal_folds(learned.groups))
    p = np.stack([logistic(x, truth, strength)(others) for truth in right.T], -1)
    costs = Ridge(1.0).fit(x, learned.costs()).predict(others)
    name, source = f"LR on {study.embedder.name}", "RouterBench, arXiv 2403.12031"
    return _router(name, source, study, p, np.maximum(costs, 0.0))


def nearest(study: Study) -> Policy:
    """Average the outcomes of the most similar prompts; their number is chosen on held-out folds.

    Similarity is the cosine of embeddings.
    """
    learned = study.learned
    encode = study.embedder.fit(_texts(learned))
    x, others = encode(_texts(learned)), encode(_texts(study.judged))
    right, folds = learned.right.astype(float), deal_folds(learned.groups)
    near = x @ x.T
    # A prompt must not be its own neighbour, nor may one of its fold.
    near[folds[:, None] == folds] = -np.inf
    most = int((near > -np.inf).sum(1).min())
    order = np.argsort(-near, axis=1, kind="stable")

    def loss(num: int) -> float:
        return float(((right[order[:, :num]].mean(1) - right) ** 2).mean())

    num = min((n for n in _NEIGHBOURS if n <= most), key=loss, default=max(most, 1))
    found = np.argsort(-(others @ x.T), axis=1, kind="stable")[:, :num]
    name, source = f"kNN on {study.embedder.name}", "arXiv 2505.12601"
    return _router(name, source, study, right[found].mean(1), learned.costs()[found].mean(1))


def _router(name: str, source: str, study: Study, p: Floats, costs: Floats) -> Policy:
    """Send every prompt straight to the tier of the greatest value; shapes are (n, k)."""
    walks = tuple(pick(study.judged, np.argmax(p - w * costs, axis=1)) for w in COST_WEIGHTS)
    expects = {tier: p[:, tier:] for tier in range(p.shape[1])}
    return Policy(name, source, walks, expects, are_probabilities=True)


def _texts(matrix: Matrix) -> list[str]:
    return [prompt.question for prompt in matrix.prompts]
