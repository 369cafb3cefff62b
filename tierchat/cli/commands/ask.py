"""`tierchat ask`: one prompt in, one answer out."""

from __future__ import annotations

import inspect
from typing import Any

import typer

from tierchat.cli.ask.options import AskRequest, parameters
from tierchat.cli.options import home_of


def add_to(app: typer.Typer) -> None:
    """Register the command; typer reads its options from the fields of the request."""
    context = inspect.signature(ask, eval_str=True).parameters["context"]
    signature = inspect.Signature([context, *parameters()])
    ask.__signature__ = signature  # type: ignore[attr-defined]
    app.command()(ask)


def ask(context: typer.Context, **options: Any) -> None:
    """Ask a question; the smallest model able to answer does.

    The answer goes to stdout, everything else to stderr. Standard input is added to the prompt:

        git diff | tierchat ask "write the commit message"

    Exit codes: 0 answered, 1 error or an answer cut short or empty, 2 usage or configuration,
    3 model missing, 4 not enough memory or disk, 5 daemon unreachable, 6 network, 7 prompt too
    long, 8 answered by a lower tier than asked for, 9 no tier could answer, 124 timeout,
    130 Ctrl-C, 141 stdout was closed.
    """
    from tierchat.cli.actions.ask import run

    raise typer.Exit(run(AskRequest(**options), home_of(context)))
