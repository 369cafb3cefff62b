"""The chat template of a model: a conversation in, tokens out that no message can forge.

Does not know engines. A template is an untrusted program; `jinja_sandbox.py` runs it.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any, Protocol

from tierchat.engine.control_tokens import ControlTokens, Disguise
from tierchat.engine.jinja_sandbox import (
    ANOTHER_TEMPLATE,
    MAX_RENDERED_CHARS,
    RENDER_DEADLINE_S,
    Program,
    TemplateRefusal,
)
from tierchat.engine.turns import Arrangement, arranged, arrangements
from tierchat.errors import RefusedByTemplate, TemplateError
from tierchat.types import Message, Role

_MAX_ARRANGEMENTS = 256
_FIRST_SHAPES: tuple[tuple[Role, ...], ...] = (("user",), ("system", "user"))
# Switches of some families; llama.cpp sets them so, too. What a conversation holds is read.
_KEEPS_THOUGHTS = {
    "preserve_thinking": True,
    "clear_thinking": False,
    "truncate_history_thinking": False,
    "drop_thinking": False,
}
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


@dataclass(frozen=True)
class TemplateHost:
    """What a template may ask of its model and of the clock.

    `special` has the texts of `bos_token`, `eos_token` and so on; `thought_marks` open and close
    a thought.
    """

    special: Mapping[str, str]
    thought_marks: tuple[str, str] | None = None
    now: Callable[[], datetime] = datetime.now


@dataclass(frozen=True)
class _Way:
    """How a template is called: with texts or lists of parts, and told that there are no tools."""

    program: Program
    takes_parts: bool = False
    has_no_tools: bool = True

    def typed(self, text: str) -> str | list[dict[str, str]]:
        return [{"type": "text", "text": text}] if self.takes_parts else text


class ChatTemplate:
    """A compiled template; it uses a timer signal and so runs in the main thread only."""

    def __init__(
        self,
        source: str,
        host: TemplateHost = TemplateHost({}),
        deadline_s: float = RENDER_DEADLINE_S,
    ) -> None:
        """Compile a template and try it out.

        Raises TemplateError when the source is not valid, or cannot write one question.
        """
        self._host = host
        self._source = source
        self._deadline_s = deadline_s
        self._way = _Way(self._compiled())
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
        self, messages: Sequence[Message], tokenizer: Tokenizer, *, think: bool | None = None
    ) -> Rendered:
        """Render and tokenise a conversation up to the beginning of the assistant's turn.

        An assistant's message at the end is the beginning of that turn. Raises RefusedByTemplate
        for a conversation that the template does not take, TemplateError for a template that
        takes too long or writes too much.
        """
        *earlier, last = messages
        begun = last.content if last.role == "assistant" else ""
        earlier = earlier if last.role == "assistant" else list(messages)
        arrangement, _ = self._arrangement(tuple(m.role for m in earlier), think)
        turns = arranged(earlier, arrangement)
        if self._trims:
            turns = tuple(Message(role=m.role, content=m.content.strip()) for m in turns)
        disguise = Disguise(tokenizer.control_texts, [m.content for m in messages])
        text, opens_thought = self._disguised(turns, disguise, tokenizer.control_texts, think)
        if begun:
            if opens_thought and self._host.thought_marks:
                text += f"\n{self._host.thought_marks[1]}\n\n"
            text, opens_thought = text + disguise.whole(begun), False
        tokens: list[int] = []
        for piece in tokenizer.control_texts.split(text):
            if isinstance(piece, int):
                tokens.append(piece)
            else:
                tokens += tokenizer.tokenize(disguise.lifted(piece), parse_special=False)
        return Rendered(tokens, disguise.lifted(text), opens_thought)

    def _disguised(
        self,
        turns: Sequence[Message],
        disguise: Disguise,
        controls: ControlTokens,
        think: bool | None,
    ) -> tuple[str, bool]:
        """Render with message texts in disguise; say whether the template opens a thought.

        A template that looks into messages has to read them, so only control tokens are hidden
        then, unless that would let a message make one.
        """
        marks = self._host.thought_marks or ()
        hidden = self._attempt([(m.role, disguise.whole(m.content)) for m in turns], think)
        # Templates cut thoughts off from what the assistant said before.
        readable = [
            (m.role, disguise.tokens_only(m.content, marks if m.role == "assistant" else ()))
            for m in turns
        ]
        shown = self._attempt(readable, think)
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

    def _attempt(
        self, turns: Sequence[tuple[Role, str]], think: bool | None
    ) -> str | TemplateRefusal:
        try:
            return self._run(turns, think)
        except TemplateRefusal as refusal:
            return refusal

    def _run(self, turns: Sequence[tuple[Role, str]], think: bool | None) -> str:
        now = self._host.now()
        values: dict[str, Any] = {
            **self._host.special,
            "messages": [{"role": role, "content": self._way.typed(text)} for role, text in turns],
            "add_generation_prompt": True,
            # What llama.cpp gives under these names.
            "date_string": now.strftime("%d %b %Y"),
            "datetime": now.strftime("%b %d %Y"),
            **_KEEPS_THOUGHTS,
        }
        if self._way.has_no_tools:
            values |= {"tools": None, "documents": None}
        if think is not None:
            values["enable_thinking"] = think
        size = sum(len(text) for _, text in turns)
        return self._way.program.run(values, MAX_RENDERED_CHARS + 2 * size)

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

    def _ways(self) -> Iterator[_Way]:
        """Yield the ways to call templates: as Hugging Face does it, then as llama.cpp does."""
        for takes_parts in (False, True):
            yield _Way(self._way.program, takes_parts=takes_parts)
        lenient = self._compiled(is_lenient=True)
        for takes_parts in (False, True):
            yield _Way(lenient, takes_parts=takes_parts, has_no_tools=False)

    def _compiled(self, *, is_lenient: bool = False) -> Program:
        return Program(
            self._source, deadline_s=self._deadline_s, now=self._host.now, is_lenient=is_lenient
        )

    def _find_arrangement(
        self, roles: tuple[Role, ...], think: bool | None
    ) -> tuple[Arrangement, tuple[bool, ...]]:
        """Find the first arrangement that keeps all messages, or else the last one.

        Also returns which messages it keeps.
        """
        refusal: TemplateRefusal | None = None
        second_best: tuple[Arrangement, tuple[bool, ...]] | None = None
        for arrangement in arrangements(roles):
            kept = self._survivors(arrangement, len(roles), think)
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
        self, arrangement: Arrangement, num: int, think: bool | None
    ) -> tuple[bool, ...] | TemplateRefusal:
        """Say which messages an arrangement keeps, tried with marks instead of texts."""
        # Digits stay what they are in capitals, in JSON and in HTML.
        nonce = str(secrets.randbelow(10**18) + 10**18)
        marks = [f"{nonce}{index:06}" for index in range(num)]
        turns = [(turn.role, " ".join(marks[part] for part in turn.parts)) for turn in arrangement]
        try:
            text = self._run(turns, think)
        except TemplateRefusal as refusal:
            return refusal
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
