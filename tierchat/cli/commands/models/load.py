"""`tierchat load`: loads models into memory."""

from __future__ import annotations

from typing import Annotated

import typer

from tierchat.cli import completions
from tierchat.cli.options import Json, home_of


def add_to(app: typer.Typer) -> None:
    """Register the command."""
    app.command()(load)


def load(
    context: typer.Context,
    name: Annotated[
        str | None,
        typer.Argument(
            metavar="[NAME]",
            help="A model, tier or cascade; the default cascade unless named.",
            autocompletion=completions.pullable,
        ),
    ] = None,
    plan: Annotated[
        bool, typer.Option("--plan", help="Only show how the models would be loaded.")
    ] = False,
    json: Json = False,
) -> None:
    """Load models into memory.

    Prints the memory that they take, measured before and after.
    """
    from tierchat.cli.actions.load import load_lines, plan_lines
    from tierchat.terminal.output import standard_output

    output = standard_output()
    lines = plan_lines if plan else load_lines
    output.lines(lines(name, home_of(context), is_json=json))
