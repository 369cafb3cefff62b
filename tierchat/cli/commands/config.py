"""`tierchat config`: the settings in force, and the models and cascades."""

from __future__ import annotations

import typer

from tierchat.cli.options import Json, home_of


def add_to(app: typer.Typer) -> None:
    """Register the group and its subcommands."""
    group = typer.Typer(
        help="Show the settings and cascades; `check` explains every value.",
        invoke_without_command=True,
        rich_markup_mode=None,
    )
    group.callback()(_show_by_default)
    group.command()(check)
    app.add_typer(group, name="config")


def _show_by_default(context: typer.Context, json: Json = False) -> None:
    if context.invoked_subcommand is not None:
        return
    import msgspec

    from tierchat.cli.actions.status import catalogue_lines
    from tierchat.config.settings import setting_sources
    from tierchat.terminal.output import standard_output

    home, output = home_of(context), standard_output()
    settings, catalogue = home.settings, home.catalogue
    if json:
        both = {"settings": settings, "models": catalogue.models, "cascades": catalogue.cascades}
        output.line(msgspec.json.encode(both).decode())
        return
    for key, source in setting_sources(home.paths, home.env).items():
        value = getattr(settings, key)
        output.line(f"{key:<15} {'none' if value is None else value!s:<10} {source}")
    for line in catalogue_lines(catalogue):
        output.line(line)


def check(context: typer.Context, json: Json = False) -> None:
    """Check all files, and say of every value where it comes from.

    Exit code 2, with file and line, if one is wrong.
    """
    from tierchat.cli.actions.config import check_json, check_lines
    from tierchat.terminal.output import standard_output

    lines = check_json if json else check_lines
    for line in lines(home_of(context)):
        standard_output().line(line)
