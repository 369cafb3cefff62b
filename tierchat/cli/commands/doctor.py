"""`tierchat doctor`: what works here, and what to do about the rest."""

from __future__ import annotations

import typer

from tierchat.cli.options import home_of


def add_to(app: typer.Typer) -> None:
    """Register the command."""
    app.command()(doctor)


def doctor(context: typer.Context) -> None:
    """Check the installation, and ask one real question.

    Exits with 1 if a check fails.
    """
    from tierchat.cli.actions.doctor import examine
    from tierchat.cli.exit_codes import ExitCode
    from tierchat.terminal.output import standard_output

    output, num_bad = standard_output(), 0
    for finding in examine(home_of(context)):
        num_bad += not finding.is_good
        output.line(f"{'✓' if finding.is_good else '✗'} {finding.name:<12} {finding.detail}")
        if finding.advice:
            # Not wrapped: a command in it can be copied.
            output.answer(f"  {'':<12} {finding.advice}\n")
    raise typer.Exit(ExitCode.FAILED if num_bad else ExitCode.DONE)
