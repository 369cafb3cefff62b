"""The options that several commands share, and the home that `main` hands down.

Does not know what a command does.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tierchat.cli import completions

if TYPE_CHECKING:
    from tierchat.config.home import Home

Json = Annotated[
    bool, typer.Option("--json", help="Print JSON instead of text, one object per line.")
]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Print only errors on stderr.")]

Yes = Annotated[bool, typer.Option("--yes", "-y", help="Answer every question with yes.")]
Offline = Annotated[bool, typer.Option("--offline", help="Do not use the network.")]

System = Annotated[
    str | None, typer.Option("--system", "-s", metavar="TEXT", help="The system prompt.")
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
Server = Annotated[
    str | None,
    typer.Option(
        metavar="URL",
        help="Ask the tierchat at this address, as in http://HOST:8421; the key is TIERCHAT_KEY.",
    ),
]
Continue = Annotated[bool, typer.Option("--continue", "-c", help="Continue the last conversation.")]
Conversation = Annotated[
    str | None,
    typer.Option(
        "--conversation",
        "--cid",
        metavar="ID",
        help="Continue this conversation.",
        autocompletion=completions.conversations,
    ),
]
Tools = Annotated[
    list[str] | None,
    typer.Option(
        "--tool",
        "-T",
        metavar="NAME",
        help="Let the tiers call this tool: calc, clock, python, files or files:FOLDER, edit or "
        "edit:FOLDER, shell; may be repeated.",
        autocompletion=completions.tools,
    ),
]
NoLog = Annotated[bool, typer.Option("--no-log", "-n", help="Do not save the conversation.")]
HideReasoning = Annotated[
    bool, typer.Option("--hide-reasoning", "-R", help="Do not show what the tiers think.")
]
Plain = Annotated[bool, typer.Option("--plain", "-p", help="Print Markdown without formatting it.")]


def check_plot(file: Path | None) -> None:
    """Raise UsageError if no chart can be drawn to this file, or by this installation."""
    if file is None:
        return
    import importlib.util

    from tierchat.errors import UsageError

    if file.suffix not in (".png", ".svg", ".pdf"):
        raise UsageError(f"cannot draw to {file}", "end its name in .png, .svg or .pdf")
    if importlib.util.find_spec("matplotlib") is None:
        raise UsageError("drawing needs matplotlib", 'run: pip install "tierchat[train]"')


def home_of(context: typer.Context) -> Home:
    """Return the home of the user who runs the command; found once, when first asked for.

    `--help` needs no home, and must work where there is none. Raises UnsafePath.
    """
    # The import takes longer than all of `--help`.
    from tierchat.cli.home import find_home

    root = context.find_root()
    if root.obj is None:
        root.obj = find_home(is_quiet=bool(context.params.get("quiet")))
        from tierchat.cli.server import refuse_elsewhere

        refuse_elsewhere(root.obj, root.invoked_subcommand or "")
    home: Home = root.obj
    return home
