"""The process that runs tools: reads a call on each line of stdin, answers it on stdout.

Started by `process.py`. It can write no file, and has no more memory than its bound; whoever is
late is ended from outside.
"""

from __future__ import annotations

import os
import resource
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from tierchat.errors import TierchatError

_MAX_MEMORY = 2 * 1024**3


class Order(msgspec.Struct, frozen=True):
    """One call; `folders` are those whose files may be read."""

    tool: str
    arguments: dict[str, Any]
    folders: tuple[str, ...] = ()


class Reply(msgspec.Struct, frozen=True):
    """What came of a call: a text, or what went wrong."""

    text: str
    is_failed: bool = False


def main() -> None:
    """Answer calls until stdin ends."""
    _bind()
    replies = os.fdopen(os.dup(1), "wb")
    # What a library prints must not be taken for a reply.
    os.dup2(2, 1)
    tools = _Tools()
    try:
        for line in sys.stdin.buffer:
            reply = _answered(tools, msgspec.json.decode(line, type=Order))
            replies.write(msgspec.json.encode(reply) + b"\n")
            replies.flush()
    finally:
        tools.close()


def _bind() -> None:
    sys.dont_write_bytecode = True
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    _, most = resource.getrlimit(resource.RLIMIT_AS)
    limit = _MAX_MEMORY if most == resource.RLIM_INFINITY else min(most, _MAX_MEMORY)
    resource.setrlimit(resource.RLIMIT_AS, (limit, most))


def _answered(tools: _Tools, order: Order) -> Reply:
    try:
        text = tools.run(order)
        return Reply(text.encode("utf-8", "replace").decode())
    except TierchatError as error:
        return Reply(error.message, is_failed=True)
    except MemoryError:
        return Reply(f"{order.tool} took more memory than it may", is_failed=True)
    except Exception as error:
        return Reply(f"{order.tool} failed: {type(error).__name__}: {error}", is_failed=True)


class _Tools:
    """The tools that run here; each is imported when it is first called."""

    def __init__(self) -> None:
        self._interpreter: Any = None

    def run(self, order: Order) -> str:
        found: Callable[..., str] = self._found(order)
        return found(**order.arguments)

    def _found(self, order: Order) -> Callable[..., str]:
        if order.tool == "calc":
            from tierchat.tools.calc.calculator import calc

            return calc
        if order.tool == "python":
            if self._interpreter is None:
                from tierchat.tools.python import Interpreter

                self._interpreter = Interpreter()
            python: Callable[..., str] = self._interpreter.python
            return python
        from tierchat.tools.files.reading import Files

        files = Files([Path(folder) for folder in order.folders])
        reading: dict[str, Callable[..., str]] = {
            "list_files": files.list_files,
            "read_file": files.read_file,
            "search_files": files.search_files,
        }
        return reading[order.tool]

    def close(self) -> None:
        if self._interpreter is not None:
            self._interpreter.close()


if __name__ == "__main__":
    main()
