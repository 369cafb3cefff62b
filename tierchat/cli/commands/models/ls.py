"""`tierchat ls`: all models of the catalogue."""

from __future__ import annotations

import typer

from tierchat.cli.options import Json, Server, home_of


def add_to(app: typer.Typer) -> None:
    """Register the command."""
    app.command()(ls)


def ls(context: typer.Context, json: Json = False, server: Server = None) -> None:
    """List all models, and which of them are on this machine.

    Of a tierchat elsewhere it lists what can be asked there.
    """
    from tierchat.cli.actions.models import ModelListing
    from tierchat.cli.server import remote_of
    from tierchat.terminal.output import standard_output

    home, output = home_of(context), standard_output()
    if remote := remote_of(home, server):
        names = remote.models()
        output.json(names) if json else output.lines(names)
        return
    listing = ModelListing(home)
    if json:
        output.json(listing.list_facts())
    else:
        output.lines(listing.list_lines())
