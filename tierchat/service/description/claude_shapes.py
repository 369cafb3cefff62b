"""The shapes of replies to Anthropic's clients, as the description of the endpoint has them.

Does not know how replies are written; `tests/service/test_messages.py` reads real ones as these.
"""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from tierchat.service.description.shapes import Facts, Shape

_Stop = Literal["end_turn", "max_tokens", "stop_sequence", "tool_use", "refusal"]


class TextBlock(Shape, tag="text"):
    """Text of an answer."""

    text: str


class ThinkingBlock(Shape, tag="thinking"):
    """A thought before an answer."""

    thinking: str
    signature: str


class ToolUseBlock(Shape, tag="tool_use"):
    """A call of a tool."""

    id: str
    name: str
    input: dict[str, Any]


AnswerBlock = TextBlock | ThinkingBlock | ToolUseBlock


class TokenUsage(Shape):
    """Tokens of a prompt, those that were not read again apart, and of the answer."""

    input_tokens: int
    cache_creation_input_tokens: int
    cache_read_input_tokens: int
    output_tokens: int


class AnthropicMessage(Shape):
    """An answer."""

    id: str
    type: Literal["message"]
    role: Literal["assistant"]
    model: str
    content: list[AnswerBlock]
    stop_reason: _Stop | None
    stop_sequence: str | None
    usage: TokenUsage
    x_tierchat: Facts | msgspec.UnsetType = msgspec.UNSET  # type: ignore[valid-type]


class MessageStart(Shape, tag="message_start"):
    """The beginning of an answer."""

    message: AnthropicMessage


class BlockStart(Shape, tag="content_block_start"):
    """The beginning of a block."""

    index: int
    content_block: AnswerBlock


class TextPiece(Shape, tag="text_delta"):
    """A piece of text."""

    text: str


class ThinkingPiece(Shape, tag="thinking_delta"):
    """A piece of a thought."""

    thinking: str


class InputPiece(Shape, tag="input_json_delta"):
    """A piece of the JSON of a call's arguments."""

    partial_json: str


class BlockDelta(Shape, tag="content_block_delta"):
    """A piece of a block."""

    index: int
    delta: TextPiece | ThinkingPiece | InputPiece


class BlockStop(Shape, tag="content_block_stop"):
    """The end of a block."""

    index: int


class Ending(Shape):
    """Why an answer ended."""

    stop_reason: _Stop
    stop_sequence: str | None


class MessageDelta(Shape, tag="message_delta"):
    """The end of an answer, and what it cost."""

    delta: Ending
    usage: TokenUsage
    x_tierchat: Facts  # type: ignore[valid-type]


class MessageStop(Shape, tag="message_stop"):
    """The end of a stream."""


class Ping(Shape, tag="ping"):
    """A sign of life, with an event of tierchat's own."""

    x_tierchat: dict[str, Any]


AnthropicEvent = (
    MessageStart | BlockStart | BlockDelta | BlockStop | MessageDelta | MessageStop | Ping
)


class TokenCount(Shape):
    """The number of tokens of a prompt."""

    input_tokens: int


class AnthropicErrorFacts(Shape):
    """What went wrong, which field is wrong, and what to do next."""

    type: str
    message: str
    param: str | None
    hint: str
    retry_after_s: int | msgspec.UnsetType = msgspec.UNSET


class AnthropicError(Shape):
    """An error."""

    type: Literal["error"]
    error: AnthropicErrorFacts
