"""`tierchat mcp`: checks that the extra is installed, then serves one client.

Does not know the protocol.
"""

from __future__ import annotations

import importlib.util
import signal
import sys

from tierchat.cli.server import server_of
from tierchat.config.home import Home
from tierchat.errors import UsageError
from tierchat.terminal.output import standard_output


def run(home: Home, server: str | None, cascade: str | None) -> None:
    """Serve until the client closes standard input; raises UsageError without the extra."""
    # Version 1 of the package has its types elsewhere.
    if not all(importlib.util.find_spec(name) for name in ("mcp", "mcp_types")):
        raise UsageError(
            "`tierchat mcp` needs the Python package mcp, version 2 or later",
            'run: pip install "tierchat[mcp]"',
        )
    if address := server_of(home, server):
        from tierchat.service.remote.address import parse_server

        # A mistyped address is told now, and not by every call.
        parse_server(address)
    if sys.stdin.isatty():
        standard_output().note(
            "this is for an editor or an agent, which speaks MCP over standard input and output; "
            "Ctrl-D ends it"
        )
    # A thread that waits for standard input would outlive an exception. There is nothing to tidy:
    # the daemon ends the work of a connection that closes.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    from tierchat.cli.actions.mcp.server import serve
    from tierchat.cli.actions.mcp.tools import Nest

    serve(Nest(home, server, cascade))
