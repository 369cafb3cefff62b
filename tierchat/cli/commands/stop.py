"""`tierchat stop`: stops the daemon, or unloads one model."""

from __future__ import annotations

from typing import Annotated

import typer

from tierchat.cli import completions


def add_to(app: typer.Typer) -> None:
    """Register the command."""
    app.command()(stop)


def stop(
    context: typer.Context,
    name: Annotated[
        str | None,
        typer.Argument(
            metavar="[NAME]",
            help="Unload only this model, tier or cascade.",
            autocompletion=completions.pullable,
        ),
    ] = None,
) -> None:
    """Stop the daemon, or unload one model."""
    from tierchat.cli.commands.daemon import down
    from tierchat.cli.commands.models.unload import unload

    if name:
        unload(context, name)
    else:
        down(context)
