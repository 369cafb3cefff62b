"""Does an answer hold the wanted JSON value, or one that fits a schema?

Does not know prompts. The order of keys is free; a code fence and words around the JSON are no
fault.
"""

from __future__ import annotations

import json
import math
import unicodedata
from collections.abc import Iterator
from typing import Any

from tierchat.learning.graders.texts import blocks


def is_json(text: str, wanted: str | None, schema: dict[str, Any] | None = None) -> bool:
    """Return whether the JSON in an answer has the wanted value and fits the schema, if given."""
    found = _first_json(text)
    if found is None:
        return False
    [written, value] = found
    if wanted is not None and not _is_same(value, json.loads(wanted)):
        return False
    if schema is None:
        return True
    from tierchat.gates.answer_schema import AnswerSchema

    return AnswerSchema(schema).problem(written) is None


def _first_json(text: str) -> tuple[str, Any] | None:
    """Return the text and the value of the first reading that is JSON."""
    for reading in _readings(text):
        try:
            value = json.loads(reading, parse_constant=_refuse, object_pairs_hook=_object)
        except (ValueError, RecursionError):
            continue
        return reading, value
    return None


def _readings(text: str) -> Iterator[str]:
    yield text.strip()
    yield from reversed(blocks(text))
    starts = [place for mark in "{[" if (place := text.find(mark)) >= 0]
    for start in sorted(starts):
        end = text.rfind("}" if text[start] == "{" else "]")
        yield text[start : end + 1]


def _refuse(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a key comes twice")
    return found


def _is_same(a: Any, b: Any) -> bool:
    if isinstance(a, bool) or isinstance(b, bool):
        return a is b
    if isinstance(a, int | float) and isinstance(b, int | float):
        return math.isclose(a, b, rel_tol=1e-9, abs_tol=1e-9)
    if isinstance(a, dict) and isinstance(b, dict):
        return a.keys() == b.keys() and all(_is_same(a[key], b[key]) for key in a)
    if isinstance(a, list) and isinstance(b, list):
        return len(a) == len(b) and all(map(_is_same, a, b))
    if isinstance(a, str) and isinstance(b, str):
        return unicodedata.normalize("NFC", a.strip()) == unicodedata.normalize("NFC", b.strip())
    return a is None and b is None
