"""How fast each model was on this machine: running medians of what its visits and loads took.

Does not know prompts, tiers or workers. Times of a model that has not run yet are guessed from the
size of its file, corrected by how far such guesses were off for the models that have run.
"""

from __future__ import annotations

import statistics
from collections import defaultdict, deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from tierchat.atomic_file import write_quietly
from tierchat.outcomes import Usage
from tierchat.types import Frozen

# Visits that count: enough to outvote a hiccup, few enough to follow a machine that got busy.
_NUM_KEPT = 15
# A prompt of fewer new tokens tells little about reading: it takes about as long as one token.
_MIN_READ = 16
# First guesses for a model in RAM: bytes of weights that pass the processor in a second.
_DECODE_BYTES_PER_S, _READ_BYTES_PER_S, _LOAD_BYTES_PER_S = 15e9, 60e9, 0.5e9
_FIRST_LOAD_S = 0.3
_THINK = {"auto": None, "on": True, "off": False}


class ModelSpeed(Frozen, frozen=True):
    """What a prompt for one model takes: loading it now, and each token read and written.

    `answer_tokens` is the mean length of its last answers, None before the first one. Where
    `is_measured` is False, the times are guesses.
    """

    load_s: float
    prompt_token_s: float
    token_s: float
    answer_tokens: float | None = None
    is_measured: bool = False


def _kept() -> deque[float]:
    return deque(maxlen=_NUM_KEPT)


class _Stored(msgspec.Struct):
    """What is kept of one model between two daemons; another file begins anew."""

    size_bytes: float
    read_s: list[float]
    token_s: list[float]
    load_s: list[float]
    lengths: dict[str, list[float]]


@dataclass
class _Measured:
    size_bytes: float = 0
    read_s: deque[float] = field(default_factory=_kept)
    token_s: deque[float] = field(default_factory=_kept)
    load_s: deque[float] = field(default_factory=_kept)
    # Of answers with thinking switched on, off, or left to the template.
    lengths: defaultdict[bool | None, deque[float]] = field(
        default_factory=lambda: defaultdict(_kept)
    )


class Speeds:
    """What was measured of the models of one process; owned by its pool.

    With a `path`, what the last process of this user measured is where this one begins.
    """

    def __init__(self, path: Path | None = None) -> None:
        self._path = path
        self._models = _read(path) if path else {}

    def save(self) -> None:
        """Write what was measured, if there is a file for it; errors leave it as it was."""
        if self._path and self._models:
            write_quietly(self._path, msgspec.json.encode(_stored(self._models)))

    def record_load(self, model: str, size_bytes: float, seconds: float) -> None:
        """Remember how long a model took to load."""
        if self._of(model).size_bytes not in (0, size_bytes):
            del self._models[model]
        measured = self._of(model)
        measured.size_bytes = size_bytes
        measured.load_s.append(seconds)

    def record(
        self, model: str, usage: Usage, *, is_answer: bool, think: bool | None = None
    ) -> None:
        """Remember one visit; `is_answer` counts its length among those of answers."""
        measured = self._of(model)
        num_read = usage.prompt_tokens - usage.cached_tokens
        if num_read >= _MIN_READ and usage.reading_seconds:
            measured.read_s.append(usage.reading_seconds / num_read)
        # The first token is drawn where the prompt ends.
        num_written = usage.generated_tokens - 1
        if num_written > 0 and usage.reading_seconds:
            measured.token_s.append((usage.seconds - usage.reading_seconds) / num_written)
        if is_answer and usage.generated_tokens:
            measured.lengths[think].append(float(usage.generated_tokens))

    def speed(
        self, model: str, size_bytes: float, *, is_loaded: bool, think: bool | None = None
    ) -> ModelSpeed:
        """Return what to expect of a model that reads `size_bytes` of weights for each token.

        0 stands for the size that was noted when the model was loaded.
        """
        own = self._models.get(model, _Measured())
        size_bytes = size_bytes or own.size_bytes
        lengths = own.lengths[think]
        token_s, read_s = _median(own.token_s), _median(own.read_s)
        guessed_token_s = size_bytes / _DECODE_BYTES_PER_S
        guessed_read_s = size_bytes / _READ_BYTES_PER_S
        return ModelSpeed(
            load_s=0.0 if is_loaded else self._load_s(own, size_bytes),
            prompt_token_s=read_s or guessed_read_s * self._error("read_s", _READ_BYTES_PER_S),
            token_s=token_s or guessed_token_s * self._error("token_s", _DECODE_BYTES_PER_S),
            answer_tokens=statistics.fmean(lengths) if lengths else None,
            is_measured=bool(token_s and read_s),
        )

    def _load_s(self, own: _Measured, size_bytes: float) -> float:
        measured = _median(own.load_s)
        if measured:
            return measured
        return _FIRST_LOAD_S + size_bytes / _LOAD_BYTES_PER_S * self._load_error()

    def _load_error(self) -> float:
        pairs = ((_median(m.load_s), m.size_bytes) for m in self._models.values())
        guesses = ((s, _FIRST_LOAD_S + size / _LOAD_BYTES_PER_S) for s, size in pairs if size)
        return _median([s / guess for s, guess in guesses if s]) or 1.0

    def _error(self, name: str, bytes_per_s: float) -> float:
        """Return by which factor the guesses for models that were measured are too short."""
        pairs = ((_median(getattr(m, name)), m.size_bytes) for m in self._models.values())
        return _median([s / (size / bytes_per_s) for s, size in pairs if s and size]) or 1.0

    def _of(self, model: str) -> _Measured:
        return self._models.setdefault(model, _Measured())


def _median(values: Iterable[float]) -> float:
    """Return the median, 0 without values."""
    found = list(values)
    return statistics.median(found) if found else 0.0


def _read(path: Path) -> dict[str, _Measured]:
    try:
        stored = msgspec.json.decode(path.read_bytes(), type=dict[str, _Stored])
    except (OSError, ValueError):
        return {}
    found = {}
    for model, of in stored.items():
        measured = found[model] = _Measured(of.size_bytes)
        measured.read_s.extend(of.read_s)
        measured.token_s.extend(of.token_s)
        measured.load_s.extend(of.load_s)
        for think, lengths in of.lengths.items():
            measured.lengths[_THINK.get(think)].extend(lengths)
    return found


def _stored(models: Mapping[str, _Measured]) -> dict[str, _Stored]:
    names = {think: name for name, think in _THINK.items()}
    return {
        model: _Stored(
            of.size_bytes,
            list(of.read_s),
            list(of.token_s),
            list(of.load_s),
            {names[think]: list(lengths) for think, lengths in of.lengths.items()},
        )
        for model, of in models.items()
    }
