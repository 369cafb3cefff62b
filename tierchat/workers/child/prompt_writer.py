"""Turns the messages of an order into the tokens of a prompt: with a chat template, or as text.

Does not know engines or gates.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property

from tierchat.config.chat_formats import TEMPLATE_KEY, ChatFormat, format_named, template_keys
from tierchat.engine.llama.model import LlamaModel
from tierchat.engine.template import ChatTemplate, Rendered, Tokenizer
from tierchat.engine.template_way import TemplateHost
from tierchat.errors import RefusedByTemplate, TemplateError
from tierchat.tool_calls import Tool
from tierchat.types import Message

EXAMPLE = (
    Message(role="user", content="Hello!"),
    Message(role="assistant", content="Hello, how can I help?"),
    Message(role="user", content="What is the capital of France?"),
)
_MAX_EXAMPLE_CHARS = 20_000
_GIVE_A_TEMPLATE = (
    "`tierchat ask --raw` completes text without one; to chat, give the model a template: "
    "tierchat add {name} FILE --template plain"
)
_THOUGHT_MARKS = (("<|think|>", "<|/think|>"), ("<think>", "</think>"))


class PromptWriter:
    """Writes prompts for one model. Runs in the main thread, as `ChatTemplate` does."""

    def __init__(self, name: str, model: LlamaModel, given: ChatFormat | None = None) -> None:
        """Compile a template, the model's own unless one is given; "" is no template.

        Raises TemplateError for a template that cannot be used.
        """
        self._name = name
        self._model = model
        self.think_tokens = _thought_tokens(model)
        used = given or _own_format(model)
        self._source, self.stop = used.source, used.stop
        self._template = ChatTemplate(self._source, self._host()) if self._source else None
        self._tool_source = "" if given else _tool_template(model)

    @cached_property
    def _tool_template(self) -> ChatTemplate | None:
        """The template that some GGUFs have for conversations with tools alone."""
        try:
            return ChatTemplate(self._tool_source, self._host()) if self._tool_source else None
        except TemplateError:
            return None

    @property
    def template_sha256(self) -> str:
        """The hash of the template; empty without one."""
        return hashlib.sha256(self._source.encode()).hexdigest() if self._source else ""

    @property
    def limits(self) -> tuple[str, ...]:
        """What the template cannot do, and what is done instead."""
        return self._template.limits if self._template else ()

    @property
    def has_think_switch(self) -> bool:
        return self._template is not None and self._template.has_think_switch

    def example(self) -> str:
        """Write a conversation of two questions, control tokens and all; empty without one."""
        if self._template is None:
            return ""
        try:
            think = False if self.has_think_switch else None
            rendered = self.conversation(EXAMPLE, think)
        except RefusedByTemplate:
            return ""
        return self._model.shown(rendered.tokens)[:_MAX_EXAMPLE_CHARS]

    @property
    def source(self) -> str:
        """The template that writes conversations with tools; empty without one."""
        return self._tool_source or self._source

    def conversation(
        self,
        messages: Sequence[Message],
        think: bool | None,
        tokenizer: Tokenizer | None = None,
        tools: Sequence[Tool] = (),
        opening: str = "",
    ) -> Rendered:
        """Write a conversation; raises RefusedByTemplate or TemplateError.

        `tokenizer` stands in for that of the model; `tools` may be called, and the answer begins
        with the template's own text `opening`.
        """
        if self._template is None:
            hint = _GIVE_A_TEMPLATE.format(name=self._name)
            raise TemplateError(f"{self._name} has no chat template", hint)
        uses_tools = bool(tools) or any(message.tool_calls for message in messages)
        template = self._tool_template if uses_tools else self._template
        rendered = (template or self._template).render(
            messages, tokenizer or self._model, think=think, tools=tools, opening=opening
        )
        return replace(rendered, tokens=self._begun(rendered.tokens))

    def text(self, text: str, tokenizer: Tokenizer | None = None) -> Rendered:
        """Write text that the model continues; it makes no control tokens."""
        tokens = self._begun((tokenizer or self._model).tokenize(text, parse_special=False))
        # Without any token there would be nothing to continue.
        return Rendered(tokens or [self._model.bos_token], text, opens_thought=False)

    def _begun(self, tokens: list[int]) -> list[int]:
        """Let a prompt begin with the token that the model wants there, and only once."""
        if not self._model.adds_bos:
            return tokens
        bos = self._model.bos_token
        num = next((i for i, token in enumerate(tokens) if token != bos), len(tokens))
        return [bos, *tokens[num:]]

    def _host(self) -> TemplateHost:
        if not self.think_tokens:
            return TemplateHost(self._model.special_texts)
        opening, closing = (self._model.text(token) for token in self.think_tokens)
        return TemplateHost(self._model.special_texts, (opening, closing))


def _own_format(model: LlamaModel) -> ChatFormat:
    """Return the template that a GGUF carries; of several, the one for conversations."""
    texts = map(model.metadata, template_keys(model.metadata_keys()))
    source = next((text for text in texts if text and text.strip()), "")
    # Old GGUFs name one of llama.cpp's own formats.
    return format_named(source) or ChatFormat(source)


def _tool_template(model: LlamaModel) -> str:
    key = f"{TEMPLATE_KEY}.tool_use"
    return (model.metadata(key) or "") if key in model.metadata_keys() else ""


def _thought_tokens(model: LlamaModel) -> tuple[int, int] | None:
    for opening, closing in _THOUGHT_MARKS:
        opened = model.tokenize(opening, parse_special=True)
        closed = model.tokenize(closing, parse_special=True)
        if len(opened) == len(closed) == 1:
            return opened[0], closed[0]
    return None
