"""Chunks and errors in OpenAI's shape, read back into events and errors.

Does not know HTTP; `openai_replies.py` writes them.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator
from typing import Any

import msgspec

from tierchat import __version__
from tierchat.errors import DaemonUnreachable, Overloaded, TierchatError, error_from_code
from tierchat.events import (
    AnswerDelta,
    CascadeEvent,
    Done,
    Hop,
    Loading,
    Notice,
    Starting,
    ThoughtDelta,
    Working,
)
from tierchat.outcomes import Outcome
from tierchat.service.openai.tool_format import SentCallDelta


class _Delta(msgspec.Struct):
    content: str | None = None
    reasoning_content: str | None = None
    tool_calls: tuple[SentCallDelta, ...] = ()


class _Choice(msgspec.Struct):
    delta: _Delta


class _Error(msgspec.Struct):
    message: str
    code: str | None = None
    hint: str | None = None
    retry_after_s: int | None = None

    def rebuilt(self) -> TierchatError:
        error = error_from_code(self.code or "", self.message, self.hint or "")
        if isinstance(error, Overloaded) and self.retry_after_s is not None:
            error.retry_after_s = self.retry_after_s
        return error


class _ErrorBody(msgspec.Struct):
    error: _Error


class _Model(msgspec.Struct):
    id: str


class _Models(msgspec.Struct):
    data: tuple[_Model, ...]


class _Chunk(msgspec.Struct):
    choices: tuple[_Choice, ...] = ()
    error: _Error | None = None
    # Untyped: kinds and keys that a newer daemon has added are passed over.
    x_tierchat: dict[str, Any] | None = None


def read_chunk(data: bytes) -> list[CascadeEvent]:
    """Return the events of one chunk of a stream.

    Raises the error that the chunk carries, or DaemonUnreachable if it cannot be read.
    """
    try:
        chunk = msgspec.json.decode(data, type=_Chunk)
        if chunk.error:
            raise chunk.error.rebuilt()
        return list(_events_of(chunk))
    except (ValueError, LookupError, TypeError) as error:
        raise unreadable(error) from error


def _events_of(chunk: _Chunk) -> Iterator[CascadeEvent]:
    delta, extension = chunk.choices[0].delta, chunk.x_tierchat or {}
    kind = extension.get("type")
    if delta.content:
        yield AnswerDelta(text=delta.content)
    if delta.reasoning_content:
        yield ThoughtDelta(tier=extension.get("tier", ""), text=delta.reasoning_content)
    yield from (sent.event() for sent in delta.tool_calls)
    if kind == "done":
        sent = extension["outcome"]
        known = {name: sent[name] for name in Outcome.__struct_fields__ if name in sent}
        yield Done(outcome=msgspec.convert({"answer": "", "thought": "", **known}, Outcome))
    elif kind in ("hop", "notice", "loading", "starting", "working"):
        yield msgspec.convert(extension, Hop | Notice | Loading | Starting | Working)


def read_events(lines: Iterable[bytes]) -> Generator[CascadeEvent, None, bool]:
    """Yield the events of a stream; returns whether it came to its end.

    `Done` gets the texts that were streamed before. Raises as `read_chunk`.
    """
    answer: list[str] = []
    thought: list[str] = []
    for line in lines:
        if not line.startswith(b"data: "):
            continue
        data = line[6:].strip()
        if data == b"[DONE]":
            return True
        for event in read_chunk(data):
            if isinstance(event, AnswerDelta):
                answer.append(event.text)
            elif isinstance(event, ThoughtDelta):
                thought.append(event.text)
            elif isinstance(event, Hop):
                thought.clear()
            elif isinstance(event, Done):
                texts = {"answer": "".join(answer), "thought": "".join(thought)}
                event = Done(outcome=msgspec.structs.replace(event.outcome, **texts))
            yield event
    return False


def read_names(body: bytes) -> tuple[str, ...]:
    """Return the names of a list of models; raises ValueError if it is none."""
    return tuple(model.id for model in msgspec.json.decode(body, type=_Models).data)


def read_error(body: bytes, status: int) -> TierchatError:
    """Return the error of a response; DaemonUnreachable if the body does not say what is wrong."""
    try:
        return msgspec.json.decode(body, type=_ErrorBody).error.rebuilt()
    except ValueError:
        return DaemonUnreachable(
            f"the daemon answered {status} without saying why",
            f"it may be another version (this is {__version__}); run: tierchat daemon down",
        )


def unreadable(error: Exception) -> DaemonUnreachable:
    """Describe a reply in a format that this version cannot read."""
    return DaemonUnreachable(
        f"the daemon seems to be another version (this is {__version__}): {error}",
        "run: tierchat daemon down; the next command starts this version",
    )
