"""`tierchat gate ls|show|rm|export|import|teach`: the learned gates."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tierchat.cli.options import Json, Yes, home_of

Cascade = Annotated[str, typer.Argument(metavar="CASCADE", help="The cascade of the gate.")]


def add_to(app: typer.Typer) -> None:
    """Register the group and its subcommands."""
    group = typer.Typer(
        help="Look after learned gates, and let cascades teach themselves.",
        no_args_is_help=True,
        rich_markup_mode=None,
    )
    for name, command in (
        ("ls", ls),
        ("show", show),
        ("rm", rm),
        ("export", export),
        ("import", import_),
        ("teach", teach),
    ):
        group.command(name)(command)
    app.add_typer(group, name="gate")


def ls(context: typer.Context, json: Json = False) -> None:
    """List the learned gates, and whether they are in use."""
    from tierchat.cli.actions.gate import LearnedGates
    from tierchat.terminal.output import standard_output

    gates, output = LearnedGates(home_of(context)), standard_output()
    if json:
        output.json(gates.list_facts())
    else:
        output.lines(gates.list_lines())


def show(context: typer.Context, cascade: Cascade, json: Json = False) -> None:
    """Show how a gate was taught, and its quality and cost."""
    from tierchat.cli.actions.gate import LearnedGates, print_head
    from tierchat.terminal.output import standard_output

    head, output = LearnedGates(home_of(context)).head(cascade), standard_output()
    if json:
        output.json(head)
    else:
        print_head(head, output)


def rm(context: typer.Context, cascade: Cascade, yes: Yes = False) -> None:
    """Remove a gate; the cascade works on without it."""
    from tierchat.cli.actions.gate import LearnedGates
    from tierchat.terminal.confirm import confirm
    from tierchat.terminal.output import standard_output

    gates, output = LearnedGates(home_of(context)), standard_output()
    gates.refuse_unknown(cascade)
    confirm(output, f"Remove the gate of {cascade}?", is_sure=yes, default=False)
    gates.remove(cascade)
    output.line(f"removed the gate of {cascade}")


def export(
    context: typer.Context,
    cascade: Cascade,
    file: Annotated[
        Path,
        typer.Argument(
            metavar="FILE.json", help="The file to write; an npz file is written beside it."
        ),
    ],
) -> None:
    """Export a gate, for people with the same models."""
    from tierchat.cli.actions.gate import LearnedGates
    from tierchat.terminal.output import standard_output

    LearnedGates(home_of(context)).export_to(cascade, file)
    standard_output().line(f"wrote {file} and {file.with_suffix('.npz')}")


def import_(
    context: typer.Context,
    file: Annotated[
        Path,
        typer.Argument(metavar="FILE.json", help="The file to read, with its npz file beside it."),
    ],
) -> None:
    """Import a gate that was taught elsewhere on the same models."""
    from tierchat.cli.actions.gate import LearnedGates
    from tierchat.terminal.output import standard_output

    standard_output().line(
        f"imported the gate of {LearnedGates(home_of(context)).import_from(file)}"
    )


def teach(
    context: typer.Context,
    cascade: Cascade,
    off: Annotated[bool, typer.Option("--off", help="Let it teach itself no more.")] = False,
) -> None:
    """Let a cascade teach itself in idle time.

    The lesson runs while nothing is asked, on mains power, at most half of the time, and stops at
    once when a prompt comes; `tierchat gate ls` shows how far it is. The settings teach,
    teach_idle_s, teach_share, teach_on_battery and audit_share change that.
    """
    from tierchat.cli.actions.lessons import let_teach
    from tierchat.errors import UsageError
    from tierchat.terminal.output import standard_output

    home = home_of(context)
    if len(home.catalogue.find(cascade).tiers) < 2:
        raise UsageError(f"{cascade} has only one tier", "name a cascade with a tier above another")
    let_teach(cascade, home, standard_output(), is_wanted=not off)
