"""`tierchat tools`: what tiers may call, what holds for each tool, and what was called."""

from __future__ import annotations

from typing import Annotated

import typer

from tierchat.cli.options import Json, home_of

Name = Annotated[str, typer.Argument(metavar="NAME", help="A tool, as `tierchat tools ls` has it.")]
Wanted = Annotated[
    str,
    typer.Argument(metavar="HOW", help="ask (each time), session (once a chat), always, or never."),
]
Count = Annotated[int, typer.Option("--num", "-n", metavar="N", min=1, help="How many calls.")]


def add_to(app: typer.Typer) -> None:
    """Register the command and what it does."""
    group = typer.Typer(no_args_is_help=True, help="List the tools of -T; choose what they may do.")
    group.command("ls")(ls)
    group.command("allow")(allow)
    group.command("log")(log)
    app.add_typer(group, name="tools")


def ls(context: typer.Context, as_json: Json = False) -> None:
    """List the tools, and which of their calls are asked for."""
    from tierchat.cli.actions import tools
    from tierchat.terminal.output import standard_output

    standard_output().lines(tools.listed(home_of(context).paths, is_json=as_json))


def allow(context: typer.Context, name: Name, how: Wanted) -> None:
    """Choose whether calls of a tool are asked for.

    What changes files is asked for unless you choose otherwise, and then shown; the shell is asked
    for each time, or never used. Without a terminal neither is run.
    """
    from tierchat.cli.actions import tools
    from tierchat.terminal.output import standard_output

    standard_output().say(tools.allow(home_of(context).paths, name, how))


def log(context: typer.Context, num: Count = 20, as_json: Json = False) -> None:
    """Show the last calls of tools, run or refused, the newest last."""
    from tierchat.cli.actions import tools
    from tierchat.terminal.output import standard_output

    standard_output().lines(tools.logged(home_of(context).paths, num, is_json=as_json))
