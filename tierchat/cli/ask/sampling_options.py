"""Options as they are typed, turned into checked values.

Does not know commands or terminals.
"""

from __future__ import annotations

import contextlib
import re
from typing import Any, TypeVar

import msgspec

from tierchat.config.expected import place_and_message, wrong
from tierchat.errors import UsageError, did_you_mean
from tierchat.types import QUALITIES, SAMPLING_ALIASES, QualityName, Sampling

_UNITS_S = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}
_MAX_WAIT_S = 86_400
_Value = TypeVar("_Value")
_NO_SAMPLING = Sampling()
# These take several values, one with each use of the option.
_LISTS = ("stop", "dry_sequence_breakers", "samplers")
# Leaves the value to the model again, in the chat and over a template.
_OPEN = "default"


def parse_sampling(
    pairs: list[str], seed: int | None, default: Sampling = _NO_SAMPLING
) -> Sampling:
    """Apply `key=value` pairs to a default; raises UsageError naming the key, or the nearest."""
    found: dict[str, Any] = {} if seed is None else {"seed": seed}
    for pair in pairs:
        typed, separator, value = pair.partition("=")
        key = SAMPLING_ALIASES.get(typed, typed)
        if not separator:
            raise UsageError(f"option {pair!r} has no value", "write -o temperature 0.7")
        if key not in Sampling.__struct_fields__:
            known = Sampling.__struct_fields__
            raise UsageError(
                f"no option named {typed!r}",
                did_you_mean(typed, known, f"known: {', '.join(known)}"),
            )
        if value == _OPEN:
            found[key] = () if key in _LISTS else None
        elif key in _LISTS:
            found[key] = (*found.get(key, ()), value)
        else:
            found[key] = value
    return checked(Sampling, {**default.given(), **found})


def parse_quality(text: str) -> QualityName | float:
    """Read a name or a number from 0 to 1; raises UsageError with the nearest name."""
    for name in QUALITIES:
        if text == name:
            return name
    quality = -1.0
    with contextlib.suppress(ValueError):
        quality = float(text)
    if not 0 <= quality <= 1:
        names = ", ".join(QUALITIES)
        hint = did_you_mean(text, tuple(QUALITIES), f"write {names}, or a number from 0 to 1")
        raise UsageError(f"{text!r} is no quality", hint)
    return quality


def parse_wait(text: str) -> float:
    """Read a duration such as `10s`, `500ms` or `1m30s`, or a number of seconds.

    Raises UsageError.
    """
    bare = text.strip()
    found = 0.0
    if re.fullmatch(r"[0-9]+(\.[0-9]+)?", bare):
        found = float(bare)
    elif re.fullmatch(r"([0-9]+(\.[0-9]+)?(ms|s|m|h))+", bare):
        parts = re.findall(r"([0-9.]+)(ms|s|m|h)", bare)
        found = sum(float(number) * _UNITS_S[unit] for number, unit in parts)
    if not 0 < found <= _MAX_WAIT_S:
        raise UsageError(
            f"{text!r} is no time to wait", "write 10s, 500ms, 1m30s or a number of seconds"
        )
    return found


def checked(kind: type[_Value], values: dict[str, Any]) -> _Value:
    """Convert typed values to their types; raises UsageError naming option and value."""
    try:
        return msgspec.convert(values, kind, strict=False)
    except msgspec.ValidationError as error:
        place, _ = place_and_message(error)
        key = place.partition("[")[0]
        typed = values.get(key)
        shown = f" = {typed[-1] if isinstance(typed, tuple) else typed}" if key in values else ""
        message = f"{place}{shown}: {wrong(error, kind)}"
        raise UsageError(message, "see tierchat ask --help") from error
