"""The blocks of Anthropic's messages, read into the turns of a conversation.

Does not know requests or models. Shapes follow https://docs.anthropic.com/en/api/messages.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Annotated, Any, Literal

import msgspec

from tierchat.errors import InvalidRequest
from tierchat.tool_calls import ToolCall
from tierchat.types import Message

_Id = Annotated[str, msgspec.Meta(min_length=1, max_length=256)]


class AnthropicBlock(msgspec.Struct, kw_only=True):
    """A block of content; `cache_control`, `citations` and `signature` change nothing here."""

    type: Annotated[str, msgspec.Meta(max_length=64)]
    text: str | None = None
    id: _Id | None = None
    name: _Id | None = None
    input: dict[str, Any] | None = None
    tool_use_id: _Id | None = None
    content: str | list[AnthropicBlock] | None = None
    is_error: bool | None = None


class AnthropicTurn(msgspec.Struct, kw_only=True):
    """One message of a request."""

    role: Literal["user", "assistant", "system"]
    content: str | list[AnthropicBlock]


def system_text(system: str | Sequence[AnthropicBlock] | None) -> str:
    """Return the text of the system field; raises InvalidRequest for other blocks than text."""
    if isinstance(system, str) or system is None:
        return system or ""
    return "\n".join(_text(block, f"system[{index}]") for index, block in enumerate(system))


def messages_of(turns: Sequence[AnthropicTurn]) -> Iterator[Message]:
    """Yield the messages of a conversation; raises InvalidRequest naming what cannot be read.

    Results of tools are messages of their own, before the text that came with them. Thoughts of
    earlier answers are left out, as the makers of models advise.
    """
    for index, turn in enumerate(turns):
        place = f"messages[{index}].content"
        if isinstance(turn.content, str):
            yield Message(role=turn.role, content=turn.content)
            continue
        texts: list[str] = []
        calls: list[ToolCall] = []
        results: list[Message] = []
        for number, block in enumerate(turn.content):
            at = f"{place}[{number}]"
            match block.type:
                case "thinking" | "redacted_thinking":
                    continue
                case "tool_use" if turn.role == "assistant":
                    calls.append(_call(block, at))
                case "tool_result" if turn.role == "user":
                    results.append(_result(block, at))
                case _:
                    texts.append(_text(block, at))
        yield from results
        if texts or calls or not results:
            text = "\n".join(filter(None, texts))
            yield Message(role=turn.role, content=text, tool_calls=tuple(calls))


def _call(block: AnthropicBlock, at: str) -> ToolCall:
    arguments = msgspec.json.encode(block.input or {}).decode()
    return ToolCall(
        id=_given(block.id, at, "id"), name=_given(block.name, at, "name"), arguments=arguments
    )


def _result(block: AnthropicBlock, at: str) -> Message:
    content = block.content
    if isinstance(content, list):
        content = "\n".join(
            _text(part, f"{at}.content[{number}]") for number, part in enumerate(content)
        )
    text = content or ""
    return Message(
        role="tool",
        content=f"Error: {text}" if block.is_error else text,
        tool_call_id=_given(block.tool_use_id, at, "tool_use_id"),
    )


def _text(block: AnthropicBlock, at: str) -> str:
    if block.type == "text":
        return block.text or ""
    what = "no tier here sees images: their models read text only"
    if block.type != "image":
        what = "the models of these tiers read text only"
    message = f"{at}: a block of type {block.type!r} cannot be read; {what}"
    raise InvalidRequest(message, "send text", param=at)


def _given(value: str | None, at: str, name: str) -> str:
    if value is None:
        raise InvalidRequest(f"{at}.{name} is missing", param=f"{at}.{name}")
    return value
