"""`tierchat top`: who asks, and which tiers are at work, live."""

from __future__ import annotations

from typing import Annotated

import typer

from tierchat.cli.options import Json, Server, home_of

_EVERY_S = 0.5
Once = Annotated[
    bool, typer.Option("--once", help="Print what is so now, as without a terminal, and end.")
]


def add_to(app: typer.Typer) -> None:
    """Register the command."""
    app.command()(top)


def top(
    context: typer.Context, once: Once = False, json: Json = False, server: Server = None
) -> None:
    """Watch live who asks, which tier answers, and how fast."""
    from tierchat.cli.actions.watching.status import status_facts
    from tierchat.cli.actions.watching.top import top_lines
    from tierchat.cli.server import client_of
    from tierchat.terminal.output import standard_output

    client, output = client_of(home_of(context), server), standard_output()
    if json:
        output.json(status_facts(client.status()))
    elif once or not output.is_out_terminal:
        output.lines(top_lines(client.status()))
    else:
        from tierchat.terminal.live_view import show_live

        show_live(lambda: top_lines(client.status()), _EVERY_S)
