"""Whom a command asks: the daemon of this home, or a tierchat elsewhere.

Does not know what is asked.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from tierchat.config.home import Home
from tierchat.config.settings import KEY_VARIABLE
from tierchat.errors import TierchatError, UsageError
from tierchat.service.client import Client

if TYPE_CHECKING:
    from tierchat.service.remote.client import RemoteClient

# What works on this machine only, and would surprise where the settings name another.
LOCAL_COMMANDS = (
    *("pull", "show", "add", "rm", "verify", "load", "unload", "stop"),
    *("train", "eval", "gate", "logs", "stats"),
)


def server_of(home: Home, given: str | None = None) -> str:
    """Return the server that a command asks, as it was typed or set; empty for this machine."""
    return (home.settings.server if given is None else given).strip()


def remote_of(home: Home, given: str | None = None) -> RemoteClient | None:
    """Return the client of the server to ask, None for this machine; raises UsageError."""
    server = server_of(home, given)
    if not server:
        return None
    from tierchat.service.remote.address import parse_server
    from tierchat.service.remote.client import RemoteClient
    from tierchat.terminal.output import standard_output

    address = parse_server(server)
    key = _key(home)
    if address.is_readable_on_the_way:
        what = "your key and what you ask" if key else "what you ask"
        standard_output().note(f"{what} can be read on the way to {address.host}: no TLS", "yellow")
    return RemoteClient(address, key)


def client_of(home: Home, given: str | None = None) -> Client | RemoteClient:
    """Return the client of whom a command asks; raises UsageError."""
    return remote_of(home, given) or Client(home.paths)


def refuse_saved(server: str, is_continued: bool, conversation: str | None) -> None:
    """Raise UsageError where a saved conversation is to go on with a server."""
    if is_continued or conversation:
        raise UsageError(
            f"saved conversations are those of this machine, and you ask the tierchat at {server}",
            "leave out -c and --conversation; `tierchat` without a question opens a chat",
        )


def refuse_elsewhere(home: Home, command: str) -> None:
    """Raise UsageError for a command that works here only while a server elsewhere is set."""
    if command not in LOCAL_COMMANDS:
        return
    try:
        server = server_of(home)
    except TierchatError:
        # What is wrong with the settings is for the command to tell, if it needs them.
        return
    if server:
        raise UsageError(
            f"`{command}` works on this machine, and you ask the tierchat at {server}",
            f"for this machine: TIERCHAT_SERVER= tierchat {command}; for that one, run it there",
        )


def _key(home: Home) -> str:
    """Return the key for the server; raises UsageError or UnsafePath."""
    if key := home.env.get(KEY_VARIABLE, "").strip():
        if not (key.isascii() and key.isprintable()) or " " in key:
            raise UsageError(f"{KEY_VARIABLE} holds no key", "a key is letters, digits and signs")
        return key
    if file := home.settings.server_key_file:
        from tierchat.service.network.key_file import KeyFile

        return KeyFile(Path(file).expanduser()).read()
    return ""
