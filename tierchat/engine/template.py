"""The chat template of a model: a conversation in, tokens out that no message can forge.

Does not know engines. A template is an untrusted program; `jinja_sandbox.py` runs it.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from typing import Protocol

import msgspec

from tierchat.engine.control_tokens import ControlTokens, Disguise
from tierchat.engine.jinja_sandbox import (
    ANOTHER_TEMPLATE,
    RENDER_DEADLINE_S,
    Program,
    TemplateRefusal,
)
from tierchat.engine.template_tools.as_text import as_text, with_calls_as_text
from tierchat.engine.template_tools.probe import find_tool_way, marked
from tierchat.engine.template_tools.values import PROBED, ToolWay, single_calls, texts_of
from tierchat.engine.template_way import Said, TemplateHost, View, Way
from tierchat.engine.turns import Arrangement, Kind, arranged, arrangements, kind_of
from tierchat.errors import RefusedByTemplate, TemplateError
from tierchat.tool_calls import Tool
from tierchat.types import Message, Role

_MAX_ARRANGEMENTS = 256
_FIRST_SHAPES: tuple[tuple[Role, ...], ...] = (("user",), ("system", "user"))
# Step 3.5 reasons in loops after blanks at the ends of a message; llama.cpp drops them, too.
_TRIMMING_FAMILY = "You have access to the following functions in JSONSchema format"


class Tokenizer(Protocol):
    """The part of a model that rendering needs."""

    @property
    def control_texts(self) -> ControlTokens: ...

    def tokenize(self, text: str, *, parse_special: bool) -> list[int]: ...


@dataclass(frozen=True)
class Rendered:
    """A conversation as tokens; `text` is what they spell, `opens_thought` whether it ends in one.

    Thought marks that stand in messages do not count.
    """

    tokens: list[int]
    text: str
    opens_thought: bool


class ChatTemplate:
    """A compiled template; it uses a timer signal and so runs in the main thread only."""

    def __init__(
        self,
        source: str,
        host: TemplateHost | None = None,
        deadline_s: float = RENDER_DEADLINE_S,
    ) -> None:
        """Compile a template and try it out.

        Raises TemplateError when the source is not valid, or cannot write one question.
        """
        self._host = host or TemplateHost({})
        self._source = source
        self._deadline_s = deadline_s
        self._way = Way(self._compiled(), self._host)
        self.has_think_switch = "enable_thinking" in source
        self._trims = _TRIMMING_FAMILY in source
        self._arrangement = lru_cache(_MAX_ARRANGEMENTS)(self._find_arrangement)
        self._try_out()

    @property
    def limits(self) -> tuple[str, ...]:
        """What the template cannot do, and what is done instead."""
        found = []
        first: tuple[Role, ...] = ()
        if self._is_changed("system", "user"):
            found.append("no system role: system text goes before the user's first turn")
        elif self._is_changed("user"):
            found.append("there must be system text: if there is none, an empty turn is put first")
            first = ("system",)
        if not all(self._kept(*first, "user", "assistant", "user") or (False,)):
            found.append("no conversations: the model does not read all of the earlier turns")
            return tuple(found)
        if self._is_changed(*first, "user", "user"):
            found.append("turns must alternate: consecutive turns of one role are joined")
        if self._kept(*first, "assistant", "user") is None:
            found.append("a conversation must begin with the user")
        elif self._is_changed(*first, "assistant", "user"):
            found.append("the user must begin: an empty turn is put before an assistant's first")
        return tuple(found)

    def render(
        self,
        messages: Sequence[Message],
        tokenizer: Tokenizer,
        *,
        think: bool | None = None,
        tools: Sequence[Tool] = (),
        opening: str = "",
    ) -> Rendered:
        """Render and tokenise a conversation up to the beginning of the assistant's turn.

        An assistant's message at the end is the beginning of that turn, and `opening` is more of
        it, written by the template's own hand. Raises RefusedByTemplate for a conversation that the
        template does not take, TemplateError for a template that takes too long or writes too much.
        """
        *earlier, last = messages
        begun = last.content if last.role == "assistant" else ""
        earlier = earlier if last.role == "assistant" else list(messages)
        disguise = Disguise(tokenizer.control_texts, texts_of(messages, tools))
        said = self._arranged(Said(earlier, tools, think))
        text, opens_thought = self._disguised(said, disguise, tokenizer.control_texts)
        if begun or opening:
            if opens_thought and self._host.thought_marks:
                text += f"\n{self._host.thought_marks[1]}\n\n"
            text, opens_thought = text + disguise.whole(begun) + opening, False
        tokens: list[int] = []
        for piece in tokenizer.control_texts.split(text):
            if isinstance(piece, int):
                tokens.append(piece)
            else:
                tokens += tokenizer.tokenize(disguise.lifted(piece), parse_special=False)
        return Rendered(tokens, disguise.lifted(text), opens_thought)

    @cached_property
    def tool_way(self) -> ToolWay | None:
        """How the template takes tools and their calls; None if it does not."""
        return find_tool_way(self._way, self._source)

    def _arranged(self, said: Said) -> Said:
        """Arrange the turns as the template takes them; raises RefusedByTemplate.

        Tools and calls are written as text where the template does not take them.
        """
        if not said.tools and not any(kind_of(m) in ("calls", "tool") for m in said.turns):
            return self._with_arrangement(said)
        way = self.tool_way
        if way is not None:
            turns = single_calls(said.turns) if way.is_single else said.turns
            turns = turns if way.writes_calls else list(map(with_calls_as_text, turns))
            try:
                return self._with_arrangement(replace(said, turns=turns, tool_way=way))
            except RefusedByTemplate:
                # Such as system text where this template takes none beside tools.
                pass
        return self._with_arrangement(Said(as_text(said.turns, said.tools), think=said.think))

    def _with_arrangement(self, said: Said) -> Said:
        kinds = tuple(map(kind_of, said.turns))
        arrangement, _ = self._arrangement(kinds, said.think, bool(said.tools))
        turns = arranged(said.turns, arrangement)
        if self._trims:
            turns = tuple(msgspec.structs.replace(m, content=m.content.strip()) for m in turns)
        return replace(said, turns=turns)

    def _disguised(
        self, said: Said, disguise: Disguise, controls: ControlTokens
    ) -> tuple[str, bool]:
        """Render with texts in disguise; say whether the template opens a thought.

        A template that looks into texts has to read them, so only control tokens are hidden
        then, unless that would let a message make one.
        """
        marks = self._host.thought_marks or ()
        hidden = self._attempt(said, View(disguise.whole, disguise.whole, is_readable=False))

        def without_thoughts(text: str) -> str:
            # Templates cut thoughts off from what the assistant said before.
            return disguise.tokens_only(text, marks)

        shown = self._attempt(said, View(disguise.tokens_only, without_thoughts))
        if isinstance(hidden, TemplateRefusal):
            raise _refused(hidden)
        opens_thought = self._opens_thought(hidden)
        if isinstance(shown, TemplateRefusal) or disguise.lifted(shown) == disguise.lifted(hidden):
            return hidden, opens_thought
        in_both = [
            [piece for piece in controls.split(text) if isinstance(piece, int)]
            for text in (hidden, shown)
        ]
        return (shown if in_both[0] == in_both[1] else hidden), opens_thought

    def _attempt(self, said: Said, view: View | None = None) -> str | TemplateRefusal:
        try:
            return self._way.run(said, view or View())
        except TemplateRefusal as refusal:
            return refusal

    def _opens_thought(self, text: str) -> bool:
        if not self._host.thought_marks:
            return False
        opening, closing = self._host.thought_marks
        return text.rfind(opening) > text.rfind(closing)

    def _try_out(self) -> None:
        """Find out how the template takes a message; raises TemplateError if in no way."""
        why = ""
        for way in self._ways():
            self._way = way
            for shape in _FIRST_SHAPES:
                kept = self._survivors(arrangement_of(shape), len(shape), None)
                if isinstance(kept, TemplateRefusal):
                    why = why or f"the chat template fails on a question: {kept}"
                elif kept[-1]:
                    return
        raise TemplateError(why or "the chat template drops a user message", ANOTHER_TEMPLATE)

    def _ways(self) -> Iterator[Way]:
        """Yield the ways to call templates: as Hugging Face does it, then as llama.cpp does."""
        for takes_parts in (False, True):
            yield Way(self._way.program, self._host, takes_parts=takes_parts)
        lenient = self._compiled(is_lenient=True)
        for takes_parts in (False, True):
            yield Way(lenient, self._host, takes_parts=takes_parts, has_no_tools=False)

    def _compiled(self, *, is_lenient: bool = False) -> Program:
        return Program(
            self._source, deadline_s=self._deadline_s, now=self._host.now, is_lenient=is_lenient
        )

    def _find_arrangement(
        self, kinds: tuple[Kind, ...], think: bool | None, has_tools: bool = False
    ) -> tuple[Arrangement, tuple[bool, ...]]:
        """Find the first arrangement that keeps all messages, or else the last one.

        Also returns which messages it keeps.
        """
        refusal: TemplateRefusal | None = None
        second_best: tuple[Arrangement, tuple[bool, ...]] | None = None
        for arrangement in arrangements(kinds):
            kept = self._survivors(arrangement, len(kinds), think, has_tools=has_tools)
            if isinstance(kept, TemplateRefusal):
                refusal = refusal or kept
            elif all(kept):
                return arrangement, kept
            elif kept[-1] and second_best is None:
                second_best = arrangement, kept
        if second_best is None:
            why = refusal or "it leaves out the last message"
            raise _refused(why)
        return second_best

    def _survivors(
        self, arrangement: Arrangement, num: int, think: bool | None, *, has_tools: bool = False
    ) -> tuple[bool, ...] | TemplateRefusal:
        """Say which messages an arrangement keeps, tried with marks instead of texts."""
        # Digits stay what they are in capitals, in JSON and in HTML.
        nonce = str(secrets.randbelow(10**18) + 10**18)
        marks = [f"{nonce}{index:06}" for index in range(num)]
        turns = [marked(turn, [marks[part] for part in turn.parts]) for turn in arrangement]
        # A template that takes no calls is not asked to.
        is_about_tools = has_tools or any(turn.role in ("calls", "tool") for turn in arrangement)
        way = (self.tool_way if is_about_tools else None) or ToolWay()
        text = self._attempt(Said(turns, (PROBED,) if has_tools else (), think, way))
        if isinstance(text, TemplateRefusal):
            return text
        # Parts that are printed as a list, with quotation marks, are not understood.
        quotes = ("'", '"') if self._way.takes_parts else ()
        return tuple(
            mark in text and not any(f"{quote}{mark}" in text for quote in quotes) for mark in marks
        )

    def _kept(self, *roles: Role) -> tuple[bool, ...] | None:
        try:
            return self._arrangement(roles, None)[1]
        except RefusedByTemplate:
            return None

    def _is_changed(self, *roles: Role) -> bool:
        try:
            return self._arrangement(roles, None)[0] != arrangement_of(roles)
        except RefusedByTemplate:
            return True


def _refused(why: object) -> RefusedByTemplate:
    return RefusedByTemplate(
        f"the chat template refuses this conversation: {why}",
        "send other turns, or ask a model whose template takes these",
    )


def arrangement_of(roles: Sequence[Role]) -> Arrangement:
    """Return the arrangement that changes nothing."""
    return next(arrangements(roles))
