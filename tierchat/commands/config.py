"""`tierchat config`: the settings in force, and the cascades."""

from __future__ import annotations

import os

import typer

from tierchat.commands.options import Json, our_paths


def add_to(app: typer.Typer) -> None:
    """Register the command."""
    app.command()(config)


def config(json: Json = False) -> None:
    """Check and print the settings and the cascades.

    Says of each setting where it comes from.
    """
    import msgspec

    from tierchat.config import load_catalogue, load_settings, setting_sources
    from tierchat.output import standard_output
    from tierchat.status_text import catalogue_lines

    paths = our_paths()
    settings, catalogue = load_settings(paths, os.environ), load_catalogue(paths)
    output = standard_output()
    if json:
        both = {"settings": settings, "models": catalogue.models, "cascades": catalogue.cascades}
        output.line(msgspec.json.encode(both).decode())
        return
    for key, source in setting_sources(paths, os.environ).items():
        value = getattr(settings, key)
        output.line(f"{key:<15} {'none' if value is None else value!s:<10} {source}")
    for line in catalogue_lines(catalogue):
        output.line(line)
