"""A JSON body: mended where that is harmless, or refused with the place named.

Does not know what the fields mean.
"""

from __future__ import annotations

import json
import re
from typing import Any

import msgspec

from tierchat.config.expected import known_names, place_and_message, wrong
from tierchat.errors import InvalidRequest, did_you_mean

_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
# Half of a surrogate pair without the other half.
_HIGH, _LOW = rb"\\u[dD][89abAB][0-9a-fA-F]{2}", rb"\\u[dD][c-fC-F][0-9a-fA-F]{2}"
_ALONE = re.compile(rb"%s(?!%s)|(?<!%s)%s" % (_HIGH, _LOW, _HIGH, _LOW))
_ABSENT = re.compile(r"Object missing required field `(.+)`$")
_MAX_SHOWN = 40


def fields_of(body: bytes) -> dict[str, msgspec.Raw]:
    """Return the fields of a body; null stands for a field that is left out.

    Half of a surrogate pair, which is no character, becomes U+FFFD. Raises InvalidRequest.
    """
    body = _mended(body)
    _refuse_ambiguous(body)
    found: dict[str, msgspec.Raw] = decoded(body, dict[str, msgspec.Raw])
    return {name: value for name, value in found.items() if not is_null(value)}


def is_null(value: msgspec.Raw) -> bool:
    return bytes(value).strip() == b"null"


def without_nulls(value: Any) -> Any:
    """Leave out every field that is null, in objects within objects, too."""
    if isinstance(value, dict):
        return {name: without_nulls(v) for name, v in value.items() if v is not None}
    return value


def decoded(body: bytes | msgspec.Raw, kind: Any, at: str = "") -> Any:
    """Decode and check a body or the value of the field `at`; raises InvalidRequest naming it."""
    try:
        return msgspec.json.decode(body, type=kind)
    except msgspec.ValidationError as error:
        raise refusal(error, bytes(body), kind, at) from error
    except UnicodeDecodeError as error:
        raise _not_utf8(bytes(body), error) from error
    except msgspec.DecodeError as error:
        raise InvalidRequest(f"the body is not JSON: {error}") from error
    except RecursionError as error:
        raise InvalidRequest("the body is nested too deeply") from error


def refusal(error: msgspec.ValidationError, body: bytes, kind: Any, at: str = "") -> InvalidRequest:
    """Name the field of a value that is not what it should be, show it, and say what it may be."""
    place, message = place_and_message(error)
    # Where a key of an object is wrong, there is no place for it.
    place = place.removesuffix("[...]")
    field = f"{at}{'' if not at or place.startswith('[') else '.'}{place}" if place else at
    absent = _ABSENT.match(message)
    if absent:
        field = f"{field}.{absent[1]}" if field else absent[1]
        return InvalidRequest(f"{field} is missing", param=field)
    what = wrong(error, kind)
    unknown, known = known_names(error, kind)
    hint = did_you_mean(unknown, known, f"known: {', '.join(known)}") if unknown else ""
    if not field:
        return InvalidRequest(what, hint)
    given = _given(body, place)
    return InvalidRequest(f"{field}{given}: {what}", hint, param=field)


def shortened(value: bytes) -> str:
    text = value.decode(errors="replace").strip()
    return text if len(text) <= _MAX_SHOWN else text[:_MAX_SHOWN] + "…"


def _mended(body: bytes) -> bytes:
    body = body.removeprefix(_BYTE_ORDER_MARK)
    try:
        # Nearly every body is sound, and this is the quickest way to know.
        msgspec.json.decode(body)
    except (ValueError, RecursionError):
        # What follows two backslashes is no escape.
        parts = body.split(rb"\\")
        return rb"\\".join(_ALONE.sub(rb"\\ufffd", p) if b"\\" in p else p for p in parts)
    return body


def _given(body: bytes, place: str) -> str:
    """Return ` = VALUE` for a place such as `stop[0]`, or an empty text without such a place."""
    value = msgspec.Raw(body)
    try:
        for name in re.findall(r"\w+", place):
            if name.isdigit():
                value = msgspec.json.decode(value, type=list[msgspec.Raw])[int(name)]
            else:
                value = msgspec.json.decode(value, type=dict[str, msgspec.Raw])[name]
    except (ValueError, LookupError):
        return ""
    return f" = {shortened(bytes(value))}"


def _not_utf8(body: bytes, error: UnicodeDecodeError) -> InvalidRequest:
    try:
        body.decode()
    except UnicodeDecodeError as whole:
        error = whole
    return InvalidRequest(
        f"the body is not UTF-8: byte {error.object[error.start]:#04x} at {error.start:,}",
        "encode the JSON as UTF-8",
    )


class _NoNumber:
    """Stands for NaN or Infinity, which JSON does not have, though Python's parser takes them."""

    def __init__(self, name: str) -> None:
        self.name = name


def _refuse_ambiguous(body: bytes) -> None:
    """Raise InvalidRequest for what parsers take differently: a field twice, NaN as a number."""
    try:
        json.loads(body, object_pairs_hook=_checked_pairs, parse_constant=_NoNumber, parse_int=str)
    except (ValueError, RecursionError):
        # Whoever decodes it says what is wrong.
        return


def _checked_pairs(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in pairs:
        if name in found:
            raise InvalidRequest(f"{name:.60} is there twice", "send it once", param=name)
        if isinstance(value, _NoNumber):
            what = f"{name:.60} = {value.name}: JSON has no such number"
            raise InvalidRequest(what, "leave the field out", param=name)
        found[name] = value
    return found
