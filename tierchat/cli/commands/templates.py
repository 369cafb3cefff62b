"""`tierchat templates ls|show|edit`: ready-made prompts."""

from __future__ import annotations

from typing import Annotated

import typer

from tierchat.cli import completions
from tierchat.cli.options import home_of

Name = Annotated[
    str, typer.Argument(metavar="NAME", help="The template.", autocompletion=completions.templates)
]


def add_to(app: typer.Typer) -> None:
    """Register the group and its subcommands."""
    group = typer.Typer(
        help="List, show and edit prompt templates.", no_args_is_help=True, rich_markup_mode=None
    )
    for name, command in (("ls", ls), ("show", show), ("edit", edit)):
        group.command(name)(command)
    app.add_typer(group, name="templates")


def ls(context: typer.Context) -> None:
    """List the templates, yours and those that come with tierchat."""
    from tierchat.cli import templates
    from tierchat.errors import ConfigError
    from tierchat.terminal.output import standard_output
    from tierchat.terminal.table import table

    directory, output = home_of(context).paths.templates_dir, standard_output()
    rows: list[tuple[str, ...]] = []
    for name in templates.names(directory):
        is_own = templates.file_of(directory, name).exists()
        try:
            description = templates.load(directory, name).description
        except ConfigError as error:
            description = f"broken: {error.message}"
        rows.append((name, "yours" if is_own else "shipped", description))
    output.lines(table(rows))


def show(context: typer.Context, name: Name) -> None:
    """Print a template as a file of it would read."""
    from tierchat.cli import templates
    from tierchat.terminal.output import standard_output

    directory = home_of(context).paths.templates_dir
    standard_output().lines(templates.toml_lines(templates.load(directory, name)))


def edit(context: typer.Context, name: Name) -> None:
    """Edit a template of yours in $VISUAL or $EDITOR.

    A new one begins as a copy of the shipped template of that name, or with an example.
    """
    from tierchat.cli import templates
    from tierchat.paths import make_private
    from tierchat.terminal.editor import edit_file
    from tierchat.terminal.output import standard_output

    paths = home_of(context).paths
    file = templates.file_of(paths.templates_dir, name)
    make_private(paths.templates_dir)
    new = "" if file.exists() else templates.beginning(name)
    if new:
        file.write_text(new, "utf-8")
    try:
        edit_file(file)
    finally:
        # An example that was only looked at is not a template.
        if new and file.exists() and file.read_text("utf-8", "replace") == new:
            file.unlink()
    if not file.exists():
        standard_output().note("nothing was changed")
        return
    templates.load(paths.templates_dir, name)
    standard_output().note(f"tierchat ask -t {name} uses it")
