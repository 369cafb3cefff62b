"""The fields of a request that say how tokens are drawn, by the names that clients use for them.

Does not know what else a request asks for. Names and values are OpenAI's and llama.cpp's.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

import msgspec

from tierchat.service.requests.json_body import decoded
from tierchat.types import SAMPLING_ALIASES, Sampling

# OpenAI's seeds have 64 bits, llama.cpp's have 32.
Seed = Annotated[int, msgspec.Meta(ge=-(2**63), le=2**63 - 1)]
_StopText = Annotated[str, msgspec.Meta(max_length=256)]
Stop = _StopText | Annotated[list[_StopText], msgspec.Meta(max_length=16)]
# Above, floats skip whole numbers.
_MAX_EXACT = 2**53
# These fields of `Sampling` are read with rules of their own.
_OWN_RULES = ("seed", "stop", "json_schema")
SAMPLING_TYPES: dict[str, Any] = {
    field.name: field.type
    for field in msgspec.structs.fields(Sampling)
    if field.name not in _OWN_RULES
}
SAMPLING_NAMES = (*SAMPLING_TYPES, *SAMPLING_ALIASES)


def sampling_of(
    raw: Mapping[str, msgspec.Raw],
    seed: int | None,
    stop: str | list[str] | None,
    json_schema: str | None = None,
) -> Sampling:
    """Read the fields of a request beside those given; raises InvalidRequest naming the field."""
    stops = (stop,) if isinstance(stop, str) else tuple(stop or ())
    values: dict[str, Any] = {
        "seed": seed if seed in (None, -1) else seed % 2**32,
        "stop": tuple(text for text in stops if text),
        "json_schema": json_schema,
    }
    # A name that OpenAI or llama.cpp prefers comes after ours and wins.
    for name in SAMPLING_NAMES:
        if name in raw:
            field = SAMPLING_ALIASES.get(name, name)
            values[field] = decoded(whole(raw[name]), SAMPLING_TYPES[field], name)
    return Sampling(**values)


def with_own_seed(sampling: Sampling, number: int) -> Sampling:
    """Return the sampling of one of several answers: with a seed each has one of its own."""
    if not number or sampling.seed is None or sampling.seed < 0:
        return sampling
    return msgspec.structs.replace(sampling, seed=(sampling.seed + number) % 2**32)


def whole(raw: msgspec.Raw) -> msgspec.Raw:
    """Return 40 for 40.0, as clients write it whose numbers all have a point."""
    try:
        number = msgspec.json.decode(raw, type=float)
    except ValueError:
        return raw
    is_whole = number.is_integer() and abs(number) <= _MAX_EXACT
    return msgspec.Raw(b"%d" % number) if is_whole else raw
