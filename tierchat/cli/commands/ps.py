"""`tierchat ps`: which models are loaded."""

from __future__ import annotations

import typer

from tierchat.cli.options import Json, home_of


def add_to(app: typer.Typer) -> None:
    """Register the command."""
    app.command()(ps)


def ps(context: typer.Context, json: Json = False) -> None:
    """List the models: tier, state, memory, context, time left."""
    from tierchat.cli.actions.status import status_facts, worker_lines
    from tierchat.cli.lesson_text import lesson_lines
    from tierchat.service.client import Client
    from tierchat.terminal.output import standard_output

    home = home_of(context)
    found = Client(home.paths).status()
    output = standard_output()
    if json:
        output.json(status_facts(found))
    else:
        output.lines(worker_lines(found))
        output.lines(lesson_lines(home.paths, home.catalogue.cascades))
