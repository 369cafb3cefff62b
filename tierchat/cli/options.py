"""Options that several commands share, and the few steps every command begins with."""

from __future__ import annotations

import os
from typing import Annotated

import typer

from tierchat.cli import completions
from tierchat.paths import Paths, find_paths

Json = Annotated[bool, typer.Option("--json", help="Print one JSON object on one line.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Say nothing but errors on stderr.")]

Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]
Offline = Annotated[bool, typer.Option("--offline", help="Do not touch the network.")]

System = Annotated[
    str | None, typer.Option("--system", "-s", metavar="TEXT", help="A system text.")
]
Tier = Annotated[
    str | None,
    typer.Option(metavar="NAME", help="Ask only this tier.", autocompletion=completions.tiers),
]
Cascade = Annotated[
    str | None,
    typer.Option(
        "--model",
        "-m",
        metavar="CASCADE",
        help="The cascade to ask.",
        autocompletion=completions.cascades,
    ),
]
Continue = Annotated[
    bool, typer.Option("--continue", "-c", help="Go on with the last conversation.")
]
Conversation = Annotated[
    str | None,
    typer.Option(
        "--conversation",
        "--cid",
        metavar="ID",
        help="Go on with this one.",
        autocompletion=completions.conversations,
    ),
]
NoLog = Annotated[bool, typer.Option("--no-log", "-n", help="Do not save what is said.")]
HideReasoning = Annotated[
    bool, typer.Option("--hide-reasoning", "-R", help="Do not show what tiers work out.")
]
Raw = Annotated[bool, typer.Option("--raw", "-r", help="Show Markdown as it is.")]


def our_paths() -> Paths:
    """Find the directories of whoever runs the command."""
    return find_paths(os.environ)
