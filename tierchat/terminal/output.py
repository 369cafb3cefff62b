"""Printing: the answer on stdout, everything else on stderr, each stream checked separately.

The one file that writes to a terminal. Does not know the daemon or what a command does.
"""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TextIO

from tierchat.terminal.harmless import harmless

_ASCII = str.maketrans({"│": "|", "→": ">", "·": "-", "≈": "~", "…": "...", "✓": "+", "✗": "x"})
_USUAL_WIDTH = 80
_LEAST_WIDTH = 20
# Back to the beginning of the line, and erase it.
_ERASE = "\r\x1b[K"
_STYLES = {
    **{"plain": "0", "bold": "1", "dim": "2"},
    **{"red": "31", "green": "32", "yellow": "33", "cyan": "36"},
}


class StdoutClosed(Exception):
    """The reader of stdout closed it, as `| head -1` does. No OSError: typer would catch that."""


class Output:
    """The two streams of a command; `out` and `err` are None if they were closed."""

    def __init__(
        self, out: TextIO | None, err: TextIO | None, env: Mapping[str, str], *, quiet: bool = False
    ) -> None:
        self._out = out
        self._err = err
        self.is_quiet = quiet
        is_plain = bool(env.get("NO_COLOR")) or env.get("TERM", "dumb") == "dumb"
        self.is_out_terminal = _is_terminal(out)
        self.is_err_terminal = _is_terminal(err)
        self.has_colour = self.is_err_terminal and not is_plain
        # Whether Markdown is shown formatted.
        self.is_rich = self.is_out_terminal and not is_plain
        self._can_erase = self.is_err_terminal and env.get("TERM", "dumb") != "dumb"
        self._is_line_open = False
        self._has_status = False
        self._above: Callable[[str], None] | None = None

    @contextlib.contextmanager
    def lines_go(self, above: Callable[[str], None]) -> Iterator[None]:
        """Hand lines for the terminal to something that keeps a line of its own at its end."""
        self._above = above
        try:
            yield
        finally:
            self._above = None

    @property
    def out_descriptor(self) -> int | None:
        """The descriptor of a stdout that other commands may write into, too; no terminal."""
        try:
            return None if self._out is None or self.is_out_terminal else self._out.fileno()
        except (OSError, ValueError):
            return None

    def answer(self, text: str) -> None:
        """Write a piece of the answer on stdout; terminals get it without control characters."""
        self._close_line()
        self._print(harmless(text) if self.is_out_terminal else text)

    def _print(self, text: str) -> None:
        if self._out is None:
            raise StdoutClosed
        if self._above is not None and self.is_out_terminal:
            self._above(text)
            return
        try:
            self._out.write(text.encode("utf-8", "replace").decode())
            self._out.flush()
        except BrokenPipeError as error:
            raise StdoutClosed from error

    def rendered(self, text: str) -> None:
        """Write text that we have styled on stdout."""
        if text:
            self._close_line()
            self._print(text)

    def copy(self, text: str) -> None:
        """Copy text to the clipboard of the terminal (OSC 52), which also works through tmux."""
        import base64

        coded = base64.b64encode(text.encode("utf-8", "replace")).decode()
        self._write(f"\x1b]52;c;{coded}\x07")

    def line(self, text: str) -> None:
        """Write one line of a command's result on stdout; terminals get it wrapped."""
        if self.is_out_terminal:
            text = "\n".join(_wrapped(text.split("\n")))
        self.answer(text + "\n")

    def lines(self, texts: Iterable[str]) -> None:
        """Write a command's result on stdout, line by line as it comes."""
        for text in texts:
            self.line(text)

    def json(self, value: object) -> None:
        """Write a value on stdout as one line of JSON."""
        import msgspec

        self.answer(msgspec.json.encode(value).decode() + "\n")

    def status(self, text: str) -> None:
        """Show a line on stderr that whatever comes next replaces; an empty text removes it.

        Only on a terminal that can erase, and not while another line is there.
        """
        is_taken = self._is_line_open or self._above is not None
        if self.is_quiet or not self._can_erase or is_taken:
            return
        if text:
            self._has_status = True
            shown = harmless(text)[: terminal_width() - 1]
            self._write(_ERASE + self._styled(shown, "dim"))
        else:
            self._erase_status()

    def _erase_status(self) -> None:
        if self._has_status:
            self._has_status = False
            self._write(_ERASE)

    def thought(self, text: str) -> None:
        """Write a piece of a thought on stderr, dim."""
        self._erase_status()
        self._write(self._styled(harmless(text), "dim"))
        self._is_line_open = True

    def note(self, text: str, style: str = "dim") -> None:
        """Write a line on stderr unless quiet."""
        if not self.is_quiet:
            self._close_line()
            for line in self._said(harmless(text)) or [""]:
                self._write(self._styled(line, style) + "\n")

    def say(self, *lines: str) -> None:
        """Write lines on stderr, undimmed, unless quiet."""
        for line in lines:
            self.note(line, "plain")

    def question(self, text: str) -> None:
        """Write a question on stderr, even if quiet, and leave its line open for the answer."""
        self._close_line()
        self._write(self._styled(harmless(text), "bold"))

    def error(self, message: str, hint: str = "") -> None:
        """Write an error on stderr, even if quiet."""
        self._close_line()
        first, *rest = self._said(harmless(f"tierchat: {message}")) or [""]
        name, colon, said = first.partition(":")
        self._write(self._styled(name + colon, "red") + said + "\n")
        for line in rest:
            self._write(line + "\n")
        for line in self._said(harmless(f"hint: {hint}")) if hint else []:
            self._write(self._styled(line, "dim") + "\n")

    def _said(self, text: str) -> list[str]:
        lines = text.rstrip().splitlines()
        return _wrapped(lines) if self.is_err_terminal else lines

    def _close_line(self) -> None:
        self._erase_status()
        if self._is_line_open:
            self._is_line_open = False
            self._write("\n")

    def _styled(self, text: str, style: str) -> str:
        if not self.has_colour or not text or style == "plain":
            return text
        return f"\x1b[{_STYLES[style]}m{text}\x1b[0m"

    def _write(self, text: str) -> None:
        if self._err is None:
            return
        if not _speaks_unicode(self._err):
            text = text.translate(_ASCII).encode("ascii", "replace").decode()
        if self._above is not None:
            self._above(text)
            return
        # A closed stderr leaves nowhere to report that.
        with contextlib.suppress(OSError, ValueError):
            self._err.write(text)
            self._err.flush()


def standard_output(*, quiet: bool = False) -> Output:
    """Wrap this process's own streams."""
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure:
            reconfigure(errors="replace")
    return Output(sys.stdout, sys.stderr, os.environ, quiet=quiet)


def terminal_width() -> int:
    """Return the current number of columns of the terminal; 80 without a terminal."""
    for descriptor in (1, 2, 0):
        with contextlib.suppress(OSError):
            return os.get_terminal_size(descriptor).columns or _USUAL_WIDTH
    return _USUAL_WIDTH


def _wrapped(lines: Sequence[str]) -> list[str]:
    """Break long lines between words, where the terminal would break them anywhere."""
    width = max(_LEAST_WIDTH, terminal_width())
    if all(len(line) <= width for line in lines):
        return list(lines)
    from tierchat.terminal.wrapping import wrapped

    return [part for line in lines for part in wrapped(line, width)]


def abandon_stdout() -> None:
    """Point stdout at /dev/null, so that the interpreter's last flush cannot fail again."""
    with contextlib.suppress(OSError, ValueError, AttributeError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)


def _is_terminal(stream: TextIO | None) -> bool:
    try:
        return stream is not None and stream.isatty()
    except ValueError:
        return False


def _speaks_unicode(stream: TextIO) -> bool:
    return "utf" in (getattr(stream, "encoding", None) or "utf-8").lower()
