"""`tierchat eval`: measure a learned gate against every known policy."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tierchat.cli.commands.train import Builtin, CascadeName, FromHistory, Prompts
from tierchat.cli.options import Json, Quiet, home_of


def add_to(app: typer.Typer) -> None:
    """Register the command."""
    app.command("eval")(evaluate)


def evaluate(
    context: typer.Context,
    prompts: Prompts = None,
    builtin: Builtin = False,
    from_history: FromHistory = False,
    cascade: CascadeName = None,
    compare: Annotated[
        bool, typer.Option("--compare", help="Measure the policies of the literature, too.")
    ] = False,
    max_prompts: Annotated[
        int, typer.Option(metavar="N", min=1, help="Ask no more prompts than this.")
    ] = 2_500,
    plot: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Draw the curves as png, svg or pdf.")
    ] = None,
    json: Json = False,
    seed: Annotated[int, typer.Option(metavar="N", help="Choose other live prompts.")] = 0,
    quiet: Quiet = False,
) -> None:
    """Measure a learned gate.

    Every tier answers every prompt once, then every policy is replayed on the answers, and a live
    run checks the replay. Prompts that the gate was taught on are left out; --compare lets the
    other policies learn from them.
    """
    from tierchat.cli.actions.eval import EvalRequest, run
    from tierchat.learning.outcomes.sources import Source
    from tierchat.terminal.output import standard_output

    source = Source(prompts, builtin, from_history)
    request = EvalRequest(source, cascade, compare, max_prompts, plot, json, seed)
    output = standard_output(quiet=quiet)
    raise typer.Exit(run(request, home_of(context), output))
