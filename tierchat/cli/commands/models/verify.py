"""`tierchat verify`: compares model files with what was published."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from tierchat.cli import completions
from tierchat.cli.options import Json, Quiet, home_of

if TYPE_CHECKING:
    from tierchat.cli.actions.model_files import Verified


def add_to(app: typer.Typer) -> None:
    """Register the command."""
    app.command()(verify)


def verify(
    context: typer.Context,
    names: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[MODEL]...",
            help="The models to check; all that are here unless named.",
            autocompletion=completions.models,
        ),
    ] = None,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Check model files against their published sha256.

    Reads every file whole. Exits with 1 if a file is wrong.
    """
    from tierchat.cli.actions.model_files import ModelFiles
    from tierchat.cli.exit_codes import ExitCode
    from tierchat.terminal.output import standard_output
    from tierchat.terminal.progress import Bars

    output = standard_output(quiet=quiet)
    with Bars(output) as bars:
        found = []
        for file in ModelFiles(home_of(context)).verify(tuple(names or ()), bars.tell):
            bars.close()
            found.append(file)
            if not json:
                output.line(_line(file))
    if json:
        output.json([{"model": file.model, "problem": file.problem or None} for file in found])
    is_wrong = any(file.problem for file in found)
    raise typer.Exit(ExitCode.FAILED if is_wrong else ExitCode.DONE)


def _line(file: Verified) -> str:
    if file.problem:
        return f"✗ {file.model} {file.problem}"
    about = "" if file.is_published else " (sound; no published sha256 to compare with)"
    return f"✓ {file.model}{about}"
