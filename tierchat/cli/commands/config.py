"""`tierchat config`: the settings and cascades in force, and where each value comes from."""

from __future__ import annotations

import typer

from tierchat.cli.options import Json, home_of

_HELP = """Show the settings and cascades; `check` explains every value.

To change a setting, write it into config.toml, which `tierchat paths` names, as in
keepalive = "1h", or set a variable: TIERCHAT_KEEPALIVE=1h."""


def add_to(app: typer.Typer) -> None:
    """Register the group and its subcommands."""
    group = typer.Typer(
        short_help="Show the settings and cascades; `check` explains every value.",
        help=_HELP,
        invoke_without_command=True,
        rich_markup_mode=None,
    )
    group.callback()(_show_by_default)
    group.command()(check)
    app.add_typer(group, name="config")


def _show_by_default(context: typer.Context, json: Json = False) -> None:
    if context.invoked_subcommand is not None:
        return
    from tierchat.cli.actions.watching.status import catalogue_lines
    from tierchat.config.settings import setting_sources
    from tierchat.config.toml_text import toml_text
    from tierchat.terminal.output import standard_output

    home, output = home_of(context), standard_output()
    settings, catalogue = home.settings, home.catalogue
    if json:
        output.json(
            {"settings": settings, "models": catalogue.models, "cascades": catalogue.cascades}
        )
        return
    for key, source in setting_sources(home.paths, home.env).items():
        value = getattr(settings, key)
        output.line(f"{key:<15} {toml_text(value):<10} {source}")
    output.lines(catalogue_lines(catalogue))


def check(context: typer.Context, json: Json = False) -> None:
    """Check all files, and show where every value comes from.

    On a terminal, values are cut to its width; in a pipe they are whole.

    Exits with 2, naming file and line, if a value is wrong.
    """
    from tierchat.cli.actions.config import check_facts, check_lines
    from tierchat.terminal.output import standard_output, terminal_width

    home, output = home_of(context), standard_output()
    if json:
        output.json(check_facts(home))
    else:
        width = terminal_width() if output.is_out_terminal else None
        output.lines(check_lines(home, width))
