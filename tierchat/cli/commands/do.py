"""`tierchat do`: a wish in words becomes a command, explained, and run after a yes."""

from __future__ import annotations

from typing import Annotated

import typer

from tierchat.cli.ask.options import MinTier
from tierchat.cli.options import Cascade, NoLog, Quiet, Server, Tier, home_of

Words = Annotated[list[str], typer.Argument(metavar="WISH...", help="What is to be done.")]
Print = Annotated[
    bool, typer.Option("--print", help="Print the command and do not run it, for pipes.")
]
NoExplain = Annotated[
    bool, typer.Option("--no-explain", help="Show the command without explaining its parts.")
]


def add_to(app: typer.Typer) -> None:
    """Register the command."""
    app.command()(do)


def do(
    context: typer.Context,
    wish: Words,
    cascade: Cascade = None,
    tier: Tier = None,
    min_tier: MinTier = None,
    print_: Print = False,
    no_explain: NoExplain = False,
    no_log: NoLog = False,
    quiet: Quiet = False,
    server: Server = None,
) -> None:
    """Turn a wish into a shell command, and run it after a yes.

        tierchat do "find the largest files here"

    The command is shown with each of its parts explained. Nothing is run before you say yes at the
    terminal; the exit code is then that of the command.
    """
    from tierchat.cli.actions.doing.do import Wish, run

    asked = Wish(" ".join(wish), cascade, tier, min_tier, print_, no_explain, no_log, server)
    raise typer.Exit(run(asked, home_of(context), is_quiet=quiet))
