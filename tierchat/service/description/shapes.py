"""The shapes of replies, as the description of the endpoint has them.

Does not know how replies are written; `tests/service/test_description.py` reads real ones as these.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec

from tierchat.events import Hop, Loading, Notice, PromptScored, Starting, Working
from tierchat.outcomes import Outcome

_Reason = Literal["stop", "length", "tool_calls"]
Facts = msgspec.defstruct(
    "Facts",
    [
        (field.name, field.type)
        for field in msgspec.structs.fields(Outcome)
        if field.name not in ("answer", "thought", "tool_calls")
    ],
    namespace={"__doc__": "What an answer cost, and which tiers were asked for it."},
    forbid_unknown_fields=True,
)


class Shape(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """Parent of every shape: nothing but its fields may be there."""


class LikelyToken(Shape):
    """A token, its bytes and its natural log-probability."""

    token: str
    logprob: float
    bytes: list[int]


class AnswerToken(LikelyToken):
    """A token of an answer, and the likeliest ones at its place."""

    top_logprobs: list[LikelyToken]


class AnswerLogprobs(Shape):
    """The log-probabilities of an answer."""

    content: list[AnswerToken]
    refusal: None


class CalledFunction(Shape):
    """What a tool is called with: JSON text."""

    name: str
    arguments: str


class ToolCallMade(Shape):
    """A call of a tool."""

    id: str
    type: Literal["function"]
    function: CalledFunction


class AnswerMessage(Shape):
    """An answer; `refusal` stands in its place where no tier can answer."""

    role: Literal["assistant"]
    content: str | None
    refusal: str | None
    reasoning_content: str | msgspec.UnsetType = msgspec.UNSET
    tool_calls: list[ToolCallMade] | msgspec.UnsetType = msgspec.UNSET


class AnswerChoice(Shape):
    """One answer; each of several has facts of its own."""

    index: int
    message: AnswerMessage
    logprobs: AnswerLogprobs | None
    finish_reason: _Reason
    x_tierchat: Facts | msgspec.UnsetType = msgspec.UNSET  # type: ignore[valid-type]


class CachedTokens(Shape):
    """Tokens of a prompt that were not read again."""

    cached_tokens: int


class TokensUsed(Shape):
    """Tokens of prompts and answers."""

    prompt_tokens: int
    completion_tokens: int
    total_tokens: int
    prompt_tokens_details: CachedTokens | msgspec.UnsetType = msgspec.UNSET


class ChatCompletion(Shape):
    """Whole answers to a chat."""

    id: str
    object: Literal["chat.completion"]
    created: int
    model: str
    system_fingerprint: str
    choices: list[AnswerChoice]
    usage: TokensUsed
    x_tierchat: Facts  # type: ignore[valid-type]


class CalledFunctionPiece(Shape):
    """A piece of a call: its name first, then its arguments."""

    name: str | msgspec.UnsetType = msgspec.UNSET
    arguments: str | msgspec.UnsetType = msgspec.UNSET


class ToolCallPiece(Shape):
    """A piece of the call number `index`."""

    index: int
    id: str | msgspec.UnsetType = msgspec.UNSET
    type: Literal["function"] | msgspec.UnsetType = msgspec.UNSET
    function: CalledFunctionPiece | msgspec.UnsetType = msgspec.UNSET


class AnswerPiece(Shape):
    """A piece of an answer or of a thought before it."""

    role: Literal["assistant"] | msgspec.UnsetType = msgspec.UNSET
    content: str | msgspec.UnsetType | None = msgspec.UNSET
    reasoning_content: str | msgspec.UnsetType = msgspec.UNSET
    refusal: str | msgspec.UnsetType = msgspec.UNSET
    tool_calls: list[ToolCallPiece] | msgspec.UnsetType = msgspec.UNSET


class ChunkChoice(Shape):
    """What a chunk adds to one answer."""

    index: int
    delta: AnswerPiece
    logprobs: AnswerLogprobs | None
    finish_reason: _Reason | None


class DoneFacts(Shape, tag="done"):
    """The facts of a finished answer."""

    outcome: Facts  # type: ignore[valid-type]


class ThoughtFacts(Shape, tag="thought"):
    """The tier that thinks."""

    tier: str


ChunkFacts = DoneFacts | ThoughtFacts | Loading | Starting | Working | Hop | Notice | PromptScored


class ChatChunk(Shape):
    """One event of a streamed chat completion."""

    id: str
    object: Literal["chat.completion.chunk"]
    created: int
    model: str
    system_fingerprint: str
    choices: list[ChunkChoice]
    usage: TokensUsed | msgspec.UnsetType | None = msgspec.UNSET
    x_tierchat: ChunkFacts | msgspec.UnsetType = msgspec.UNSET


class TextLogprobs(Shape):
    """Log-probabilities in the older shape: parallel lists."""

    tokens: list[str]
    token_logprobs: list[float | None]
    top_logprobs: list[dict[str, float] | None]
    text_offset: list[int]


class TextChoice(Shape):
    """One text that was continued, or a piece of it."""

    index: int
    text: str
    logprobs: TextLogprobs | None
    finish_reason: Literal["stop", "length"] | None
    x_tierchat: Facts | msgspec.UnsetType = msgspec.UNSET  # type: ignore[valid-type]


class _TextReply(Shape):
    id: str
    object: Literal["text_completion"]
    created: int
    model: str
    system_fingerprint: str
    choices: list[TextChoice]


class TextCompletion(_TextReply):
    """Whole texts that were continued."""

    usage: TokensUsed
    x_tierchat: Facts  # type: ignore[valid-type]


class TextChunk(_TextReply):
    """One event of a text that is continued in a stream."""

    usage: TokensUsed | msgspec.UnsetType | None = msgspec.UNSET
    x_tierchat: ChunkFacts | msgspec.UnsetType = msgspec.UNSET


class ModelObject(Shape):
    """A name that a request may give as its model."""

    id: str
    object: Literal["model"]
    created: int
    owned_by: str
    type: Literal["model"]
    display_name: str
    created_at: str
    lifecycle: Literal["active"]


class ModelList(Shape):
    """All names that can be answered here; Anthropic's clients read it as their only page."""

    object: Literal["list"]
    data: list[ModelObject]
    has_more: bool
    first_id: str | None
    last_id: str | None


class State(Shape):
    """Whether something is so, in one word."""

    status: str


class WasServing(Shape):
    """Whether the endpoint listened on TCP before."""

    was_serving: bool


class ErrorFacts(Shape):
    """What went wrong, which field is wrong, and what to do next."""

    message: str
    type: str
    param: str | None
    code: str | None
    hint: str
    retry_after_s: Annotated[int, msgspec.Meta(ge=0)] | msgspec.UnsetType = msgspec.UNSET


class ErrorReply(Shape):
    """An error."""

    error: ErrorFacts


Anything = dict[str, Any]
