"""`tierchat paths`: where tierchat keeps its files."""

from __future__ import annotations

import typer

from tierchat.cli.options import Json, home_of


def add_to(app: typer.Typer) -> None:
    """Register the command."""
    app.command()(paths)


def paths(context: typer.Context, json: Json = False) -> None:
    """Print where tierchat keeps its files."""
    from tierchat.config.catalogue_files import shipped_models_file
    from tierchat.paths import shown
    from tierchat.terminal.output import standard_output

    found = home_of(context).paths
    places = {
        "config": found.config_file,
        "models": found.models_file,
        "added_models": found.added_models_file,
        "shipped_models": shipped_models_file(),
        "templates": found.templates_dir,
        "data": found.data_dir,
        "model_files": found.models_dir,
        "gates": found.gates_dir,
        "conversations": found.log_file,
        "outcomes": found.outcomes_file,
        "approvals": found.approvals_file,
        "state": found.state_dir,
        "history": found.history_file,
        "socket": found.socket,
        "daemon_log": found.daemon_log,
        "tool_calls": found.calls_log,
        "crash_log": found.crash_log,
    }
    output = standard_output()
    if json:
        output.json({name: shown(place) for name, place in places.items()})
        return
    for name, place in places.items():
        state = "" if place.exists() else "  (does not exist yet)"
        output.line(f"{name:<15} {shown(place)}{state}")
