"""`tierchat paths`: where everything is."""

from __future__ import annotations

import typer

from tierchat.cli.options import Json, home_of


def add_to(app: typer.Typer) -> None:
    """Register the command."""
    app.command()(paths)


def paths(context: typer.Context, json: Json = False) -> None:
    """Print where tierchat keeps its files."""
    import msgspec

    from tierchat.config.catalogue import shipped_models_file
    from tierchat.terminal.output import standard_output

    found = home_of(context).paths
    places = {
        "config": found.config_file,
        "models": found.models_file,
        "shipped_models": shipped_models_file(),
        "data": found.data_dir,
        "state": found.state_dir,
        "cache": found.cache_dir,
        "socket": found.socket,
        "daemon_log": found.daemon_log,
        "crash_log": found.crash_log,
    }
    output = standard_output()
    if json:
        output.line(msgspec.json.encode({k: str(v) for k, v in places.items()}).decode())
        return
    for name, place in places.items():
        there = "" if place.exists() else "  (not there yet)"
        output.line(f"{name:<15} {place}{there}")
