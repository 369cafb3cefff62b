"""`tierchat` itself: its own options, and the order of its commands.

Does not know what a command does.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import typer
from typer.core import TyperGroup

from tierchat import __version__


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
    """Register the options that stand before a command, and list the commands in this order."""

    class InOrder(TyperGroup):
        def list_commands(self, _context: object) -> list[str]:
            return [name for name in order if name in self.commands]

    app.callback(cls=InOrder)(root)


def root(version: Version = False) -> None:
    """A nest of local language models: the smallest that can answers.

    tierchat ask "2+2"
    """
