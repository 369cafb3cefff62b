"""Reads an expression and computes it on the way (recursive descent). No `eval`.

From loose to tight: conversion and comparison; + -; * / % mod; sign; what stands side by side, as
in 5 km; powers; ! and percent.
"""

from __future__ import annotations

import datetime
import math
from collections.abc import Callable
from fractions import Fraction

from tierchat.tools.calc.functions import CONSTANTS, FUNCTIONS, factorial, powered
from tierchat.tools.calc.tokens import Token, tokens_of
from tierchat.tools.calc.values import (
    Number,
    Quantity,
    Truth,
    Value,
    added,
    divided,
    kind,
    multiplied,
    negated,
    number_of,
    whole_of,
)
from tierchat.tools.failure import ToolFailed

_COMPARISONS: dict[str, Callable[[Fraction, Fraction], bool]] = {
    "<": lambda a, b: a < b,
    "<=": lambda a, b: a <= b,
    ">": lambda a, b: a > b,
    ">=": lambda a, b: a >= b,
    "==": lambda a, b: a == b,
    "=": lambda a, b: a == b,
    "!=": lambda a, b: a != b,
}
_WORDS = ("to", "in", "as", "of", "off", "mod", "and", "times", "plus", "minus", "percent")
_CONVERSIONS = ("to", "in", "as")
_PERCENT_UNITS = ("%", "percent")


def computed(expression: str, today: datetime.date) -> Value:
    """Compute an expression; raises ToolFailed that says what is wrong with it."""
    try:
        return _Parser(tokens_of(expression), today).whole()
    except RecursionError as error:
        raise ToolFailed("the expression is nested too deeply") from error


class _Parser:
    def __init__(self, tokens: list[Token], today: datetime.date) -> None:
        self._tokens, self._today = tokens, today
        self._at = 0

    @property
    def _next(self) -> Token:
        return self._tokens[self._at]

    @property
    def _after(self) -> Token:
        return self._tokens[min(self._at + 1, len(self._tokens) - 1)]

    def _takes(self, *texts: str) -> str:
        """Take the next token if it is one of these; empty if it is not."""
        if self._next.kind in ("sign", "name") and self._next.text.casefold() in texts:
            self._at += 1
            return self._tokens[self._at - 1].text.casefold()
        return ""

    def whole(self) -> Value:
        value = self._converted()
        if sign := self._takes(*_COMPARISONS):
            value = _compared(value, sign, self._converted())
        if self._next.kind != "end":
            raise ToolFailed(f"{self._next.text!r} is not understood at its place")
        return value

    def _converted(self) -> Value:
        value = self._sum()
        while self._takes(*_CONVERSIONS):
            if self._takes(*_PERCENT_UNITS):
                self._takes("of")
                number = number_of(value, "a percentage")
                if self._next.kind != "end":
                    number = number_of(divided(number, self._sum()), "a percentage")
                value = Number(number.value, number.is_exact, is_percent=True)
                continue
            value = _in_unit(value, self._product())
        return value

    def _sum(self) -> Value:
        value = self._product()
        while sign := self._takes("+", "-", "plus", "minus"):
            value = added(value, self._product(), 1 if sign in ("+", "plus") else -1)
        return value

    def _product(self) -> Value:
        value = self._signed()
        while True:
            if self._takes("*", "times"):
                value = multiplied(value, self._signed())
            elif self._takes("/"):
                value = divided(value, self._signed())
            elif self._takes("//"):
                value = _floored(value, self._signed())
            elif self._takes("mod", "%"):
                value = _remainder(value, self._signed())
            elif isinstance(value, Number) and value.is_percent and self._takes("of"):
                value = multiplied(Number(value.value, value.is_exact), self._signed())
            elif isinstance(value, Number) and value.is_percent and self._takes("off"):
                value = added(self._signed(), value, -1)
            elif isinstance(value, Number) and self._takes("of"):
                value = multiplied(value, self._signed())
            else:
                return value

    def _signed(self) -> Value:
        if self._takes("-"):
            return negated(self._signed())
        if self._takes("+"):
            return self._signed()
        return self._side_by_side()

    def _side_by_side(self) -> Value:
        """Read what is multiplied without a sign: 5 km, 2 pi, 3(4 + 5); 5 ft 6 inch adds up."""
        value = self._power()
        while self._begins_factor():
            if self._next.kind == "number":
                more = self._power()
                more = multiplied(more, self._power()) if self._begins_factor() else more
                if not isinstance(value, Quantity) or not isinstance(more, Quantity):
                    raise ToolFailed("a sign is missing between two numbers")
                value = added(value, more, 1)
            elif self._is_unit_next() and isinstance(value, Number) and self._is_alone():
                # 20 °C is a temperature, and not 20 times the temperature 1 °C.
                value = _of_unit(value, self._take().text)
            else:
                value = multiplied(value, self._power())
            while isinstance(value, Quantity) and self._is_per_unit_next():
                # In 340 km / 85 km/h the speed is one thing.
                self._take()
                value = divided(value, self._power())
        return value

    def _is_per_unit_next(self) -> bool:
        name = self._after
        is_word = name.text.casefold() in _WORDS or name.text in (*CONSTANTS, *FUNCTIONS)
        return self._next.text == "/" and name.kind == "name" and not is_word

    def _begins_factor(self) -> bool:
        token = self._next
        if token.kind == "sign":
            return token.text == "("
        if token.kind == "name" and token.text.casefold() in _WORDS:
            # The word, or inch.
            after = self._after
            is_inch = after.kind in ("end", "sign") or after.text in _CONVERSIONS
            return token.text == "in" and is_inch and after.text != "%"
        return token.kind in ("name", "number")

    def _is_unit_next(self) -> bool:
        name = self._next.text
        return self._next.kind == "name" and name not in CONSTANTS and name not in FUNCTIONS

    def _is_alone(self) -> bool:
        """Whether the unit that comes next has no power of its own."""
        return self._after.text not in ("^", "**", "(")

    def _take(self) -> Token:
        self._at += 1
        return self._tokens[self._at - 1]

    def _power(self) -> Value:
        value = self._postfixed()
        if self._takes("^", "**"):
            is_negative = bool(self._takes("-"))
            exponent = self._power()
            value = powered(value, negated(exponent) if is_negative else exponent)
        return value

    def _postfixed(self) -> Value:
        value = self._atom()
        while True:
            if self._takes("!"):
                value = Number(Fraction(factorial(whole_of(value, "a factorial"))))
            elif self._is_percent_sign():
                self._take()
                number = number_of(value, "a percentage")
                value = Number(number.value / 100, number.is_exact, is_percent=True)
            else:
                return value

    def _is_percent_sign(self) -> bool:
        """Whether % stands for hundredths; before a value it is the remainder."""
        if self._next.text not in _PERCENT_UNITS:
            return False
        after = self._after
        begins_value = after.kind in ("number", "date") or after.text == "("
        is_word = after.kind == "name" and after.text.casefold() in _WORDS
        return not begins_value and (after.kind != "name" or is_word)

    def _atom(self) -> Value:
        token = self._take()
        if token.kind == "number":
            return Number(_number(token.text))
        if token.kind == "date":
            try:
                return datetime.date.fromisoformat(token.text)
            except ValueError as error:
                raise ToolFailed(f"there is no date {token.text}") from error
        if token.text == "(":
            value = self._converted()
            self._close()
            return value
        if token.kind == "name":
            return self._named(token.text)
        what = f"{token.text!r} is not expected" if token.text else "the expression is incomplete"
        raise ToolFailed(what)

    def _named(self, name: str) -> Value:
        plain = name.casefold()
        if plain in FUNCTIONS and (self._next.text == "(" or plain == "sqrt"):
            return FUNCTIONS[plain](self._arguments())
        if plain in CONSTANTS and name in ("e", "pi", "PI", "Pi", "tau"):
            return Number(CONSTANTS[plain], is_exact=False)
        if plain in ("today", "tomorrow", "yesterday"):
            days = {"today": 0, "tomorrow": 1, "yesterday": -1}[plain]
            return self._today + datetime.timedelta(days=days)
        return _of_unit(Number(Fraction(1)), name)

    def _arguments(self) -> list[Value]:
        if not self._takes("("):
            return [self._power()]
        found = [self._converted()]
        while self._takes(","):
            found.append(self._converted())
        self._close()
        return found

    def _close(self) -> None:
        if not self._takes(")"):
            raise ToolFailed("a closing bracket is missing")


def _number(text: str) -> Fraction:
    plain = text.replace("_", "")
    if plain[:2].casefold() in ("0x", "0b", "0o"):
        return Fraction(int(plain, 0))
    _, _, exponent = plain.casefold().partition("e")
    if exponent and abs(int(exponent)) > 10_000:
        raise ToolFailed("the number is too large to be written out")
    return Fraction(plain)


def _of_unit(number: Number, name: str) -> Quantity:
    from tierchat.tools.calc.units import is_unit, quantity

    if not is_unit(name):
        raise ToolFailed(
            f"{name[:40]!r} is neither a unit nor a function; functions are {', '.join(FUNCTIONS)}"
        )
    return Quantity(quantity(number.value, name), number.is_exact)


def _in_unit(value: Value, unit: Value) -> Value:
    if not isinstance(unit, Quantity):
        raise ToolFailed(f"{kind(value)} cannot be converted to {kind(unit)}")
    if not isinstance(value, Quantity):
        raise ToolFailed(f"{kind(value)} has no unit that could be converted")
    from tierchat.tools.calc.units import converted

    return Quantity(converted(value.value, unit.value), value.is_exact)


def _floored(value: Value, by: Value) -> Value:
    found = number_of(divided(value, by), "//")
    return Number(Fraction(math.floor(found.value)), found.is_exact)


def _remainder(value: Value, by: Value) -> Value:
    top, bottom = number_of(value, "a remainder"), number_of(by, "a remainder")
    if not bottom.value:
        raise ToolFailed("division by zero")
    return Number(top.value % bottom.value, top.is_exact and bottom.is_exact)


def _compared(left: Value, sign: str, right: Value) -> Truth:
    compare = _COMPARISONS[sign]
    if isinstance(left, datetime.date) and isinstance(right, datetime.date):
        return Truth(compare(Fraction(left.toordinal()), Fraction(right.toordinal())))
    if isinstance(left, Quantity) and isinstance(right, Quantity):
        right = _in_unit(right, left)
        assert isinstance(right, Quantity)
        return Truth(compare(Fraction(left.value.magnitude), Fraction(right.value.magnitude)))
    first, second = number_of(left, "a comparison"), number_of(right, "a comparison")
    return Truth(compare(first.value, second.value))
