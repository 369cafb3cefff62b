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
    """Print a template."""
    import msgspec

    from tierchat.cli import templates
    from tierchat.config.toml_text import toml_text
    from tierchat.terminal.output import standard_output

    directory = home_of(context).paths.templates_dir
    found = templates.load(directory, name)
    default = msgspec.to_builtins(templates.Template())
    output = standard_output()
    for key, value in msgspec.to_builtins(found).items():
        if key == "options":
            for option, given in value.items():
                if given not in (None, [], (), False):
                    output.line(f"options.{option} = {toml_text(given)}")
        elif value != default[key] or key == "prompt":
            # A prompt of many lines is read as it is written.
            shown = value if isinstance(value, str) else toml_text(value)
            output.line(f"{key} = {shown}")


def edit(context: typer.Context, name: Name) -> None:
    """Edit a template of yours in $VISUAL or $EDITOR.

    A template that does not exist yet is created.
    """
    from tierchat.cli import templates
    from tierchat.paths import make_private
    from tierchat.terminal.editor import edit_file
    from tierchat.terminal.output import standard_output

    paths = home_of(context).paths
    file = templates.file_of(paths.templates_dir, name)
    make_private(paths.templates_dir)
    if not file.exists():
        file.write_text(templates.EXAMPLE.format(name=name), "utf-8")
    edit_file(file)
    templates.load(paths.templates_dir, name)
    standard_output().note(f"tierchat ask -t {name} uses it")
