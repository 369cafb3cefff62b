"""`tierchat ps`: which models are loaded."""

from __future__ import annotations

import typer

from tierchat.cli.options import Json, Server, home_of


def add_to(app: typer.Typer) -> None:
    """Register the command."""
    app.command()(ps)


def ps(context: typer.Context, json: Json = False, server: Server = None) -> None:
    """List the models: tier, state, memory, context, time left."""
    from tierchat.cli.actions.watching.status import status_facts, worker_lines
    from tierchat.cli.lesson_text import lesson_lines
    from tierchat.cli.server import client_of, server_of
    from tierchat.terminal.output import standard_output

    home = home_of(context)
    found = client_of(home, server).status()
    output = standard_output()
    if json:
        output.json(status_facts(found))
    else:
        output.lines(worker_lines(found))
        if not server_of(home, server):
            output.lines(lesson_lines(home.paths, home.catalogue.cascades))
