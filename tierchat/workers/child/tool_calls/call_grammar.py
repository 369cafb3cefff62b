"""The grammar of calls: no text that it allows fails to be read, nor names an unknown tool.

Does not know requests. What a grammar cannot enforce of a schema is checked in the finished call.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator, Sequence
from typing import Any

import msgspec

from tierchat.engine.grammar import Grammar, GrammarCompiler, GrammarRefused, rule_of_json
from tierchat.errors import SchemaRefused
from tierchat.gates.answer_schema import AnswerSchema
from tierchat.tool_calls import Tool
from tierchat.workers.child.schema_grammar import enforceable
from tierchat.workers.child.tool_calls.forms import CallForm

_MAX_KEPT = 256
# So many calls in one answer; small models do not always find an end.
_MAX_CALLS = 16


class CallGrammars:
    """Makes grammars of calls for one model. Owned by the engine thread."""

    def __init__(self, compiler: GrammarCompiler, form: CallForm) -> None:
        self._compiler = compiler
        self.form = form
        # By the text of a schema, what of it can be enforced.
        self._kept: OrderedDict[str, dict[str, Any]] = OrderedDict()

    def make(self, tools: Sequence[Tool], *, has_several: bool) -> Grammar:
        """Make the grammar of what follows the mark of the form; raises SchemaRefused."""
        try:
            return self._compiler.compile_rules("\n".join(self._rules(tools, has_several)))
        except GrammarRefused as error:
            raise SchemaRefused(
                f"calls cannot be kept to the parameters of these tools: {error.reason}",
                "send fewer tools, or simpler parameters",
                "tools",
            ) from error

    def _rules(self, tools: Sequence[Tool], has_several: bool) -> Iterator[str]:
        form, literal = self.form, self._compiler.rule_of
        more = ""
        if has_several and form.between:
            more = f"({literal(form.between)} call){{0,{_MAX_CALLS - 1}}}"
        yield f"start: {literal(form.first)} call {more} {literal(form.last)}"
        yield f"call: {' | '.join(f'call_{index}' for index in range(len(tools)))}"
        for index, tool in enumerate(tools):
            before = literal(f"{form.before_name}{tool.name}{form.before_arguments}")
            yield f"call_{index}: {before} arguments_{index} {literal(form.end)}"
            yield f"arguments_{index}: {rule_of_json(self._enforced(index, tool))}"

    def _enforced(self, index: int, tool: Tool) -> dict[str, Any]:
        kept = self._kept.get(tool.parameters)
        if kept is None:
            schema = AnswerSchema.of_text(tool.parameters).schema
            try:
                kept = enforceable(_as_object(schema), self._compiler)
            except SchemaRefused as error:
                place = f"tools[{index}].function.parameters"
                raise SchemaRefused(f"{place}: {error.message}", error.hint, place) from error
        self._kept[tool.parameters] = kept
        self._kept.move_to_end(tool.parameters)
        while len(self._kept) > _MAX_KEPT:
            self._kept.popitem(last=False)
        return kept


def _as_object(schema: Any) -> dict[str, Any]:
    """Arguments are an object, even where the schema does not say so."""
    described = schema if isinstance(schema, dict) else {}
    return {"type": "object", **msgspec.to_builtins(described)}
