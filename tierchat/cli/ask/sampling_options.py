"""Options as they are typed, turned into checked values.

Does not know commands or terminals.
"""

from __future__ import annotations

from typing import Any, TypeVar

import msgspec

from tierchat.errors import UsageError, did_you_mean
from tierchat.types import Sampling

_Value = TypeVar("_Value")
_NO_SAMPLING = Sampling()


def parse_sampling(
    pairs: list[str], seed: int | None, default: Sampling = _NO_SAMPLING
) -> Sampling:
    """Apply `key=value` pairs to a default; raises UsageError naming the key, or the nearest."""
    found: dict[str, Any] = {} if seed is None else {"seed": seed}
    for pair in pairs:
        key, separator, value = pair.partition("=")
        if not separator:
            raise UsageError(f"option {pair!r} has no value", "write -o temperature 0.7")
        if key not in Sampling.__struct_fields__:
            known = Sampling.__struct_fields__
            raise UsageError(
                f"no option named {key!r}", did_you_mean(key, known, f"known: {', '.join(known)}")
            )
        found[key] = (*found.get(key, ()), value) if key == "stop" else value
    return checked(Sampling, {**msgspec.to_builtins(default), **found})


def checked(kind: type[_Value], values: dict[str, Any]) -> _Value:
    """Convert typed values to their types; raises UsageError naming the option."""
    try:
        return msgspec.convert(values, kind, strict=False)
    except msgspec.ValidationError as error:
        message, _, place = str(error).partition(" - at `$.")
        raise UsageError(f"{place.rstrip('`')}: {message}", "see tierchat ask --help") from error
