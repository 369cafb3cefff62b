"""`tierchat eval`: measures a learned gate against other policies."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tierchat.cli.commands.train import Builtin, FromHistory, MaxAnswer, Prompts
from tierchat.cli.options import Json, Quiet, check_plot, home_of
from tierchat.learning.evaluation.controls.names import ALL, CONTROLS, chosen_controls

_POLICIES = (ALL, *(spec.name for spec in CONTROLS))


def add_to(app: typer.Typer) -> None:
    """Register the command."""
    app.command("eval")(evaluate)


def evaluate(
    context: typer.Context,
    prompts: Prompts = None,
    builtin: Builtin = False,
    from_history: FromHistory = False,
    cascade: Annotated[
        str | None, typer.Option("--model", "-m", metavar="CASCADE", help="The cascade to measure.")
    ] = None,
    compare: Annotated[
        str | None,
        typer.Option(
            metavar="POLICIES",
            help=f"Also measure other policies, such as `knn,ucci`. Known: {', '.join(_POLICIES)}.",
        ),
    ] = None,
    max_prompts: Annotated[
        int, typer.Option(metavar="N", min=1, help="Ask at most this many prompts.")
    ] = 2_500,
    max_answer: MaxAnswer = 512,
    plot: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Draw the curves to a png, svg or pdf file.")
    ] = None,
    json: Json = False,
    seed: Annotated[
        int, typer.Option(metavar="N", help="The seed that chooses the live prompts.")
    ] = 0,
    quiet: Quiet = False,
) -> None:
    """Measure how well a learned gate works.

    Every tier answers every prompt once, every policy is replayed on these answers, and a live run
    checks the replay. Prompts that the gate was taught on are left out; the policies of --compare
    are taught on them.
    """
    from tierchat.cli.actions.eval import EvalRequest, run
    from tierchat.learning.outcomes.sources import Source
    from tierchat.terminal.output import standard_output

    check_plot(plot)
    source = Source(prompts, builtin, from_history)
    request = EvalRequest(
        source,
        cascade=cascade,
        compare=() if compare is None else chosen_controls(compare),
        max_prompts=max_prompts,
        max_answer=max_answer,
        plot=plot,
        json=json,
        seed=seed,
    )
    output = standard_output(quiet=quiet)
    raise typer.Exit(run(request, home_of(context), output))
