"""The tool `python`: small programs in an interpreter that has no files, network or environment.

By pydantic-monty, an interpreter of its own in a process of its own. Without that package there is
no such tool: nothing is ever run by this Python.
"""

from __future__ import annotations

import importlib.util
import textwrap
from typing import Any

from tierchat.tools.failure import ToolFailed

MAX_SECONDS = 5.0
_MAX_MEMORY = 128 * 1024 * 1024
_MAX_DEPTH = 200
_MAX_SLEEP_S = 0.1
_MAX_PRINTED = 64_000
# Time that a process gets to say by itself that its time is over.
_GRACE_S = 1.0


def is_installed() -> bool:
    """Whether the interpreter is there."""
    return importlib.util.find_spec("pydantic_monty") is not None


class Interpreter:
    """Runs programs, each from a clean slate. `close` ends its process."""

    def __init__(self) -> None:
        self._pool: Any = None

    def python(self, code: str) -> str:
        """Run a Python program and return what it prints.

        Use it for loops, searches and longer computations. There are no files, no network and no
        packages such as numpy; math, datetime, re and json can be imported.

        Args:
            code: the program; print what you want to see
        """
        import pydantic_monty as monty

        printed = monty.CollectString(max_bytes=_MAX_PRINTED)
        try:
            with self._interpreter().checkout(
                limits={
                    "max_feed_duration_secs": MAX_SECONDS,
                    "max_memory": _MAX_MEMORY,
                    "max_recursion_depth": _MAX_DEPTH,
                    "max_total_sleep_secs": _MAX_SLEEP_S,
                }
            ) as session:
                # Small models indent a program as it stands in their JSON.
                value = session.feed_run(textwrap.dedent(code), print_callback=printed)
        except monty.MontyCrashedError as error:
            late = getattr(error, "timed_out", False)
            why = f"it took longer than {MAX_SECONDS:g} s" if late else "it was ended"
            raise ToolFailed(_with(printed.output, f"the program did not finish: {why}")) from error
        except monty.MontyError as error:
            raise ToolFailed(_with(printed.output, _said(error))) from error
        shown = printed.output
        if value is not None:
            shown += f"{value!r}\n"
        return shown.rstrip("\n") or "(nothing was printed; print what you want to see)"

    def _interpreter(self) -> Any:
        if self._pool is None:
            import pydantic_monty as monty

            pool = monty.Monty(
                max_processes=1,
                checkout_timeout=MAX_SECONDS,
                request_timeout=MAX_SECONDS + _GRACE_S,
                max_checkouts_per_worker=1,
                feed_duration_limit_grace=_GRACE_S,
            )
            self._pool = pool.__enter__()
        return self._pool

    def close(self) -> None:
        """End the interpreter's process."""
        if self._pool is not None:
            pool, self._pool = self._pool, None
            pool.__exit__(None, None, None)


def _said(error: Exception) -> str:
    """Return what Python would say, without the names of files that do not exist."""
    display = getattr(error, "display", None)
    text = str(display()) if callable(display) else str(error)
    return text.strip() or type(error).__name__


def _with(printed: str, error: str) -> str:
    return f"{error}\nprinted before that:\n{printed.rstrip()}" if printed.strip() else error
