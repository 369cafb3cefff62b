"""The terminal's keys while no line is being read: typed ahead, they wait for the next prompt.

Does not know what is typed.
"""

from __future__ import annotations

import contextlib
import termios
from collections.abc import Iterator
from typing import Any

_INPUT, _LOCAL = 0, 3


class Keys:
    """The keyboard behind a descriptor; one that is no terminal is left alone."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._usual: list[Any] | None = None

    @contextlib.contextmanager
    def kept(self) -> Iterator[None]:
        """Show no key and lose none until a prompt reads them; Ctrl-C and Ctrl-Z still work."""
        try:
            self._usual = termios.tcgetattr(self._descriptor)
        except termios.error:
            yield
            return
        quiet = list(self._usual)
        # Enter stays what it is; a new line would be another key.
        quiet[_INPUT] &= ~termios.ICRNL
        quiet[_LOCAL] &= ~(termios.ECHO | termios.ICANON)
        with self._set(quiet):
            yield

    @contextlib.contextmanager
    def usual(self) -> Iterator[None]:
        """Give the terminal to another program as it was found."""
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
