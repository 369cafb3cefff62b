"""`tierchat train`: teaches the small tiers when to escalate."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Annotated

import typer

from tierchat.cli.options import Quiet, home_of

Prompts = Annotated[
    Path | None,
    typer.Option(metavar="FILE", help="JSON lines with prompt, answer, grader, family, group."),
]
Builtin = Annotated[
    bool, typer.Option("--builtin", help="Use the prompts that come with tierchat.")
]
FromHistory = Annotated[
    bool,
    typer.Option("--from-history", help="Use your saved prompts, with their /good and /bad marks."),
]
MaxAnswer = Annotated[
    int,
    typer.Option(metavar="N", min=1, help="Cut answers after N tokens; they count as they stand."),
]


def _refuse_endless(minutes: float) -> float:
    if not math.isfinite(minutes):
        raise typer.BadParameter(f"{minutes} is no number of minutes")
    return minutes


def add_to(app: typer.Typer) -> None:
    """Register the command."""
    app.command()(train)


def train(
    context: typer.Context,
    prompts: Prompts = None,
    builtin: Builtin = False,
    from_history: FromHistory = False,
    cascade: Annotated[
        str | None, typer.Option("--model", "-m", metavar="CASCADE", help="The cascade to teach.")
    ] = None,
    minutes: Annotated[
        float,
        typer.Option(
            metavar="N",
            min=0.0,
            # NaN passes every comparison of `min`.
            callback=_refuse_endless,
            help="Be done within N minutes; 0 runs one round to its end.",
        ),
    ] = 30.0,
    max_prompts: Annotated[
        int, typer.Option(metavar="N", min=40, help="Learn from at most this many prompts.")
    ] = 2_500,
    max_answer: MaxAnswer = 512,
    ignore_token: Annotated[
        bool, typer.Option("--ignore-token", help="Do not read the escalate token of the models.")
    ] = False,
    seed: Annotated[
        int, typer.Option(metavar="N", help="The seed that chooses the prompts to hold out.")
    ] = 0,
    quiet: Quiet = False,
) -> None:
    """Teach the small tiers when to escalate to a bigger one.

    Every tier answers every prompt, and the answers are graded. Then one row per tier is fitted
    that predicts, before a token is generated, which tiers will be right. All answers are kept, so
    a run that was stopped continues. The first prompts show how fast the tiers are; as many follow
    as the time allows. One lesson of a cascade runs at a time (exit code 5).

        tierchat train --prompts my.jsonl

    A line of the file looks like {"prompt": "2+2", "answer": "4", "grader": "number"}. Graders:
    exact, text, cased, number, choice, label, list, set, regex, json, rules, refuses, code,
    regex_works, sql, shell, reasoning_gym:<task>; see "Prompts to learn from" in docs/gates.md.
    """
    from tierchat.cli.actions.train import TrainRequest, run
    from tierchat.learning.outcomes.sources import Source
    from tierchat.terminal.output import standard_output

    source = Source(prompts, builtin, from_history)
    request = TrainRequest(
        source,
        cascade=cascade,
        minutes=minutes,
        max_prompts=max_prompts,
        max_answer=max_answer,
        ignore_token=ignore_token,
        seed=seed,
    )
    output = standard_output(quiet=quiet)
    raise typer.Exit(run(request, home_of(context), output))
