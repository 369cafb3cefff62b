"""The texts that open and close calls in the answers of each family of models.

Does not know what stands between them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Mark:
    """What opens a call or a list of calls, and what closes it; nothing does where it is empty.

    With `is_part`, the opening text is part of the call, as `<function=` is.
    """

    opens: str
    closes: str = ""
    is_part: bool = False

    def body(self, text: str) -> str:
        """Return what is to be read, given the text between the marks."""
        return f"{self.opens}{text}{self.closes}" if self.is_part else text


# Taught to most models, and what templates without tools are told to write.
HERMES = Mark("<tool_call>", "</tool_call>")
# In the order in which they are looked for where two begin at the same place.
_FAMILIES = (
    Mark("[TOOL_CALLS]"),
    Mark("<|python_tag|>"),
    Mark("<function=", "</function>", is_part=True),
    Mark("<|tool_call|>", "<|/tool_call|>"),
    Mark("<|tool_call>", "<tool_call|>"),
    Mark("<start_function_call>", "<end_function_call>"),
    Mark("<|tool_call_start|>", "<|tool_call_end|>"),
    Mark("<TOOLCALL>", "</TOOLCALL>"),
    Mark("<tool_calls>", "</tool_calls>"),
    Mark("<|START_ACTION|>", "<|END_ACTION|>"),
    Mark("<｜tool▁calls▁begin｜>", "<｜tool▁calls▁end｜>"),
    Mark("<|tool_calls_section_begin|>", "<|tool_calls_section_end|>"),
    Mark("<minimax:tool_call>", "</minimax:tool_call>"),
    Mark("<seed:tool_call>", "</seed:tool_call>"),
    Mark("functools[", "", is_part=True),
)


def marks_of(template: str) -> tuple[Mark, ...]:
    """Return the marks that a model may use whose chat template this is."""
    return (HERMES, *(mark for mark in _FAMILIES if mark.opens in template))


def first_mark(text: str, marks: Sequence[Mark]) -> tuple[int, Mark] | None:
    """Return where the first call in a text opens, and its mark."""
    found = [(text.find(mark.opens), mark) for mark in marks if mark.opens in text]
    return min(found, key=lambda each: each[0], default=None)


def overlap(text: str, mark: str) -> int:
    """Return the length of the longest end of a text that begins a mark, less than all of it."""
    most = min(len(text), len(mark) - 1)
    return next((num for num in range(most, 0, -1) if text.endswith(mark[:num])), 0)
