"""Units of measurement, by pint. Imported when an expression has a unit: pint takes a moment.

Does not know expressions.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from fractions import Fraction
from functools import cache
from typing import Any

from tierchat.tools.failure import ToolFailed

_OTHER_NAMES = {
    **{"°C": "degC", "°F": "degF", "celsius": "degC", "fahrenheit": "degF", "C": "degC"},
    **{"F": "degF", "kelvin": "kelvin", "°": "degree", "sqft": "foot**2", "sqm": "meter**2"},
    **{"mph": "mile/hour", "kph": "kilometer/hour", "kmh": "kilometer/hour", "lbs": "pound"},
    **{"hrs": "hour", "hr": "hour", "mins": "minute", "min": "minute", "secs": "second"},
    **{"sec": "second", "m": "meter", "h": "hour", "d": "day", "yrs": "year", "oz": "ounce"},
}
_RAISED = str.maketrans("0123456789/", "⁰¹²³⁴⁵⁶⁷⁸⁹ᐟ")


@cache
def _registry() -> Any:
    try:
        import pint
    except ImportError as error:
        raise ToolFailed("units need pint, which is not installed") from error
    return pint.UnitRegistry(non_int_type=Fraction)


def is_unit(name: str) -> bool:
    """Whether a name is that of a unit."""
    if name in _OTHER_NAMES:
        return True
    try:
        with refusals():
            _registry().parse_units(name)
    except ToolFailed:
        return False
    return True


def quantity(number: Fraction, unit: str) -> Any:
    """Return so many of a unit."""
    with refusals():
        return _registry().Quantity(number, _registry().parse_units(_OTHER_NAMES.get(unit, unit)))


def converted(value: Any, unit: Any) -> Any:
    """Return a quantity in the unit of another one; raises ToolFailed if that cannot be."""
    with refusals():
        return value.to(unit.units)


def text_of(value: Any) -> str:
    """Write the unit of a quantity in short: km/h, m²."""
    above: list[str] = []
    below: list[str] = []
    for name, power in value.to_tuple()[1]:
        symbol = "days" if name == "day" else _registry().get_symbol(name)
        exponent = str(abs(Fraction(power)))
        written = symbol + (exponent.translate(_RAISED) if exponent != "1" else "")
        (above if power > 0 else below).append(written)
    return "/".join(["·".join(above) or "1", *below])


@contextlib.contextmanager
def refusals() -> Iterator[None]:
    """Raise what pint says is wrong as ToolFailed."""
    try:
        import pint
    except ImportError as error:
        raise ToolFailed("units need pint, which is not installed") from error
    try:
        yield
    except pint.errors.PintError as error:
        raise ToolFailed(str(error)) from error
    except (ArithmeticError, TypeError, AttributeError, ValueError, KeyError) as error:
        raise ToolFailed(f"that cannot be done with units: {error}") from error
