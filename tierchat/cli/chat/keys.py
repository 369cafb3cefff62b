"""The keyboard while no line is being read: keys typed ahead wait for the next prompt.

Does not know what is typed.
"""

from __future__ import annotations

import contextlib
import termios
from collections.abc import Iterator
from typing import Any

_INPUT, _LOCAL = 0, 3


class Keys:
    """The keyboard behind a file descriptor; anything but a terminal is left alone."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._usual: list[Any] | None = None

    @contextlib.contextmanager
    def kept(self) -> Iterator[None]:
        """Neither echo nor lose keys until a prompt reads them; Ctrl-C and Ctrl-Z still work."""
        try:
            self._usual = termios.tcgetattr(self._descriptor)
        except termios.error:
            yield
            return
        quiet = list(self._usual)
        # Enter must stay a carriage return: to the line editor a newline is another key.
        quiet[_INPUT] &= ~termios.ICRNL
        quiet[_LOCAL] &= ~(termios.ECHO | termios.ICANON)
        with self._set(quiet):
            yield

    @contextlib.contextmanager
    def usual(self) -> Iterator[None]:
        """Restore the terminal for another program, such as an editor."""
        if self._usual is None:
            yield
            return
        with self._set(self._usual):
            yield

    @contextlib.contextmanager
    def _set(self, attributes: list[Any]) -> Iterator[None]:
        before = termios.tcgetattr(self._descriptor)
        termios.tcsetattr(self._descriptor, termios.TCSADRAIN, attributes)
        try:
            yield
        finally:
            termios.tcsetattr(self._descriptor, termios.TCSADRAIN, before)
