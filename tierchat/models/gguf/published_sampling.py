"""The `general.sampling.*` keys of a GGUF header, which llama.cpp's own programs obey, too.

Does not know requests, families or defaults.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from typing import Any

import msgspec

from tierchat.models.gguf.reader import Value
from tierchat.types import SAMPLERS, Sampling

_PREFIX = "general.sampling."
# The names of llama.cpp's keys (LLM_KV_GENERAL_SAMPLING_*) and ours.
_FIELDS = {
    "temp": "temperature",
    "top_k": "top_k",
    "top_p": "top_p",
    "min_p": "min_p",
    "xtc_probability": "xtc_probability",
    "xtc_threshold": "xtc_threshold",
    "penalty_last_n": "repeat_last_n",
    "penalty_repeat": "repeat_penalty",
    "mirostat": "mirostat",
    "mirostat_tau": "mirostat_tau",
    "mirostat_eta": "mirostat_eta",
}
_SEQUENCE = "sequence"
_OTHER_NAMES = {"typical_p": "typ_p", "typical": "typ_p", "typ": "typ_p", "temp": "temperature"}


def published_sampling(metadata: Mapping[str, Value]) -> Sampling:
    """Read the sampling that a file asks for; a value that cannot be used is passed over."""
    found = Sampling()
    for key, field in _FIELDS.items():
        value = metadata.get(_PREFIX + key)
        if value is not None:
            found = _with(found, field, _shortest(value))
    sequence = metadata.get(_PREFIX + _SEQUENCE)
    if isinstance(sequence, str):
        found = _with(found, "samplers", _samplers(sequence))
    return found


def _with(sampling: Sampling, field: str, value: Any) -> Sampling:
    with contextlib.suppress(msgspec.ValidationError):
        checked = msgspec.convert({field: value}, Sampling, strict=False)
        return msgspec.structs.replace(sampling, **{field: getattr(checked, field)})
    return sampling


def _shortest(value: Value) -> Value:
    """Write 0.699999988079071, a 32-bit float, as 0.7."""
    return float(f"{value:.7g}") if isinstance(value, float) else value


def _samplers(sequence: str) -> list[str]:
    names = [name.strip().replace("-", "_") for name in sequence.split(";")]
    known = [_OTHER_NAMES.get(name, name) for name in names]
    return [name for name in known if name in SAMPLERS]
