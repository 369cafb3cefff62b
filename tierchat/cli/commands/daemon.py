"""`tierchat daemon up|down|status|logs`: starts, stops and watches the daemon."""

from __future__ import annotations

import os
import time
from typing import Annotated

import typer

from tierchat.cli.options import Json, home_of

_LOOK_S = 0.2


def add_to(app: typer.Typer) -> None:
    """Register the group and its subcommands."""
    group = typer.Typer(
        help="Start, stop and watch the daemon that keeps the models loaded.",
        invoke_without_command=True,
        rich_markup_mode=None,
    )
    group.callback()(_status_by_default)
    for command in (up, down, status, logs):
        group.command()(command)
    app.add_typer(group, name="daemon")


def _status_by_default(context: typer.Context) -> None:
    if context.invoked_subcommand is None:
        status(context)


def up(context: typer.Context) -> None:
    """Start the daemon; `ask` also starts it when needed."""
    from tierchat.service.client import Client
    from tierchat.terminal.output import standard_output

    client, output = Client(home_of(context).paths), standard_output()
    running = client.status()
    if running:
        output.line(f"already running (PID {running.pid}); not starting a second daemon")
    else:
        output.line(f"started (PID {client.start().pid})")


def down(context: typer.Context) -> None:
    """Stop the daemon and free its memory.

    Running answers get ten seconds to finish.
    """
    from tierchat.service.client import Client
    from tierchat.terminal.output import standard_output

    was_running = Client(home_of(context).paths).stop()
    standard_output().line("stopped" if was_running else "the daemon is not running")


def status(context: typer.Context, json: Json = False) -> None:
    """Show whether the daemon runs, since when, and how busy it is.

    Exits with 5 if it does not run.
    """
    from tierchat.cli.actions.watching.status import daemon_lines, status_facts
    from tierchat.errors import DaemonUnreachable
    from tierchat.service.client import Client
    from tierchat.terminal.output import standard_output

    found = Client(home_of(context).paths).status()
    output = standard_output()
    if json:
        output.json(status_facts(found))
    else:
        output.lines(daemon_lines(found))
    if found is None:
        raise typer.Exit(DaemonUnreachable.exit_code)


def logs(
    context: typer.Context,
    num: Annotated[
        int, typer.Option("--lines", "-n", metavar="N", help="How many of the last lines to print.")
    ] = 50,
    follow: Annotated[
        bool, typer.Option("--follow", "-f", help="Keep printing new lines.")
    ] = False,
) -> None:
    """Print the daemon's log."""
    from tierchat.terminal.output import standard_output

    log, output = home_of(context).paths.daemon_log, standard_output()
    if not log.exists():
        output.note(f"no log yet: {log}")
        return
    file = log.open(errors="replace")
    for line in file.readlines()[-num:] if num > 0 else []:
        output.line(line.rstrip("\n"))
    while follow:
        line = file.readline()
        if line:
            output.line(line.rstrip("\n"))
        elif log.exists() and not os.path.samestat(log.stat(), os.fstat(file.fileno())):
            # A new daemon has started a new file.
            file.close()
            file = log.open(errors="replace")
        else:
            time.sleep(_LOOK_S)
