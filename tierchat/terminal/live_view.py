"""A view of lines that fills the terminal and is drawn again and again, until `q` or Ctrl-C.

Does not know what the lines say.
"""

from __future__ import annotations

import contextlib
import select
import sys
import termios
import time
import tty
from collections.abc import Callable, Iterator, Sequence

from tierchat.terminal.harmless import harmless


def show_live(lines: Callable[[], Sequence[str]], every_s: float) -> None:
    """Draw what `lines` returns every so many seconds; raises what it raises."""
    from rich.console import Console
    from rich.live import Live
    from rich.text import Text

    console = Console(highlight=False)

    def frame() -> Text:
        cut = [harmless(line)[: console.width] for line in lines()]
        return Text("\n".join(cut[: console.height]), no_wrap=True, overflow="crop")

    # Read once before the screen is taken: an error then stands where the command was typed.
    first = frame()
    with (
        contextlib.suppress(KeyboardInterrupt),
        _keys() as is_quit_pressed,
        Live(first, console=console, screen=True, auto_refresh=False) as live,
    ):
        while not is_quit_pressed(every_s):
            live.update(frame(), refresh=True)


@contextlib.contextmanager
def _keys() -> Iterator[Callable[[float], bool]]:
    """Yield a function that waits for so many seconds and says whether `q` came meanwhile."""
    if not sys.stdin or not sys.stdin.isatty():
        yield _sleep
        return
    descriptor = sys.stdin.fileno()
    before = termios.tcgetattr(descriptor)
    tty.setcbreak(descriptor)

    def is_quit_pressed(seconds: float) -> bool:
        ends_s = time.monotonic() + seconds
        while (left_s := ends_s - time.monotonic()) > 0:
            if select.select([sys.stdin], [], [], left_s)[0]:
                key = sys.stdin.read(1)
                # Nothing comes from a terminal that is gone.
                if key in ("q", "Q", ""):
                    return True
        return False

    try:
        yield is_quit_pressed
    finally:
        termios.tcsetattr(descriptor, termios.TCSADRAIN, before)


def _sleep(seconds: float) -> bool:
    time.sleep(seconds)
    return False
