"""The home of the person at the command line, found once, with a word on variables it ignores.

Does not know commands.
"""

from __future__ import annotations

import os

from tierchat.config.home import Home


def find_home(*, is_quiet: bool = False) -> Home:
    """Return the home of the user who runs this process; raises UnsafePath.

    A variable that looks like a setting of ours and is none is told on stderr.
    """
    home = Home.of_process()
    if not is_quiet:
        _warn_of_unknown()
    return home


def _warn_of_unknown() -> None:
    # Nearly every command has none, or the home alone: settings are not even imported for those.
    if all(name == "TIERCHAT_HOME" for name in os.environ if name.upper().startswith("TIERCHAT_")):
        return
    from tierchat.config.settings import unknown_variables
    from tierchat.terminal.output import standard_output

    for name, hint in unknown_variables(os.environ).items():
        note = f"{name} is set, but tierchat knows no such variable: {hint}"
        standard_output().note(note, "yellow")
