"""`tierchat pull`: fetches models, smallest first."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tierchat.cli import completions
from tierchat.cli.options import Json, Offline, Quiet, Yes, home_of


def add_to(app: typer.Typer) -> None:
    """Register the command."""
    app.command()(pull)


def pull(
    context: typer.Context,
    names: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[NAME]...",
            help="Cascades, models, owner/repo:file.gguf, owner/repo:Q4_K_M; else what fits best.",
            autocompletion=completions.pullable,
        ),
    ] = None,
    plan: Annotated[bool, typer.Option("--plan", help="Only show what would be fetched.")] = False,
    source: Annotated[
        Path | None,
        typer.Option("--from", metavar="FILE", help="Take the model from this file."),
    ] = None,
    ctx: Annotated[
        int,
        typer.Option(
            metavar="N", min=0, help="Plan for N tokens of context; 0 for the most that fit."
        ),
    ] = 0,
    teach: Annotated[
        bool | None,
        typer.Option(
            "--teach/--no-teach", help="Let the cascade teach itself in idle time; else asked."
        ),
    ] = None,
    yes: Yes = False,
    offline: Offline = False,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Fetch models, smallest first.

    Shows what fits this machine and asks once. The cascade answers as soon as its first model is
    here. An interrupted download continues where it stopped. HF_TOKEN, HF_ENDPOINT and files in
    the Hugging Face cache are used.
    """
    from tierchat.cli.actions.pull import PullRequest, pull
    from tierchat.errors import UsageError
    from tierchat.terminal.output import standard_output

    if source and len(names or ()) != 1:
        raise UsageError("--from gives the file of one model", "name that model")
    request = PullRequest(
        names=tuple(names or ()),
        source=source,
        context=ctx,
        is_sure=yes,
        only_plan=plan,
        is_offline=offline,
        is_json=json,
        teaches=teach,
    )
    pull(request, home_of(context), standard_output(quiet=quiet))
