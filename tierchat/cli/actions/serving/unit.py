"""The systemd unit of a user that serves after login: written, and removed again.

Does not know streams, nor runs systemctl: what is to be run is told.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

from tierchat.atomic_file import replace_file
from tierchat.errors import UnsafePath, UsageError
from tierchat.service.network.order import ServeOrder, check, resolved

NAME = "tierchat.service"
_MARK = "# Written by `tierchat serve --install`; `tierchat serve --uninstall` removes it."


def install(order: ServeOrder, env: Mapping[str, str]) -> Iterator[str]:
    """Write the unit; yields what to run next, and how to undo it.

    Raises UsageError without systemd, for an order that `serve` would refuse, and for a unit of
    that name that is not ours; UnsafePath if it cannot be written.
    """
    _need_systemd()
    check(order, resolved(order.host, order.port)[1])
    path = _path(env)
    _refuse_others(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        replace_file(path, unit(order, env).encode())
    except OSError as error:
        raise UnsafePath(f"cannot write {path}: {error.strerror}") from error
    yield f"wrote {path}"
    yield f"turn it on: systemctl --user daemon-reload && systemctl --user enable --now {NAME}"
    yield f"its log: journalctl --user -u {NAME}"
    yield "before any login, too: loginctl enable-linger"
    yield "undo: tierchat serve --uninstall"


def uninstall(env: Mapping[str, str]) -> Iterator[str]:
    """Remove the unit; yields what to run next. Raises UsageError for a unit that is not ours."""
    path = _path(env)
    if not path.exists():
        yield f"there is no {path}"
        return
    _refuse_others(path)
    try:
        path.unlink()
    except OSError as error:
        raise UnsafePath(f"cannot remove {path}: {error.strerror}") from error
    yield f"removed {path}"
    yield (f"end what runs: systemctl --user disable --now {NAME}; systemctl --user daemon-reload")


def unit(order: ServeOrder, env: Mapping[str, str]) -> str:
    """Return the text of the unit; what the settings say is written out, so that it stays."""
    words = [sys.executable, "-m", "tierchat", "serve", "--host", order.host]
    words += ["--port", str(order.port)]
    words += [] if order.has_key else ["--no-key"]
    words += ["--expose"] if order.is_exposed else []
    if order.tls_cert:
        words += ["--tls-cert", order.tls_cert, "--tls-key", order.tls_key]
    for origin in order.origins:
        words += ["--origin", origin]
    home = env.get("TIERCHAT_HOME")
    kept = {"TIERCHAT_HOME": os.path.abspath(os.path.expanduser(home))} if home else {}
    lines = [
        _MARK,
        "[Unit]",
        "Description=tierchat, a nest of local language models",
        "",
        "[Service]",
        # In a command, $ stands for itself when doubled.
        f"ExecStart={' '.join(map(_quoted, words)).replace('$', '$$')}",
        *(f"Environment={_quoted(f'{name}={value}')}" for name, value in kept.items()),
        "Restart=on-failure",
        "RestartSec=5",
        # The daemon gives answers under way ten seconds.
        "TimeoutStopSec=15",
        "",
        "[Install]",
        "WantedBy=default.target",
        "",
    ]
    return "\n".join(lines)


def _need_systemd() -> None:
    if not sys.platform.startswith("linux"):
        raise UsageError(
            "--install writes a unit for systemd, which this system does not have",
            "let your system run `tierchat serve` after login",
        )


def _path(env: Mapping[str, str]) -> Path:
    config = env.get("XDG_CONFIG_HOME") or "~/.config"
    return Path(config).expanduser() / "systemd" / "user" / NAME


def _refuse_others(path: Path) -> None:
    try:
        text = path.read_text("utf-8", errors="replace")
    except FileNotFoundError:
        return
    except OSError as error:
        raise UnsafePath(f"cannot read {path}: {error.strerror}") from error
    if not text.startswith(_MARK):
        raise UsageError(
            f"{path} was not written by tierchat", "move it away; tierchat does not change it"
        )


def _quoted(word: str) -> str:
    """Quote a word as systemd reads it: % stands for itself when doubled."""
    text = word.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%")
    return f'"{text}"' if set(text) & set(" \t\"'\\;") else text
