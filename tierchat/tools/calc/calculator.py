"""The tool `calc`: an expression in, its value in words out."""

from __future__ import annotations

import datetime
import sys
from fractions import Fraction

from tierchat.tools.calc.parser import computed
from tierchat.tools.calc.values import Number, Quantity, Truth, Value

_MAX_DIGITS = 40_000
# So many digits of a number that does not end, and so many at most of one that does.
_NUM_SHOWN, _MAX_EXACT = 15, 60


def calc(expression: str) -> str:
    """Compute exactly: arithmetic, percentages, units, dates.

    For example 17 * 23, 3/4 + 1/8, 15% of 80, 120 + 19%, sqrt(2), 5 miles in km,
    2024-03-01 + 6 weeks, days(2024-01-01, 2024-12-25).

    Args:
        expression: one expression; no words around it
    """
    return calculated(expression, datetime.date.today())


def calculated(expression: str, today: datetime.date) -> str:
    """Return the value of an expression in words; raises ToolFailed."""
    usual = sys.get_int_max_str_digits()
    sys.set_int_max_str_digits(_MAX_DIGITS)
    try:
        return text_of(computed(expression, today), has_fraction="/" in expression)
    finally:
        sys.set_int_max_str_digits(usual)


def text_of(value: Value, *, has_fraction: bool = False) -> str:
    """Write a value: exact where a few digits say all, else with a sign that it is about that.

    With `has_fraction` a number that is no whole one is written as a fraction, too.
    """
    match value:
        case Truth():
            return str(value.value).lower()
        case Number(is_percent=True):
            return f"{_number(value.value * 100, value.is_exact)}%"
        case Number():
            return _number(value.value, value.is_exact, has_fraction=has_fraction)
        case Quantity():
            from tierchat.tools.calc.units import text_of as unit_text

            number = _number(Fraction(value.value.magnitude), value.is_exact)
            return f"{number} {unit_text(value.value)}"
        case datetime.date():
            return f"{value.isoformat()} ({value.strftime('%A')})"


def _number(value: Fraction, is_exact: bool, *, has_fraction: bool = False) -> str:
    if value.denominator == 1 and is_exact:
        return str(value.numerator)
    digits = _terminating(value) if is_exact else None
    if digits is None or len(digits) > _MAX_EXACT:
        about = f"≈ {_rounded(value)}"
        return f"{value} {about}" if is_exact and has_fraction and _is_short(value) else about
    return f"{digits} (= {value})" if has_fraction and _is_short(value) else digits


def _is_short(value: Fraction) -> bool:
    return value.denominator <= 1000


def _terminating(value: Fraction) -> str | None:
    """Return all digits of a number whose digits end; None if they do not."""
    rest, places = value.denominator, 0
    for prime in (2, 5):
        count = 0
        while rest % prime == 0:
            rest, count = rest // prime, count + 1
        places = max(places, count)
    if rest != 1:
        return None
    digits = str(abs(value.numerator) * 10**places // value.denominator).rjust(places + 1, "0")
    sign = "-" if value < 0 else ""
    return sign + (f"{digits[:-places]}.{digits[-places:]}" if places else digits)


def _rounded(value: Fraction) -> str:
    import decimal

    context = decimal.Context(prec=_NUM_SHOWN, Emax=99_999, Emin=-99_999)
    found = context.divide(decimal.Decimal(value.numerator), decimal.Decimal(value.denominator))
    text = format(found, "f") if -6 <= found.adjusted() <= 20 else format(found, "E")
    return text.rstrip("0").rstrip(".") if "." in text and "E" not in text else text
