"""`tierchat unload`: give memory back."""

from __future__ import annotations

from typing import Annotated

import typer

from tierchat.cli import completions
from tierchat.cli.options import Json, home_of


def add_to(app: typer.Typer) -> None:
    """Register the command."""
    app.command()(unload)


def unload(
    context: typer.Context,
    name: Annotated[
        str | None,
        typer.Argument(
            metavar="[NAME]",
            help="A model, tier or cascade; all unless named.",
            autocompletion=completions.pullable,
        ),
    ] = None,
    json: Json = False,
) -> None:
    """Unload models now.

    Their memory is free afterwards. One that is answering stays."""
    from tierchat.cli.actions.load import unload_lines
    from tierchat.terminal.output import standard_output

    output = standard_output()
    for line in unload_lines(name, home_of(context), is_json=json):
        output.line(line)
