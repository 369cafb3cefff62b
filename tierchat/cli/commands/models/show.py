"""`tierchat show`: one model or cascade."""

from __future__ import annotations

from typing import Annotated

import typer

from tierchat.cli import completions
from tierchat.cli.options import Json, home_of


def add_to(app: typer.Typer) -> None:
    """Register the command."""
    app.command()(show)


def show(
    context: typer.Context,
    name: Annotated[
        str,
        typer.Argument(
            metavar="NAME", help="A model or a cascade.", autocompletion=completions.pullable
        ),
    ],
    json: Json = False,
) -> None:
    """Describe a model or a cascade."""
    from tierchat.cli.actions.models import ModelListing
    from tierchat.terminal.output import standard_output

    listing, output = ModelListing(home_of(context)), standard_output()
    if json:
        output.json(listing.show_facts(name))
    else:
        output.lines(listing.show_lines(name))
