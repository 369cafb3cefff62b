"""`tierchat rm`: deletes the file of a model."""

from __future__ import annotations

from typing import Annotated

import typer

from tierchat.cli import completions
from tierchat.cli.options import Json, Yes, home_of


def add_to(app: typer.Typer) -> None:
    """Register the command."""
    app.command()(rm)


def rm(
    context: typer.Context,
    name: Annotated[
        str,
        typer.Argument(
            metavar="MODEL", help="The model to delete.", autocompletion=completions.models
        ),
    ],
    yes: Yes = False,
    json: Json = False,
) -> None:
    """Delete a pulled model, or forget an added one."""
    from tierchat.cli.actions.model_files import ModelFiles
    from tierchat.terminal.confirm import confirm
    from tierchat.terminal.output import standard_output
    from tierchat.terminal.units import size_text

    files, output = ModelFiles(home_of(context)), standard_output()
    removal = files.removal(name)
    for path in removal.deleted:
        output.note(str(path))
    confirm(
        output, f"{'Remove' if removal.deleted else 'Forget'} {name}?", is_sure=yes, default=False
    )
    freed = files.remove(removal)
    if json:
        kept = [str(path) for path in removal.kept]
        output.json({"model": name, "freed_bytes": freed, "kept": kept})
    elif removal.deleted:
        output.line(f"removed {name}, {size_text(freed)} freed")
    else:
        output.line(f"forgot {name}")
    if removal.kept:
        first, *others = removal.kept
        more = f" and {len(others)} more" if others else ""
        verb = "files stay" if others else "file stays"
        output.note(f"the {verb}, since {removal.why_kept}: {first}{more}")
