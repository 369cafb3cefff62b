"""The lessons that cascades give themselves: the question at `pull`, and how far they are.

Does not know typer.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable, Iterator

from tierchat.config.home import Home
from tierchat.config.teach_choice import choose_teaching, taught_cascades
from tierchat.gates.lesson_state import LessonState, read_state
from tierchat.learning.outcomes.sources import missing_modules
from tierchat.paths import Paths
from tierchat.terminal.confirm import is_yes
from tierchat.terminal.output import Output

_DONE = "done"


def settle_teaching(cascade: str, home: Home, output: Output, wish: bool | None) -> None:
    """Remember whether a cascade teaches itself: as wished, else as said at the terminal.

    Without a terminal nothing changes, and one line says how to let it.
    """
    known = taught_cascades(home.paths).get(cascade)
    if wish is None and known is None:
        if not (sys.stdin.isatty() and output.is_err_terminal):
            output.note(f"`tierchat gate teach {cascade}` lets it teach itself in idle time")
            return
        wish = is_yes(
            output,
            f"Let {cascade} teach itself when to ask a bigger tier? It works while nobody asks, "
            f"at most {home.settings.teach_share:.0%} of the time, and stops when you do.",
            default=True,
        )
    if wish is not None:
        let_teach(cascade, home, output, is_wanted=wish)


def let_teach(cascade: str, home: Home, output: Output, *, is_wanted: bool) -> None:
    """Remember whether a cascade teaches itself, and say what comes of it."""
    choose_teaching(home.paths, cascade, is_wanted=is_wanted)
    if not is_wanted:
        output.note(f"{cascade} does not teach itself; `tierchat train -m {cascade}` teaches it")
        return
    output.note(
        f"{cascade} teaches itself while nothing is asked for {home.settings.teach_idle_s:g} s; "
        "`tierchat gate ls` shows how far it is"
    )
    if missing := missing_modules("sklearn", "threadpoolctl"):
        output.note(f'it needs {", ".join(missing)}: run pip install "tierchat[train]"', "yellow")
    if not home.settings.teach:
        output.note("your settings say teach = false: no cascade teaches itself", "yellow")


def lesson_lines(paths: Paths, cascades: Iterable[str]) -> Iterator[str]:
    """Say how far the lesson of each cascade is that teaches itself."""
    chosen = taught_cascades(paths)
    for cascade in cascades:
        state = read_state(paths, cascade)
        if state:
            yield f"{cascade}: {lesson_text(state)}"
        elif chosen.get(cascade):
            yield f"{cascade}: teaches itself as soon as nothing is asked for a while"


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
    stage = f"lesson {min(state.stage + 1, state.num_stages)}/{state.num_stages}"
    if state.phase == "fit":
        return f"{stage}, fitting"
    share = state.num_done / state.num_wanted if state.num_wanted else 0.0
    return f"{stage}, {share:.0%} of its answers"


def _date(seconds: int) -> str:
    return time.strftime("%F", time.localtime(seconds))
