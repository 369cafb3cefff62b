"""The question whether a cascade may teach itself, at `pull` and later.

Does not know typer.
"""

from __future__ import annotations

import sys

from tierchat.config.home import Home
from tierchat.config.teach_choice import choose_teaching, taught_cascades
from tierchat.learning.outcomes.sources import missing_modules
from tierchat.terminal.confirm import is_yes
from tierchat.terminal.output import Output


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
        f"{cascade} teaches itself while the daemon runs and nothing is asked for "
        f"{home.settings.teach_idle_s:g} s; `tierchat gate ls` shows how far it is"
    )
    if missing := missing_modules("sklearn", "threadpoolctl"):
        output.note(f'it needs {", ".join(missing)}: run pip install "tierchat[train]"', "yellow")
    if not home.settings.teach:
        output.note("your settings say teach = false: no cascade teaches itself", "yellow")
