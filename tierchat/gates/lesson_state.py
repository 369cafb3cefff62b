"""How far the lesson that a cascade gives itself is: written by the lesson, read by everyone.

Does not know how a lesson runs.
"""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

from tierchat.atomic_file import write_quietly
from tierchat.paths import Paths
from tierchat.types import Frozen

# `audit` is the check of a gate in use against what was asked since it was made.
Phase = Literal["audit", "answers", "fit", "done", "failed"]
_Count = Annotated[int, msgspec.Meta(ge=0)]
# Until the end of the year 9999, the last that can be told.
_Seconds = Annotated[int, msgspec.Meta(ge=0, lt=253_402_300_800)]


class LessonState(Frozen, frozen=True):
    """The lesson of one cascade; times are seconds since 1970.

    `num_done` of `num_wanted` answers of stage `stage` of `num_stages` are there. The rest is of
    the last gate: `num_prompts` that it learned from, `num_own` of them the user's, its NHG on
    held-out prompts with its interval, and the compute of `cost_at_99` for 99 % of the top tier's
    right answers. `why` says why the gate is not used, why the lesson failed, or what drifted.
    `models` and `own` name what the lesson was made from, `gate` the numbers of the gate it made.
    """

    cascade: str
    phase: Phase = "answers"
    stage: _Count = 0
    num_stages: _Count = 0
    num_done: _Count = 0
    num_wanted: _Count = 0
    num_prompts: _Count = 0
    num_own: _Count = 0
    nhg: tuple[float, float, float] | None = None
    cost_at_99: float | None = None
    is_used: bool = False
    taught_at: _Seconds = 0
    changed_at: _Seconds = 0
    why: str = ""
    models: str = ""
    own: str = ""
    gate: str = ""


def read_state(paths: Paths, cascade: str) -> LessonState | None:
    """Return what the last lesson wrote; None without one, or for a file that cannot be read."""
    try:
        raw = paths.lesson_state(cascade).read_bytes()
        state = msgspec.json.decode(raw, type=LessonState)
    except (OSError, ValueError):
        return None
    return state if state.cascade == cascade else None


def write_state(paths: Paths, state: LessonState) -> None:
    """Replace the state; where it cannot be written, the old one stays."""
    write_quietly(paths.lesson_state(state.cascade), msgspec.json.encode(state))
