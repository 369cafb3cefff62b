"""`tierchat stats`: what the saved prompts cost, and what the small tiers saved."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tierchat.cli.options import Json, check_plot, home_of


def add_to(app: typer.Typer) -> None:
    """Register the command."""
    app.command()(stats)


def stats(
    context: typer.Context,
    days: Annotated[
        int | None, typer.Option(metavar="N", min=1, max=36_500, help="Count only the last N days.")
    ] = None,
    by: Annotated[
        str, typer.Option(metavar="WHAT", help="Group by day, model, template or conversation.")
    ] = "day",
    plot: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Draw a chart to a png, svg or pdf file.")
    ] = None,
    json: Json = False,
) -> None:
    """Show which tiers answered, and the compute saved.

    Also shows why the tiers below them did not answer.
    """
    from typing import cast, get_args

    from tierchat.conversations import stats as figures
    from tierchat.conversations.reader import open_log
    from tierchat.errors import UsageError, did_you_mean
    from tierchat.terminal.output import standard_output, terminal_width

    known = get_args(figures.By)
    if by not in known:
        raise UsageError(
            f"--by {by!r} is not known", did_you_mean(by, known, f"known: {', '.join(known)}")
        )
    check_plot(plot)
    kind = cast(figures.By, by)
    output = standard_output()
    with open_log(home_of(context).paths.log_file) as log:
        found = figures.collect(log.spent(days) if log else [], kind)
    if plot:
        try:
            figures.save_plot(found, kind, plot)
        except OSError as error:
            raise UsageError(f"cannot write {plot}: {error.strerror}") from error
    if json:
        output.json(found)
        return
    width = terminal_width() if output.is_out_terminal else 100
    output.lines(figures.lines(found, kind, width))
