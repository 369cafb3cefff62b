"""`tierchat verify`: are the files the ones that were published?"""

from __future__ import annotations

from typing import Annotated

import typer

from tierchat.cli import completions
from tierchat.cli.options import Json, Quiet, home_of


def add_to(app: typer.Typer) -> None:
    """Register the command."""
    app.command()(verify)


def verify(
    context: typer.Context,
    names: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[MODEL]...",
            help="All that are here, unless named.",
            autocompletion=completions.models,
        ),
    ] = None,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Read model files whole and check them.

    Compares their sha256 with what was published. Exit code 1 if one is wrong."""
    import msgspec

    from tierchat.cli.actions.model_files import ModelFiles
    from tierchat.cli.exit_codes import ExitCode
    from tierchat.terminal.output import standard_output
    from tierchat.terminal.progress import Bars

    output = standard_output(quiet=quiet)
    with Bars(output) as bars:
        found = []
        for one in ModelFiles(home_of(context)).verify(tuple(names or ()), bars.tell):
            bars.close()
            found.append(one)
            if not json:
                output.line(f"{'✗' if one.problem else '✓'} {one.model} {one.problem}".rstrip())
    if json:
        rows = [{"model": one.model, "problem": one.problem or None} for one in found]
        output.line(msgspec.json.encode(rows).decode())
    is_wrong = any(each.problem for each in found)
    raise typer.Exit(ExitCode.FAILED if is_wrong else ExitCode.DONE)
