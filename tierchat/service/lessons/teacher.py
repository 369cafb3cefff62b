"""Cascades that teach themselves while nobody asks: when a lesson may run, and when it must not.

Does not know what a lesson does: a child process does it, on workers that the daemon lends.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import sys
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path

from tierchat.config.settings import Settings
from tierchat.config.teach_choice import taught_cascades
from tierchat.gates.lesson_state import read_state
from tierchat.paths import Paths
from tierchat.process_lock import read_holder
from tierchat.service.lessons.activity import Activity
from tierchat.service.lessons.power import is_on_battery
from tierchat.service.protocols import ModelKeeper
from tierchat.workers.lending import Lender

CHILD_ARGV = (sys.executable, "-m", "tierchat.learning.training.self_teaching")
# More would make a decode longer, and take the cells of more conversations.
_NUM_AT_ONCE = 8
_LOOK_S = 1.0
# A lesson that is over, or failed, is looked at again after so many idle times.
_AGAIN_TIMES = 30


class Teacher:
    """Starts, pauses and ends lessons, one at a time. One event loop owns it."""

    def __init__(
        self,
        keeper: ModelKeeper,
        activity: Activity,
        paths: Paths,
        settings: Settings,
        on_battery: Callable[[], bool] = is_on_battery,
    ) -> None:
        self._keeper, self._activity, self._paths = keeper, activity, paths
        self._settings, self._on_battery = settings, on_battery
        self._not_before_s: dict[str, float] = {}
        self._lesson: _Lesson | None = None
        # The cascade that is being taught; empty if none is.
        self.cascade = ""
        activity.on_prompt = self._yield_to_prompt

    @property
    def is_paused(self) -> bool:
        """Whether a lesson waits for a quiet time."""
        return self._lesson is not None and self._lesson.is_paused

    async def run(self) -> None:
        """Teach whenever it is quiet, until cancelled; a lesson under way is then killed."""
        if not self._settings.teach:
            return
        while True:
            if self._is_quiet() and (cascade := self._next()):
                await self._teach(cascade)
            await asyncio.sleep(self._look_s)

    @property
    def _look_s(self) -> float:
        return min(_LOOK_S, self._settings.teach_idle_s / 4 + 0.01)

    def _is_quiet(self) -> bool:
        is_quiet = self._activity.idle_s >= self._settings.teach_idle_s
        return is_quiet and (self._settings.teach_on_battery or not self._on_battery())

    def _next(self) -> str:
        """Return a cascade whose lesson is to go on; empty if there is none."""
        chosen = taught_cascades(self._paths)
        for cascade, newest in self._keeper.teachable().items():
            if chosen.get(cascade) and self._is_due(cascade, newest):
                return cascade
        return ""

    def _is_due(self, cascade: str, newest_file: float) -> bool:
        if time.monotonic() < self._not_before_s.get(cascade, 0.0):
            return False
        if read_holder(self._paths.lesson_lock(cascade)):
            return False
        state = read_state(self._paths, cascade)
        if state is None or state.phase not in ("done", "failed"):
            return True
        changed = (self._paths.log_file, self._paths.models_file, self._paths.added_models_file)
        newest = max(newest_file, *map(_changed_at, changed))
        return newest > state.changed_at or state.phase == "failed"

    async def _teach(self, cascade: str) -> None:
        self.cascade = cascade
        lender = Lender(self._keeper.lend(cascade), _NUM_AT_ONCE)
        try:
            async with _started(cascade, lender) as self._lesson:
                await self._steer(self._lesson)
        finally:
            self._lesson, self.cascade = None, ""
            again_s = _AGAIN_TIMES * self._settings.teach_idle_s
            self._not_before_s[cascade] = time.monotonic() + again_s

    async def _steer(self, lesson: _Lesson) -> None:
        """Let a lesson work its share of the quiet time, until it is over or unwanted."""
        while not await lesson.is_over(self._look_s):
            if not taught_cascades(self._paths).get(self.cascade):
                return
            if lesson.is_paused:
                if self._is_quiet():
                    lesson.resume()
            elif not self._is_quiet():
                lesson.pause()
            else:
                lesson.keep_to(self._settings.teach_share)

    def _yield_to_prompt(self) -> None:
        if self._lesson:
            self._lesson.pause()


def _changed_at(file: Path) -> float:
    try:
        return file.stat().st_mtime
    except OSError:
        return 0.0


class _Lesson:
    """A child process that teaches one cascade, and what it borrows."""

    def __init__(self, process: asyncio.subprocess.Process, lender: Lender) -> None:
        self._process, self._lender = process, lender
        self.is_paused = False
        self._begin()

    def pause(self) -> None:
        """Stop the lesson now, its own computing, too."""
        if not self.is_paused:
            self.is_paused = True
            self._lender.pause()
            self._signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Let the lesson go on."""
        self.is_paused = False
        self._signal(signal.SIGCONT)
        self._lender.resume()
        self._begin()

    def keep_to(self, share: float) -> None:
        """Start nothing while more than this share of the time was worked since the last pause."""
        worked_s = self._lender.busy_s - self._busy_before_s
        self._lender.hold(is_held=worked_s > share * (time.monotonic() - self._began_s) + 1.0)

    async def is_over(self, wait_s: float) -> bool:
        """Wait a little for the end of the child."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(wait_s):
                await self._process.wait()
        return self._process.returncode is not None

    def _begin(self) -> None:
        self._began_s, self._busy_before_s = time.monotonic(), self._lender.busy_s

    def _signal(self, number: signal.Signals) -> None:
        with contextlib.suppress(ProcessLookupError):
            self._process.send_signal(number)


@contextlib.asynccontextmanager
async def _started(cascade: str, lender: Lender) -> AsyncIterator[_Lesson]:
    ours, theirs = socket.socketpair()
    # The daemon may stop at any moment; nothing of the lesson may be left then.
    async with contextlib.AsyncExitStack() as undo:
        undo.callback(ours.close)
        with theirs:
            process = await asyncio.create_subprocess_exec(
                *CHILD_ARGV,
                cascade,
                str(theirs.fileno()),
                str(os.getpid()),
                pass_fds=[theirs.fileno()],
                stdin=asyncio.subprocess.DEVNULL,
            )
        undo.push_async_callback(_kill, process)
        reader, writer = await asyncio.open_connection(sock=ours)
        serving = asyncio.create_task(lender.serve(reader, writer))
        undo.push_async_callback(_cancel, serving)
        yield _Lesson(process, lender)


async def _kill(process: asyncio.subprocess.Process) -> None:
    with contextlib.suppress(ProcessLookupError):
        process.kill()
    await process.wait()


async def _cancel(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
