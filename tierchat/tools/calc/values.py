"""The values of the calculator: numbers, quantities with a unit, dates; and their arithmetic.

Numbers are fractions, and exact until a root or a logarithm is taken. Does not know expressions.
"""

from __future__ import annotations

import calendar
import datetime
from collections.abc import Callable
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any

from tierchat.tools.failure import ToolFailed

# So many bits have 30,000 digits.
MAX_BITS = 100_000
_CALENDAR = {"day": 0, "week": 0, "month": 1, "year": 12}


@dataclass(frozen=True)
class Number:
    """A number, which `is_exact` unless digits were left out; `is_percent` is of what precedes."""

    value: Fraction
    is_exact: bool = True
    is_percent: bool = False


@dataclass(frozen=True)
class Quantity:
    """A number with a unit: a quantity of pint, whose magnitude is a fraction."""

    value: Any
    is_exact: bool = True


@dataclass(frozen=True)
class Truth:
    """What a comparison says."""

    value: bool


Value = Number | Quantity | Truth | datetime.date


def added(left: Value, right: Value, sign: int) -> Value:
    """Add, or subtract with the sign -1: numbers, quantities, days to dates, dates from dates."""
    if isinstance(left, Number) and isinstance(right, Number):
        part = right.value
        if right.is_percent and not left.is_percent:
            part = left.value * right.value
        both = left.is_percent and right.is_percent
        return Number(left.value + sign * part, left.is_exact and right.is_exact, both)
    if isinstance(left, Quantity) and isinstance(right, Number) and right.is_percent:
        return multiplied(left, Number(1 + sign * right.value, right.is_exact))
    if isinstance(left, Quantity) and isinstance(right, Quantity):
        total = tried(lambda: left.value + sign * right.value)
        return Quantity(total, left.is_exact and right.is_exact)
    if isinstance(left, datetime.date):
        return _from_date(left, right, sign)
    if isinstance(right, datetime.date) and sign > 0:
        return _from_date(right, left, sign)
    raise ToolFailed(f"{kind(right)} cannot be added to {kind(left)}, or taken from it")


def multiplied(left: Value, right: Value) -> Value:
    """Multiply numbers and quantities."""
    if isinstance(left, Number) and isinstance(right, Number):
        _check_size(left, right)
        return Number(left.value * right.value, left.is_exact and right.is_exact)
    first, second, is_exact = _pair(left, right, "multiplied by")
    return plain(tried(lambda: first * second), is_exact)


def divided(left: Value, right: Value) -> Value:
    """Divide numbers and quantities; raises ToolFailed for a division by zero."""
    if isinstance(right, Number | Quantity) and not _magnitude(right):
        raise ToolFailed("division by zero")
    if isinstance(left, Number) and isinstance(right, Number):
        return Number(left.value / right.value, left.is_exact and right.is_exact)
    first, second, is_exact = _pair(left, right, "divided by")
    return plain(tried(lambda: first / second), is_exact)


def negated(value: Value) -> Value:
    """Change the sign of a number or quantity."""
    if isinstance(value, Number):
        return replace(value, value=-value.value)
    return multiplied(Number(Fraction(-1)), value)


def bits(value: Fraction) -> int:
    """Return how many bits the larger part of a fraction has."""
    return max(value.numerator.bit_length(), value.denominator.bit_length())


def kind(value: Value) -> str:
    """Name what a value is."""
    match value:
        case Number(is_percent=True):
            return "a percentage"
        case Number():
            return "a number"
        case Quantity():
            return f"a quantity in {value.value.units}"
        case Truth():
            return "a comparison"
    return "a date"


def number_of(value: Value, what: str) -> Number:
    """Return a value that must be a number without a unit; raises ToolFailed."""
    if not isinstance(value, Number):
        raise ToolFailed(f"{what} takes numbers, and not {kind(value)}")
    return value


def whole_of(value: Value, what: str) -> int:
    """Return a value that must be a whole number; raises ToolFailed."""
    number = number_of(value, what)
    if number.value.denominator != 1 or not number.is_exact:
        raise ToolFailed(f"{what} takes whole numbers")
    return int(number.value)


def _from_date(day: datetime.date, other: Value, sign: int) -> Value:
    if isinstance(other, datetime.date):
        if sign > 0:
            raise ToolFailed("two dates cannot be added")
        from tierchat.tools.calc.units import quantity

        return Quantity(quantity(Fraction((day - other).days), "day"))
    if isinstance(other, Number) and not other.is_percent:
        return _moved(day, "day", sign * other.value)
    if isinstance(other, Quantity):
        unit = str(other.value.units)
        if unit in ("month", "year"):
            return _moved(day, unit, sign * Fraction(other.value.magnitude))
        days = tried(lambda: other.value.to("day"))
        return _moved(day, "day", sign * Fraction(days.magnitude))
    raise ToolFailed(f"a date and {kind(other)} do not go together")


def _moved(day: datetime.date, unit: str, count: Fraction) -> datetime.date:
    if count.denominator != 1:
        raise ToolFailed("a date can be moved by whole days, weeks, months and years only")
    try:
        if unit == "day":
            return day + datetime.timedelta(days=int(count))
        months = day.year * 12 + day.month - 1 + int(count) * _CALENDAR[unit]
        year, month = months // 12, months % 12 + 1
        last = calendar.monthrange(year, month)[1]
        return datetime.date(year, month, min(day.day, last))
    except (ValueError, OverflowError) as error:
        raise ToolFailed("that date is outside the years 1 to 9999") from error


def _pair(left: Value, right: Value, what: str) -> tuple[Any, Any, bool]:
    for value in (left, right):
        if not isinstance(value, Number | Quantity):
            raise ToolFailed(f"{kind(left)} cannot be {what} {kind(right)}")
    assert isinstance(left, Number | Quantity) and isinstance(right, Number | Quantity)
    return left.value, right.value, left.is_exact and right.is_exact


def plain(value: Any, is_exact: bool) -> Value:
    """Return a number where the units have cancelled."""
    if value.dimensionless:
        return Number(Fraction(value.to("dimensionless").magnitude), is_exact)
    return Quantity(value, is_exact)


def _magnitude(value: Number | Quantity) -> Fraction:
    return value.value if isinstance(value, Number) else Fraction(value.value.magnitude)


def _check_size(left: Number, right: Number) -> None:
    if bits(left.value) + bits(right.value) > 2 * MAX_BITS:
        raise ToolFailed("the number is too large to be written out")


def tried(work: Callable[[], Any]) -> Any:
    """Do some arithmetic of pint; raises ToolFailed for what it refuses."""
    from tierchat.tools.calc.units import refusals

    with refusals():
        return work()
