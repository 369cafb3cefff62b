"""`tierchat mcp`: the nest as tools for editors and agents."""

from __future__ import annotations

import typer

from tierchat.cli.options import Cascade, Server, home_of


def add_to(app: typer.Typer) -> None:
    """Register the command."""
    app.command()(mcp)


def mcp(context: typer.Context, cascade: Cascade = None, server: Server = None) -> None:
    """Be a tool of editors and agents (MCP).

    Editors and agents start this command and speak the Model Context Protocol over its standard
    input and output. They get the tools `ask` and `models`. It needs an extra:

        pip install "tierchat[mcp]"
    """
    from tierchat.cli.actions.mcp.start import run

    run(home_of(context), server, cascade)
