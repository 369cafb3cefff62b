"""`tierchat` without a command: its options, and the order in which help lists the commands.

Does not know what a command does.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import typer
from typer.core import TyperGroup

from tierchat import __version__
from tierchat.cli.mistakes import options_before
from tierchat.cli.options import (
    Cascade,
    Continue,
    Conversation,
    HideReasoning,
    NoLog,
    Plain,
    Server,
    System,
    Tier,
    Tools,
    home_of,
)
from tierchat.errors import UsageError


def _show_version(is_asked: bool) -> None:
    if is_asked:
        print(f"tierchat {__version__}", flush=True)
        raise typer.Exit


Version = Annotated[
    bool,
    typer.Option(
        "--version", is_eager=True, callback=_show_version, help="Show the version and exit."
    ),
]


def add_to(app: typer.Typer, order: Sequence[str]) -> None:
    """Register the options before a command, and list the commands in this order."""

    class InOrder(TyperGroup):
        def list_commands(self, _context: object) -> list[str]:
            return [name for name in order if name in self.commands]

    app.callback(cls=InOrder, invoke_without_command=True)(root)


def root(
    context: typer.Context,
    version: Version = False,
    cascade: Cascade = None,
    system: System = None,
    tier: Tier = None,
    continue_: Continue = False,
    conversation: Conversation = None,
    no_log: NoLog = False,
    hide_reasoning: HideReasoning = False,
    plain: Plain = False,
    tool: Tools = None,
    server: Server = None,
) -> None:
    """Ask a cascade of local language models; the smallest one able to answer does.

    Without a command a chat opens, and the options below apply to it. To ask one question:

    tierchat ask "2+2"
    """
    if context.invoked_subcommand is not None:
        if line := options_before(context):
            raise UsageError(
                "the options before a command are those of the chat, and the command ignores them",
                f"write them after it: {line}",
            )
        return
    from tierchat.cli.chat.start import run

    raise typer.Exit(
        run(
            home_of(context),
            cascade=cascade,
            system=system,
            tier=tier,
            is_continued=continue_,
            conversation=conversation,
            no_log=no_log,
            hide_reasoning=hide_reasoning,
            plain=plain,
            server=server,
            tools=tool or (),
        )
    )
