"""The shapes of OpenAI's Responses, as the description of the endpoint has them.

Does not know how replies are written; `tests/service/test_responses.py` reads real ones as these.
"""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from tierchat.service.description.shapes import CachedTokens, Facts, Shape

_ItemStatus = Literal["in_progress", "completed"]


class OutputText(Shape, tag="output_text"):
    """Text of an answer."""

    text: str
    annotations: list[Any]
    logprobs: list[Any]


class RefusalPart(Shape, tag="refusal"):
    """Why no tier can answer."""

    refusal: str


class ReasoningText(Shape, tag="reasoning_text"):
    """Text of a thought."""

    text: str


class OutputMessage(Shape, tag="message"):
    """An answer."""

    id: str
    status: _ItemStatus
    role: Literal["assistant"]
    content: list[OutputText | RefusalPart]


class ReasoningItem(Shape, tag="reasoning"):
    """A thought before an answer."""

    id: str
    summary: list[Any]
    content: list[ReasoningText]
    status: _ItemStatus | msgspec.UnsetType = msgspec.UNSET


class CallItem(Shape, tag="function_call"):
    """A call of a tool."""

    id: str
    call_id: str
    name: str
    arguments: str
    status: _ItemStatus


OutputItem = OutputMessage | ReasoningItem | CallItem


class ReasoningTokens(Shape):
    """Thoughts are counted with the answer, so this is 0."""

    reasoning_tokens: int


class ResponseUsage(Shape):
    """Tokens of the prompt and of the answer."""

    input_tokens: int
    input_tokens_details: CachedTokens
    output_tokens: int
    output_tokens_details: ReasoningTokens
    total_tokens: int


class Incomplete(Shape):
    """Why an answer was cut."""

    reason: Literal["max_output_tokens"]


class ResponseReply(Shape):
    """A response, with what was asked for it."""

    id: str
    object: Literal["response"]
    created_at: int
    status: Literal["in_progress", "completed", "incomplete"]
    error: None
    incomplete_details: Incomplete | None
    instructions: str | None
    max_output_tokens: int | None
    metadata: dict[str, Any]
    model: str
    output: list[OutputItem]
    parallel_tool_calls: bool
    previous_response_id: str | None
    reasoning: dict[str, Any] | None
    store: bool
    temperature: float | None
    text: dict[str, Any]
    tool_choice: str | dict[str, Any]
    tools: list[dict[str, Any]]
    top_p: float | None
    truncation: Literal["disabled"]
    usage: ResponseUsage | None
    user: str | None
    x_tierchat: Facts | msgspec.UnsetType = msgspec.UNSET  # type: ignore[valid-type]


class ResponseEvent(Shape):
    """One event of a streamed response; which fields there are depends on its type."""

    type: str
    sequence_number: int
    response: ResponseReply | msgspec.UnsetType = msgspec.UNSET
    item: OutputItem | msgspec.UnsetType = msgspec.UNSET
    part: OutputText | RefusalPart | msgspec.UnsetType = msgspec.UNSET
    item_id: str | msgspec.UnsetType = msgspec.UNSET
    output_index: int | msgspec.UnsetType = msgspec.UNSET
    content_index: int | msgspec.UnsetType = msgspec.UNSET
    delta: str | msgspec.UnsetType = msgspec.UNSET
    text: str | msgspec.UnsetType = msgspec.UNSET
    refusal: str | msgspec.UnsetType = msgspec.UNSET
    arguments: str | msgspec.UnsetType = msgspec.UNSET
    name: str | msgspec.UnsetType = msgspec.UNSET
    logprobs: list[Any] | msgspec.UnsetType = msgspec.UNSET
    code: str | msgspec.UnsetType = msgspec.UNSET
    message: str | msgspec.UnsetType = msgspec.UNSET
    param: str | msgspec.UnsetType | None = msgspec.UNSET
    hint: str | msgspec.UnsetType = msgspec.UNSET
    x_tierchat: dict[str, Any] | msgspec.UnsetType = msgspec.UNSET


class Forgotten(Shape):
    """A response that was forgotten."""

    id: str
    object: Literal["response"]
    deleted: bool
