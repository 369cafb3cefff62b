"""`tierchat train`: teach the small tiers when to ask."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tierchat.cli.options import Quiet, home_of

Prompts = Annotated[
    Path | None,
    typer.Option(metavar="FILE", help="JSON lines: prompt, answer, grader, family, group."),
]
Builtin = Annotated[bool, typer.Option("--builtin", help="A mix of reasoning-gym tasks.")]
FromHistory = Annotated[
    bool,
    typer.Option("--from-history", help="Your own saved prompts, with their /good and /bad marks."),
]
CascadeName = Annotated[
    str | None, typer.Option("--model", "-m", metavar="CASCADE", help="The cascade to teach.")
]


def add_to(app: typer.Typer) -> None:
    """Register the command."""
    app.command()(train)


def train(
    context: typer.Context,
    prompts: Prompts = None,
    builtin: Builtin = False,
    from_history: FromHistory = False,
    cascade: CascadeName = None,
    minutes: Annotated[
        float, typer.Option(metavar="N", min=0.0, help="Begin no round after so long.")
    ] = 10.0,
    max_prompts: Annotated[
        int, typer.Option(metavar="N", min=40, help="Learn from no more prompts than this.")
    ] = 2_500,
    ignore_token: Annotated[
        bool, typer.Option("--ignore-token", help="Do not read the models' own escalate token.")
    ] = False,
    seed: Annotated[int, typer.Option(metavar="N", help="Choose other prompts to hold out.")] = 0,
    quiet: Quiet = False,
) -> None:
    """Teach the small tiers when to ask a bigger one.

    Every tier answers every prompt; the answers are graded; one row a tier is fitted to tell
    beforehand who will be right. What was answered is kept: a run that was stopped goes on.

        tierchat train --prompts my.jsonl

    A line of the file: {"prompt": "2+2", "answer": "4", "grader": "number"}. Graders: exact,
    number, choice, regex, reasoning_gym:<task>.
    """
    from tierchat.cli.actions.train import TrainRequest, run
    from tierchat.learning.outcomes.sources import Source
    from tierchat.terminal.output import standard_output

    source = Source(prompts, builtin, from_history)
    request = TrainRequest(source, cascade, minutes, max_prompts, ignore_token, seed)
    output = standard_output(quiet=quiet)
    raise typer.Exit(run(request, home_of(context), output))
