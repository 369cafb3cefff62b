"""The functions and constants of the calculator.

Exact where the result is a fraction; else the first digits, by `decimal` or as floats.
"""

from __future__ import annotations

import datetime
import decimal
import math
from collections.abc import Callable, Sequence
from fractions import Fraction

from tierchat.tools.calc.values import (
    MAX_BITS,
    Number,
    Quantity,
    Value,
    bits,
    divided,
    kind,
    multiplied,
    number_of,
    plain,
    tried,
    whole_of,
)
from tierchat.tools.failure import ToolFailed

_DIGITS = 40
_MAX_FACTORIAL = 8_000
PI = Fraction("3.141592653589793238462643383279502884197169399375105820974944")
E = Fraction("2.718281828459045235360287471352662497757247093699959574966967")
CONSTANTS = {"pi": PI, "e": E, "tau": 2 * PI}


def powered(base: Value, exponent: Value) -> Value:
    """Raise to a power; exact where the exponent is a whole number."""
    if not isinstance(exponent, Number):
        raise ToolFailed(f"an exponent is a number, and not {kind(exponent)}")
    power = exponent.value
    if isinstance(base, Quantity):
        if power.denominator != 1 or abs(power) > 100:
            raise ToolFailed("the exponent of a quantity is a small whole number")
        return plain(tried(lambda: base.value ** int(power)), base.is_exact)
    if not isinstance(base, Number):
        raise ToolFailed(f"{kind(base)} has no powers")
    if power.denominator != 1:
        return _real_power(base, exponent)
    number = int(power)
    if not base.value and number < 0:
        raise ToolFailed("division by zero")
    if abs(base.value) != 1 and abs(number) * bits(base.value) > MAX_BITS:
        raise ToolFailed("the power is too large to be written out")
    return Number(base.value**number, base.is_exact and exponent.is_exact)


def _real_power(base: Number, exponent: Number) -> Number:
    """Raise to a power that is no whole number; exact for the roots of squares and cubes."""
    top, bottom = exponent.value.numerator, exponent.value.denominator
    if base.value < 0 and bottom % 2 == 0:
        raise ToolFailed("an even root of a negative number is no real number")
    if base.is_exact and bottom <= 64 and abs(top) <= 64:
        sign = -1 if base.value < 0 else 1
        parts = [_root(abs(p), bottom) for p in (base.value.numerator, base.value.denominator)]
        if None not in parts and parts[1]:
            return Number((sign * Fraction(parts[0] or 0, parts[1])) ** top)
    if base.value < 0:
        raise ToolFailed("this root of a negative number is not computed")
    return _inexact(lambda: _decimal(base.value) ** _decimal(exponent.value))


def _root(number: int, degree: int) -> int | None:
    """Return the exact root of a whole number; None if that is no whole number."""
    if degree == 2:
        root = math.isqrt(number)
    else:
        root = round(number ** (1 / degree)) if number < 2**900 else 0
    return root if root**degree == number else None


def _decimal(value: Fraction) -> decimal.Decimal:
    return decimal.Decimal(value.numerator) / decimal.Decimal(value.denominator)


def _inexact(work: Callable[[], decimal.Decimal]) -> Number:
    context = decimal.Context(prec=_DIGITS, Emax=99_999, Emin=-99_999)
    try:
        with decimal.localcontext(context):
            return Number(Fraction(work()), is_exact=False)
    except (decimal.DecimalException, ValueError, OverflowError) as error:
        raise ToolFailed("the result is no number, or too large to be written out") from error


def _float(name: str, function: Callable[[float], float]) -> Callable[[Sequence[Value]], Value]:
    def work(given: Sequence[Value]) -> Value:
        (value,) = _taken(name, given, 1, 1)
        if isinstance(value, Quantity):
            from tierchat.tools.calc.units import converted, quantity

            value = Number(Fraction(converted(value.value, quantity(Fraction(1), "radian")).m))
        try:
            # Beyond 15 digits a float says nothing.
            found = function(float(number_of(value, name).value))
            return Number(Fraction(f"{found:.15g}"), is_exact=False)
        except (ValueError, OverflowError) as error:
            raise ToolFailed(f"{name} has no value there") from error

    return work


def _sqrt(given: Sequence[Value]) -> Value:
    (value,) = _taken("sqrt", given, 1, 1)
    return _real_power(number_of(value, "sqrt"), Number(Fraction(1, 2)))


def _cbrt(given: Sequence[Value]) -> Value:
    (value,) = _taken("cbrt", given, 1, 1)
    return _real_power(number_of(value, "cbrt"), Number(Fraction(1, 3)))


def _log(base: int | None, name: str) -> Callable[[Sequence[Value]], Value]:
    def work(given: Sequence[Value]) -> Value:
        value, *rest = _taken(name, given, 1, 2 if name == "log" else 1)
        number = number_of(value, name).value
        if number <= 0:
            raise ToolFailed(f"{name} takes positive numbers")
        of = Fraction(base) if base else None
        if rest:
            of = number_of(rest[0], name).value
            if of <= 0 or of == 1:
                raise ToolFailed("the base of a logarithm is positive, and not 1")
        if of is not None and (power := _whole_power(number, of)) is not None:
            return Number(Fraction(power))
        return _inexact(
            lambda: _decimal(number).ln() / (_decimal(of).ln() if of else decimal.Decimal(1))
        )

    return work


def _whole_power(number: Fraction, base: Fraction) -> int | None:
    guess = round(math.log(number) / math.log(base)) if bits(number) < 1000 else 0
    return guess if abs(guess) * bits(base) <= MAX_BITS and base**guess == number else None


def _exp(given: Sequence[Value]) -> Value:
    (value,) = _taken("exp", given, 1, 1)
    number = number_of(value, "exp").value
    return Number(Fraction(1)) if not number else _inexact(lambda: _decimal(number).exp())


def _rounded(given: Sequence[Value]) -> Value:
    value, *rest = _taken("round", given, 1, 2)
    places = whole_of(rest[0], "round") if rest else 0
    if abs(places) > 1000:
        raise ToolFailed("round takes at most 1000 places")
    if isinstance(value, Quantity):
        magnitude = _half_up(Fraction(value.value.magnitude), places)
        return Quantity(type(value.value)(magnitude, value.value.units), value.is_exact)
    number = number_of(value, "round")
    # Rounded, it is what it is, however it was found.
    return Number(_half_up(number.value, places))


def _half_up(value: Fraction, places: int) -> Fraction:
    """Round as people do: halves away from zero."""
    scaled = abs(value) * Fraction(10) ** places
    whole = math.floor(scaled + Fraction(1, 2))
    return Fraction(whole) / Fraction(10) ** places * (-1 if value < 0 else 1)


def _whole(name: str, function: Callable[[Fraction], int]) -> Callable[[Sequence[Value]], Value]:
    def work(given: Sequence[Value]) -> Value:
        (value,) = _taken(name, given, 1, 1)
        return Number(Fraction(function(number_of(value, name).value)))

    return work


def _absolute(given: Sequence[Value]) -> Value:
    (value,) = _taken("abs", given, 1, 1)
    if isinstance(value, Quantity):
        return Quantity(abs(value.value), value.is_exact)
    number = number_of(value, "abs")
    return Number(abs(number.value), number.is_exact)


def _integers(name: str, function: Callable[..., int], least: int) -> Callable[..., Value]:
    def work(given: Sequence[Value]) -> Value:
        taken = _taken(name, given, least, 1000)
        return Number(Fraction(function(*(whole_of(value, name) for value in taken))))

    return work


def factorial(number: int) -> int:
    """Return the product of 1 to `number`; raises ToolFailed where that is too large."""
    if not 0 <= number <= _MAX_FACTORIAL:
        raise ToolFailed(f"a factorial is that of a whole number from 0 to {_MAX_FACTORIAL}")
    return math.factorial(number)


def _choices(name: str, function: Callable[[int, int], int]) -> Callable[..., Value]:
    def work(given: Sequence[Value]) -> Value:
        n, k = (whole_of(value, name) for value in _taken(name, given, 2, 2))
        if not 0 <= k <= n or n > 100_000 or min(k, n - k) > _MAX_FACTORIAL:
            raise ToolFailed(f"{name}(n, k) takes 0 <= k <= n, within what can be written out")
        return Number(Fraction(function(n, k)))

    return work


def _sorted(name: str, pick: int) -> Callable[[Sequence[Value]], Value]:
    def work(given: Sequence[Value]) -> Value:
        taken = _taken(name, given, 1, 1000)
        if all(isinstance(value, datetime.date) for value in taken):
            return sorted(taken)[pick]  # type: ignore[type-var]
        numbers = [number_of(value, name) for value in taken]
        return sorted(numbers, key=lambda number: number.value)[pick]

    return work


def _sum(given: Sequence[Value]) -> Value:
    numbers = [number_of(value, "sum") for value in _taken("sum", given, 1, 1000)]
    total = sum((number.value for number in numbers), Fraction(0))
    return Number(total, all(number.is_exact for number in numbers))


def _mean(given: Sequence[Value]) -> Value:
    return divided(_sum(given), Number(Fraction(len(given))))


def _weekday(given: Sequence[Value]) -> Value:
    (value,) = _taken("weekday", given, 1, 1)
    if not isinstance(value, datetime.date):
        raise ToolFailed(f"weekday takes a date such as 2024-02-29, and not {kind(value)}")
    # Dates are shown with their weekday.
    return value


def _days(given: Sequence[Value]) -> Value:
    first, last = _taken("days", given, 2, 2)
    if not isinstance(first, datetime.date) or not isinstance(last, datetime.date):
        raise ToolFailed("days takes two dates such as 2024-02-29")
    return Number(Fraction((last - first).days))


def _percent(given: Sequence[Value]) -> Value:
    part, whole = _taken("percent", given, 2, 2)
    share = number_of(divided(part, whole), "percent")
    return Number(share.value, share.is_exact, is_percent=True)


def _product(given: Sequence[Value]) -> Value:
    total: Value = Number(Fraction(1))
    for value in _taken("product", given, 1, 1000):
        total = multiplied(total, value)
    return total


def _taken(name: str, given: Sequence[Value], least: int, most: int) -> Sequence[Value]:
    if not least <= len(given) <= most:
        wanted = str(least) if least == most else f"{least} to {most}"
        raise ToolFailed(f"{name} takes {wanted} arguments, and not {len(given)}")
    return given


FUNCTIONS: dict[str, Callable[[Sequence[Value]], Value]] = {
    **{"sqrt": _sqrt, "cbrt": _cbrt, "abs": _absolute, "exp": _exp},
    **{"round": _rounded, "floor": _whole("floor", math.floor), "ceil": _whole("ceil", math.ceil)},
    **{"ln": _log(None, "ln"), "log": _log(None, "log")},
    **{"log10": _log(10, "log10"), "log2": _log(2, "log2")},
    **{name: _float(name, getattr(math, name)) for name in ("sin", "cos", "tan")},
    **{name: _float(name, getattr(math, name)) for name in ("asin", "acos", "atan")},
    **{"gcd": _integers("gcd", math.gcd, 1), "lcm": _integers("lcm", math.lcm, 1)},
    **{"factorial": _integers("factorial", factorial, 1)},
    **{"comb": _choices("comb", math.comb), "perm": _choices("perm", math.perm)},
    **{"min": _sorted("min", 0), "max": _sorted("max", -1), "sum": _sum, "product": _product},
    **{"mean": _mean, "average": _mean, "avg": _mean},
    **{"weekday": _weekday, "days": _days, "percent": _percent},
}
