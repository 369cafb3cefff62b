"""`tierchat ls`: all models of the catalogue."""

from __future__ import annotations

import typer

from tierchat.cli.options import Json, home_of


def add_to(app: typer.Typer) -> None:
    """Register the command."""
    app.command()(ls)


def ls(context: typer.Context, json: Json = False) -> None:
    """List all models, and which of them are on this machine."""
    from tierchat.cli.actions.models import ModelListing
    from tierchat.terminal.output import standard_output

    listing, output = ModelListing(home_of(context)), standard_output()
    if json:
        output.json(listing.list_facts())
    else:
        output.lines(listing.list_lines())
