"""`tierchat serve`: lets the daemon listen on TCP, and says how to use it.

Does not know typer or sockets.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import urlsplit

import msgspec

from tierchat.cli.exit_codes import ExitCode
from tierchat.config.home import Home
from tierchat.errors import UsageError
from tierchat.service.messages import ServeStatus
from tierchat.service.network.key_file import KeyFile
from tierchat.service.network.order import Served, ServeOrder, order_of
from tierchat.service.network.serve_client import ServeClient
from tierchat.terminal.output import Output, standard_output
from tierchat.terminal.units import seconds


@dataclass(frozen=True)
class ServeRequest:
    """One `tierchat serve`; what is None or False is left to the settings."""

    host: str | None = None
    port: int | None = None
    no_key: bool = False
    expose: bool = False
    tls_cert: str | None = None
    tls_key: str | None = None
    origins: tuple[str, ...] = ()
    is_background: bool = False
    is_json: bool = False
    actions: tuple[str, ...] = ()


def run(request: ServeRequest, home: Home) -> int:
    """Do what was asked with this process's streams; returns the exit code."""
    output = standard_output()
    if len(request.actions) > 1:
        raise UsageError(f"--{' and --'.join(request.actions)} do not go together", "choose one")
    action = next(iter(request.actions), "")
    if action in ("show-key", "new-key"):
        key = KeyFile(home.paths.key_file)
        output.line(key.ensure() if action == "show-key" else key.renew())
        return ExitCode.DONE
    if action == "stop":
        was_on = ServeClient(home.paths).close()
        output.line("stopped listening" if was_on else "the daemon does not listen on TCP")
        return ExitCode.DONE
    if action == "uninstall":
        from tierchat.cli.actions.serving.unit import uninstall

        output.lines(uninstall(home.env))
        return ExitCode.DONE
    order = ordered(request, home)
    if action == "install":
        from tierchat.cli.actions.serving.unit import install

        output.lines(install(order, home.env))
        return ExitCode.DONE
    client = ServeClient(home.paths)
    if request.is_background:
        status = client.open(order)
        if request.is_json:
            output.json(status)
        else:
            output.lines(lines(status, "`tierchat serve --stop` ends it"))
        return ExitCode.DONE
    return _stay(client, order, output, is_json=request.is_json)


def ordered(request: ServeRequest, home: Home) -> ServeOrder:
    """Return the order of the settings with what was typed in its place."""
    told = order_of(home.settings)
    typed = {
        "host": request.host,
        "port": request.port,
        "has_key": False if request.no_key else None,
        "is_exposed": request.expose or None,
        "tls_cert": _absolute(request.tls_cert),
        "tls_key": _absolute(request.tls_key),
        "origins": request.origins or None,
    }
    given = {name: value for name, value in typed.items() if value is not None}
    return msgspec.convert({**msgspec.to_builtins(told), **given}, ServeOrder)


def _absolute(file: str | None) -> str | None:
    # The daemon has another working directory.
    return None if file is None else os.path.abspath(os.path.expanduser(file))


def _stay(client: ServeClient, order: ServeOrder, output: Output, *, is_json: bool) -> int:
    """Serve until Ctrl-C or the end of the daemon, with a line for every request."""
    is_owner = True
    try:
        for event in client.lease(order):
            if event.status:
                is_owner = event.is_owner
                _begin(event.status, output, is_owner=is_owner, is_json=is_json)
            elif event.served:
                _show(event.served, output, is_json=is_json)
            elif event.is_over:
                output.note("the daemon listens no more")
                return ExitCode.DONE
    except KeyboardInterrupt:
        end = "stopped listening; the daemon keeps its models" if is_owner else "the daemon goes on"
        output.note(end)
    return ExitCode.DONE


def _begin(status: ServeStatus, output: Output, *, is_owner: bool, is_json: bool) -> None:
    if is_json:
        output.json(status)
    else:
        end = "Ctrl-C ends it" if is_owner else "the daemon listens already, and goes on after this"
        output.lines(lines(status, end))


def _show(served: Served, output: Output, *, is_json: bool) -> None:
    if is_json:
        output.json(served)
        return
    tier = f" {served.tier}" if served.tier else ""
    output.note(
        f"{time.strftime('%T')} {served.client} {served.method} {served.path} "
        f"{served.status}{tier} {seconds(served.seconds)}"
    )


def _seen_from_there(url: str) -> str:
    """Return ", at URL" with this machine's own address if it listens on all; else nothing."""
    import socket

    parts = urlsplit(url)
    if parts.hostname != "127.0.0.1":
        return ""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            # An address for documentation. Nothing is sent: the system only chooses a way to it.
            probe.connect(("192.0.2.1", 9))
            own = probe.getsockname()[0]
        except OSError:
            return ""
    return f", at {url.replace('127.0.0.1', own, 1)}"


def lines(status: ServeStatus, end: str) -> Iterator[str]:
    """Say where the daemon listens and what a client needs."""
    yield f"listening at {status.url}"
    key = "none"
    if status.key_file:
        yield f"key: {status.key_file}; `tierchat serve --show-key` prints it"
        key = "$(tierchat serve --show-key)"
    else:
        yield "key: none is asked for; every program and user of this machine may ask"
    if status.is_open:
        yield (
            f"open to other machines{_seen_from_there(status.url)}: whoever has the key can ask "
            "and read `tierchat ps`"
        )
        if status.url.startswith("http:"):
            yield "not encrypted: key and questions can be read on the way; --tls-cert changes that"
    server = status.url.removesuffix("/v1")
    yield f'for OpenAI clients: export OPENAI_BASE_URL={status.url} OPENAI_API_KEY="{key}"'
    yield f"for tierchat elsewhere: export TIERCHAT_SERVER={server} TIERCHAT_KEY=..."
    yield end
