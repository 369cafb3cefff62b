"""What one model needs to call tools: its marks, the form of forced calls, and their grammars.

Does not know sequences or how an answer is sent.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from tierchat.engine.grammar import Grammar, GrammarCompiler
from tierchat.engine.llama.model import LlamaModel
from tierchat.errors import SchemaRefused
from tierchat.tool_calls import ToolUse
from tierchat.workers.child.tool_calls.answer_calls import AnswerCalls, call_key
from tierchat.workers.child.tool_calls.call_grammar import CallGrammars
from tierchat.workers.child.tool_calls.checker import CallChecker
from tierchat.workers.child.tool_calls.forms import form_of_calls
from tierchat.workers.child.tool_calls.marks import marks_of
from tierchat.workers.child.tool_calls.reader import CallReader
from tierchat.workers.protocol import Generate

# Of control tokens within calls: `[ARGS]`, DeepSeek's and Kimi's marks of single calls, and
# Gemma's quotation mark.
_INNER = (
    "[ARGS]",
    "[CALL_ID]",
    "tool_call",
    "tool▁call",
    "tool▁sep",
    "tool_sep",
    '<|"|>',
    "<escape>",
)


@dataclass(frozen=True)
class BegunCalls:
    """How a request with tools begins: what reads its calls, and the grammar of required ones."""

    calls: AnswerCalls
    grammar: Grammar | None = None


class CallSupport:
    """Calls of tools as one model makes them. Owned by the engine thread."""

    def __init__(self, model: LlamaModel, template: str, compiler: GrammarCompiler) -> None:
        self._model = model
        self._marks = marks_of(template)
        self._form = form_of_calls(template)
        self._grammars = CallGrammars(compiler, self._form)

    def opening(self, use: ToolUse) -> str:
        """Return the text that begins an answer which must be a call."""
        return self._form.opening if use.is_required else ""

    def begin(self, order: Generate) -> BegunCalls | None:
        """Prepare to read the calls of an answer; None without tools. Raises SchemaRefused."""
        use = order.tools
        if not use.callable or order.is_raw:
            return None
        checker = CallChecker(use.callable)
        reader = CallReader(self._marks, checker.names)
        has_several = use.is_parallel and not use.name

        def inside(opening: str, text: str) -> Grammar | None:
            return self._grammar_inside(use, opening, text)

        calls = AnswerCalls(
            reader,
            checker,
            self._control_marks,
            is_required=use.is_required,
            max_calls=None if has_several else 1,
            answered=_answered(order),
            grammar_inside=inside if self._form.is_own else None,
        )
        if not use.is_required:
            return BegunCalls(calls)
        calls.add(self.opening(use))
        return BegunCalls(calls, self._grammars.make(use.callable, has_several=has_several))

    def _grammar_inside(self, use: ToolUse, opening: str, text: str) -> Grammar | None:
        """Make the grammar of a call that the model has opened itself, if it fits so far."""
        if opening != self._form.opening:
            return None
        try:
            grammar = self._grammars.make(use.callable, has_several=use.is_parallel)
        except SchemaRefused:
            # The finished call is checked all the same.
            return None
        return grammar if grammar.begin(text) else None

    @cached_property
    def _control_marks(self) -> dict[int, str]:
        """The control tokens that stand around and within calls, with their texts."""
        model = self._model
        texts = [text for mark in self._marks for text in (mark.opens, mark.closes)]
        found = {}
        for token in model.control_tokens:
            text = model.text(token)
            is_inner = any(part in text for part in _INNER)
            if text and not model.is_end(token) and (text in texts or is_inner):
                found[token] = text
        return found


def _answered(order: Generate) -> frozenset[tuple[str, str]]:
    """Return the calls since the last question; their results stand in the conversation."""
    asked = max((i for i, m in enumerate(order.messages) if m.role == "user"), default=0)
    calls = (call for message in order.messages[asked:] for call in message.tool_calls)
    return frozenset(map(call_key, calls))
