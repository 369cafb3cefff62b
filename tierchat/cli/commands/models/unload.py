"""`tierchat unload`: removes models from memory."""

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
            help="A model, tier or cascade; all models unless named.",
            autocompletion=completions.pullable,
        ),
    ] = None,
    json: Json = False,
) -> None:
    """Remove models from memory.

    A model that is answering stays loaded.
    """
    from tierchat.cli.actions.load import unload_lines
    from tierchat.terminal.output import standard_output

    output = standard_output()
    output.lines(unload_lines(name, home_of(context), is_json=json))
