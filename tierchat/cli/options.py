"""Options that several commands share, and the few steps every command begins with."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from tierchat.cli import completions

if TYPE_CHECKING:
    from tierchat.config.home import Home

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


def home_of(context: typer.Context) -> Home:
    """Return the home of the user who runs the command; found once, when first asked for.

    `--help` needs no home, and must work where there is none. Raises UnsafePath.
    """
    # The import takes longer than all of `--help`.
    from tierchat.config.home import Home

    root = context.find_root()
    if root.obj is None:
        root.obj = Home.of_process()
    home: Home = root.obj
    return home
