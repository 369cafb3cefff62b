"""The items of a response's input, read into the turns of a conversation.

Does not know requests or models. Shapes follow
https://platform.openai.com/docs/api-reference/responses.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Annotated, Literal

import msgspec

from tierchat.errors import InvalidRequest
from tierchat.service.openai_format import refused_part
from tierchat.tool_calls import ToolCall
from tierchat.types import Message, Role

_Id = Annotated[str, msgspec.Meta(min_length=1, max_length=256)]
_ROLES: dict[str, Role] = {
    "system": "system",
    "developer": "system",
    "user": "user",
    "assistant": "assistant",
}
_TEXTS = ("input_text", "output_text", "text", "refusal", "summary_text")


class InputPart(msgspec.Struct, kw_only=True):
    """A part of an item's content."""

    type: Annotated[str, msgspec.Meta(max_length=64)]
    text: str | None = None
    refusal: str | None = None


class InputItem(msgspec.Struct, kw_only=True):
    """A message, a call of a tool, its result, or a thought; ids and states change nothing."""

    type: Annotated[str, msgspec.Meta(max_length=64)] = "message"
    role: Literal["system", "developer", "user", "assistant"] | None = None
    content: str | list[InputPart] | None = None
    call_id: _Id | None = None
    name: _Id | None = None
    arguments: str | None = None
    output: str | list[InputPart] | None = None


def messages_of(given: str | Sequence[InputItem]) -> Iterator[Message]:
    """Yield the messages of an input; raises InvalidRequest naming what cannot be read.

    Calls go into the assistant's message before them. Thoughts are left out.
    """
    if isinstance(given, str):
        yield Message(role="user", content=given)
        return
    # The assistant's message that may still get calls.
    open_: Message | None = None
    for index, item in enumerate(given):
        place = f"input[{index}]"
        if item.type == "reasoning":
            continue
        if item.type == "function_call":
            earlier = open_ or Message(role="assistant", content="")
            calls = (*earlier.tool_calls, _call(item, place))
            open_ = msgspec.structs.replace(earlier, tool_calls=calls)
            continue
        if open_ is not None:
            yield open_
            open_ = None
        message = _message(item, place)
        if message.role == "assistant":
            open_ = message
        else:
            yield message
    if open_ is not None:
        yield open_


def _message(item: InputItem, place: str) -> Message:
    if item.type == "function_call_output":
        output = _text(item.output, f"{place}.output")
        call_id = _given(item.call_id, place, "call_id")
        return Message(role="tool", content=output, tool_call_id=call_id)
    if "image" in item.type:
        raise refused_part(place, item.type)
    if item.type != "message":
        raise InvalidRequest(
            f"{place}.type = {item.type!r}: such items cannot be read",
            "send messages, function calls and their outputs",
            param=f"{place}.type",
        )
    role = _ROLES[_given(item.role, place, "role")]
    return Message(role=role, content=_text(item.content, f"{place}.content"))


def _call(item: InputItem, place: str) -> ToolCall:
    return ToolCall(
        id=_given(item.call_id, place, "call_id"),
        name=_given(item.name, place, "name"),
        arguments=item.arguments or "{}",
    )


def _text(content: str | Sequence[InputPart] | None, place: str) -> str:
    if isinstance(content, str) or content is None:
        return content or ""
    for part in content:
        if part.type not in _TEXTS:
            raise refused_part(place, part.type)
    return "\n".join(part.text or part.refusal or "" for part in content)


def _given(value: str | None, place: str, name: str) -> str:
    if value is None:
        raise InvalidRequest(f"{place}.{name} is missing", param=f"{place}.{name}")
    return value
