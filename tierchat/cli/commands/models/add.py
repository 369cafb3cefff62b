"""`tierchat add`: gives a name to any GGUF file."""

from __future__ import annotations

from typing import Annotated

import typer

from tierchat.cli.options import Offline, Quiet, Yes, home_of


def add_to(app: typer.Typer) -> None:
    """Register the command."""
    app.command()(add)


def add(
    context: typer.Context,
    name: Annotated[str, typer.Argument(metavar="NAME", help="The name to give the model.")],
    place: Annotated[
        str,
        typer.Argument(
            metavar="FILE",
            help="A GGUF file here, or owner/repo:file.gguf or owner/repo:Q4_K_M on the hub.",
        ),
    ] = "",
    template: Annotated[
        str,
        typer.Option(
            metavar="NAME|FILE",
            help="The chat template to use instead of the model's own: chatml, llama3, gemma, "
            "mistral, alpaca, vicuna, plain (questions and answers), none, or a Jinja file.",
        ),
    ] = "",
    yes: Yes = False,
    offline: Offline = False,
    quiet: Quiet = False,
) -> None:
    """Check any GGUF file and give it a name.

    The name stands for the model, and for a cascade of this one model. A file that cannot be
    loaded is refused, with the reason. A conversation is shown as the model reads it, and a
    sentence that the model writes.
    """
    from tierchat.cli.actions.add import Wish, add, refuse_order
    from tierchat.terminal.output import standard_output

    refuse_order(name, place)
    output = standard_output(quiet=quiet)
    wish = Wish(name, place, template, is_sure=yes, is_offline=offline)
    output.lines(add(wish, home_of(context), output))
