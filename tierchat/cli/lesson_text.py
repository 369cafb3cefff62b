"""How far the lessons are that cascades give themselves, as text.

Does not know streams.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator

from msgspec.structs import replace

from tierchat.config.teach_choice import taught_cascades
from tierchat.gates.lesson_state import LessonState, read_state
from tierchat.paths import Paths

_DONE = "done"


def lesson_lines(paths: Paths, cascades: Iterable[str]) -> Iterator[str]:
    """Say how far the lesson of each cascade is that teaches itself."""
    chosen = taught_cascades(paths)
    for cascade in cascades:
        state, is_on = known_state(paths, cascade), chosen.get(cascade)
        if state:
            yield f"{cascade}: {'' if is_on else 'no longer teaches itself; '}{lesson_text(state)}"
        elif is_on:
            yield (
                f"{cascade}: teaches itself as soon as the daemon runs and nothing is asked for "
                "a while"
            )


def known_state(paths: Paths, cascade: str) -> LessonState | None:
    """Return how far a lesson is; of a gate that somebody removed since, only that."""
    state = read_state(paths, cascade)
    if state and state.is_used and not (paths.gates_dir / f"{cascade}.json").exists():
        gone = "its gate was removed"
        return replace(state, nhg=None, cost_at_99=None, is_used=False, why=gone)
    return state


def lesson_text(state: LessonState) -> str:
    """Describe a lesson in one line."""
    parts = [_progress(state)]
    if state.nhg:
        value, low, high = state.nhg
        parts.append(f"gate of {_date(state.taught_at)}, {state.num_prompts} prompts")
        if state.num_own:
            parts[-1] += f", {state.num_own} of them yours"
        parts.append(f"NHG {value:.2f} [{low:.2f}, {high:.2f}] on held-out prompts")
    if state.cost_at_99 is not None:
        parts.append(f"99 % of the top tier at {state.cost_at_99:.0%} of its compute")
    if state.why:
        used = "" if state.phase == "failed" or state.is_used else "not used: "
        parts.append(f"{used}{state.why}")
    return "; ".join(parts)


def short_text(state: LessonState) -> str:
    """Describe a lesson in a few words, for a status line."""
    if state.phase == _DONE:
        return f"taught {_date(state.taught_at)}" if state.is_used else "lesson over, gate not used"
    return _progress(state)


def _progress(state: LessonState) -> str:
    if state.phase == "failed":
        return "lesson failed"
    if state.phase == _DONE:
        return "lesson over"
    if state.phase == "audit":
        return "checking the gate on what you asked since"
    stage = f"lesson {min(state.stage + 1, state.num_stages)}/{state.num_stages}"
    if state.phase == "fit":
        return f"{stage}, fitting"
    share = state.num_done / state.num_wanted if state.num_wanted else 0.0
    return f"{stage}, {share:.0%} of its answers"


def _date(seconds: int) -> str:
    return time.strftime("%F", time.localtime(seconds))
