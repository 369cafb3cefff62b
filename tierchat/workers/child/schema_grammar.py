"""Fits a JSON schema to what a grammar can enforce, and says what it cannot.

Does not know llguidance, sequences or answers; what is left out here is checked when the answer is
finished.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Protocol

from tierchat.engine.grammar import Grammar, GrammarRefused, TooMuch
from tierchat.errors import SchemaRefused
from tierchat.gates.answer_schema import FORMATS
from tierchat.gates.schema_parts import Part, Schema, changed, closed, parts
from tierchat.workers.child.schema_rewriting import rewritten

# Keywords that a grammar can do without: an answer may still happen to fit them.
_LOOSENED = (
    *("pattern", "format", "minLength", "maxLength", "patternProperties", "propertyNames"),
    *("multipleOf", "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"),
    *("minProperties", "maxProperties", "minItems", "maxItems", "oneOf", "allOf", "$schema"),
)
_MAX_SEARCH_S = 3.0
_UNSATISFIABLE = "nsatisfiable"
_HINT = "leave this part out of the schema, or check it yourself"


class Compiles(Protocol):
    """What this needs of the engine's compiler of grammars."""

    def compile(self, schema: dict[str, Any]) -> Grammar: ...


@dataclass(frozen=True)
class _Fitted:
    """The grammar of a schema, the schema as far as it is enforced, and remarks on the rest."""

    grammar: Grammar
    enforced: dict[str, Any]
    notices: tuple[str, ...]


def grammar_for(schema: Schema, compiler: Compiles) -> tuple[Grammar, tuple[str, ...]]:
    """Return the grammar of a schema, and notices about the parts that are only checked.

    Raises SchemaRefused that names the part which stands in the way.
    """
    found = _fitted(schema, compiler)
    return found.grammar, found.notices


def enforceable(schema: Schema, compiler: Compiles) -> dict[str, Any]:
    """Return a schema as far as a grammar can enforce it; raises SchemaRefused."""
    return _fitted(schema, compiler).enforced


def _fitted(schema: Schema, compiler: Compiles) -> _Fitted:
    schema, dropped = rewritten(schema)
    ends_s = time.monotonic() + _MAX_SEARCH_S
    while True:
        root = schema if isinstance(schema, dict) else {}
        try:
            enforced, grammar = _strictest(root, compiler)
        except TooMuch as error:
            raise SchemaRefused(f"the schema cannot be used: {error.reason}", _HINT) from error
        except GrammarRefused as error:
            part, schema = _at_fault(root, error, compiler, ends_s)
            dropped.append(part)
        else:
            notices = tuple(_notices(root, dropped, grammar.warnings))
            return _Fitted(grammar, enforced, notices)


def _strictest(schema: dict[str, Any], compiler: Compiles) -> tuple[dict[str, Any], Grammar]:
    """Keep objects to the properties that are named, where that leaves an answer."""
    tight = closed(schema)
    if tight is not schema and isinstance(tight, dict):
        try:
            return tight, compiler.compile(tight)
        except TooMuch:
            raise
        except GrammarRefused:
            pass
    return schema, compiler.compile(schema)


def _at_fault(
    schema: dict[str, Any], error: GrammarRefused, compiler: Compiles, ends_s: float
) -> tuple[Part, Schema]:
    """Find the part without which a grammar can be made, or at least meets another obstacle.

    Returns it with the schema without it, if that may be done; raises SchemaRefused otherwise.
    """
    # Inner parts first: what is left out should be as little as possible. Without its type, a value
    # is free of most other keywords, too.
    for part in sorted(parts(schema), key=lambda part: (part.keyword == "type", -len(part.path))):
        if time.monotonic() > ends_s:
            break
        rest = _rest(schema, part)
        try:
            compiler.compile(rest)
        except TooMuch:
            break
        except GrammarRefused as next_error:
            # Another obstacle is progress, unless it is a reference that now leads nowhere.
            if next_error.reason == error.reason or part.keyword not in _LOOSENED:
                continue
        if part.keyword in _LOOSENED and _UNSATISFIABLE not in error.reason:
            return part, rest
        why = f"the schema cannot be used: {part.pointer}: {error.reason}"
        raise SchemaRefused(why, _HINT) from error
    raise SchemaRefused(f"the schema cannot be used: #: {error.reason}", _HINT) from error


def _rest(schema: dict[str, Any], part: Part) -> dict[str, Any]:
    keywords: dict[str, Any] = {part.keyword: None}
    if part.keyword == "patternProperties":
        # Names that nothing describes any more must not become forbidden.
        keywords["additionalProperties"] = None
    rest = changed(schema, part.path[:-1], keywords)
    assert isinstance(rest, dict)
    return rest


def _notices(schema: Schema, dropped: list[Part], warnings: list[str]) -> Iterator[str]:
    found = list(parts(schema))
    unknown = re.findall(r"Unknown format: (.+)", "\n".join(warnings))
    checked = [part.pointer for part in dropped]
    for warning in warnings:
        names = re.search(r"\[.*\]", warning)
        keywords = json.loads(names[0]) if names and warning.startswith("Unimplemented") else []
        keywords += ["oneOf"] if warning.startswith("oneOf") else []
        checked += [part.pointer for part in found if part.keyword in keywords]
    unknown = [name for name in unknown if name in FORMATS]
    checked += [p.pointer for p in found if p.keyword == "format" and p.value in unknown]
    if checked:
        places = ", ".join(dict.fromkeys(checked))
        yield f"schema: {places} cannot be enforced, only checked in the finished answer"
