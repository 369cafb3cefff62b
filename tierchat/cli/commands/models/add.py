"""`tierchat add`: make any GGUF known by a name."""

from __future__ import annotations

from typing import Annotated

import typer

from tierchat.cli.options import Offline, Quiet, Yes, home_of


def add_to(app: typer.Typer) -> None:
    """Register the command."""
    app.command()(add)


def add(
    context: typer.Context,
    name: Annotated[str, typer.Argument(metavar="NAME", help="What to call it.")],
    place: Annotated[
        str, typer.Argument(metavar="FILE", help="A GGUF here, or owner/repo:file.gguf.")
    ],
    yes: Yes = False,
    offline: Offline = False,
    quiet: Quiet = False,
) -> None:
    """Look into any GGUF and make it known.

    It becomes a model, and a cascade of itself. Says why when it would not load.
    """
    from tierchat.cli.actions.add import add
    from tierchat.terminal.output import standard_output

    output = standard_output(quiet=quiet)
    for line in add(name, place, home_of(context), output, is_sure=yes, is_offline=offline):
        output.line(line)
