"""The turns of a conversation, arranged so that a given chat template takes all of them.

Does not know templates; an arrangement says only which messages make up each turn.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from tierchat.types import Message, Role

# A role, or `calls`: the assistant calls tools.
Kind = Role | Literal["calls"]
# What belongs to a call stays a turn of its own.
_ALONE = ("calls", "tool")


@dataclass(frozen=True)
class Turn:
    """One turn of a template, made from the messages with these indices."""

    role: Kind
    parts: tuple[int, ...]


def kind_of(message: Message) -> Kind:
    return "calls" if message.tool_calls else message.role


Arrangement = tuple[Turn, ...]


def arrangements(roles: Sequence[Kind]) -> Iterator[Arrangement]:
    """Yield ways to write a conversation, from as it is to ever more changed.

    Consecutive turns of one role are joined; system text goes into the user's next turn, first
    where it stands in the middle, then everywhere; last, a turn without text is put first: the
    user's, or the system's.
    """
    plain = tuple(Turn(role, (index,)) for index, role in enumerate(roles))
    front = next((i for i, role in enumerate(roles) if role != "system"), len(roles))
    kept, moved = plain[:front], _without_system(plain[front:])
    for turns in (plain, (*kept, *moved), _without_system(plain)):
        yield turns
        yield _joined(turns)
    for turns in (_joined((*kept, *moved)), _joined(_without_system(plain))):
        num_first = sum(turn.role == "system" for turn in turns)
        yield (*turns[:num_first], Turn("user", ()), *turns[num_first:])
    if "system" not in roles:
        for turns in (plain, _joined(plain)):
            yield (Turn("system", ()), *turns)


def arranged(messages: Sequence[Message], arrangement: Arrangement) -> tuple[Message, ...]:
    """Write messages as an arrangement says."""
    return tuple(_message(turn, [messages[part] for part in turn.parts]) for turn in arrangement)


def _message(turn: Turn, parts: Sequence[Message]) -> Message:
    # Not `in _ALONE`, by which a type is not narrowed.
    if turn.role == "calls" or turn.role == "tool":
        return parts[0]
    return Message(role=turn.role, content=_content(parts))


def _content(parts: Sequence[Message]) -> str:
    texts: list[str] = []
    before: Role | None = None
    for part in filter(lambda part: part.content, parts):
        if before is not None:
            # As llama.cpp writes system text in front of a user's.
            texts.append("\n" if before == "system" != part.role else "\n\n")
        texts.append(part.content)
        before = part.role
    return "".join(texts)


def _joined(turns: Sequence[Turn]) -> Arrangement:
    joined: list[Turn] = []
    for turn in turns:
        if joined and joined[-1].role == turn.role and turn.role not in _ALONE:
            joined[-1] = Turn(turn.role, joined[-1].parts + turn.parts)
        else:
            joined.append(turn)
    return tuple(joined)


def _without_system(turns: Sequence[Turn]) -> Arrangement:
    """Put system text in front of the user's next turn, or after the last one."""
    moved: list[Turn] = []
    waiting: tuple[int, ...] = ()
    for turn in turns:
        if turn.role == "system":
            waiting += turn.parts
        elif turn.role == "user":
            moved.append(Turn("user", waiting + turn.parts))
            waiting = ()
        else:
            moved.append(turn)
    if waiting:
        moved.append(Turn("user", waiting))
    return tuple(moved)
