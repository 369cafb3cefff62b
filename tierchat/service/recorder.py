"""Saves the exchanges that pass through the daemon; an acknowledged exchange is on disk.

Does not know SQL or HTTP. The store has a thread of its own, so that a slow disk holds up no
other answer.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from collections.abc import AsyncGenerator, Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

import msgspec

from tierchat.conversations.changes import LogChange
from tierchat.conversations.store import LogStore
from tierchat.conversations.titles import find_title
from tierchat.errors import LogRowGone, LogUnusable, TierchatError, UsageError
from tierchat.events import AnswerDelta, CascadeEvent, Done, Hop, Notice, ThoughtDelta
from tierchat.outcomes import Outcome
from tierchat.service.protocols import Answerer, ModelKeeper
from tierchat.types import Prompt, SaveOptions

_PART_S = 0.5
_AGAIN_S = 0.2
_Found = TypeVar("_Found")


class Recorder:
    """Passes on the events of another answerer and saves each exchange. One event loop owns it.

    Without a usable log prompts are answered all the same; each conversation gets one notice.
    """

    def __init__(self, answerer: Answerer, keeper: ModelKeeper, path: Path) -> None:
        self._answerer = answerer
        self._keeper = keeper
        self._writer = _Writer(path)
        self._told: dict[str, str] = {}
        self._titling: set[asyncio.Task[None]] = set()

    async def answer(self, prompt: Prompt) -> AsyncGenerator[CascadeEvent, None]:
        """Yield the events of one prompt; `Done` comes once the exchange is on disk."""
        save = prompt.options.save
        if save is None:
            async with contextlib.aclosing(self._answerer.answer(prompt)) as events:
                async for event in events:
                    yield event
            return
        cascade = prompt.options.cascade or self._keeper.default
        messages, begun = prompt.messages, prompt.begun
        record = _Record(self._writer, save, lambda s: s.begin(save, cascade, messages), begun)
        try:
            async with contextlib.aclosing(self._answerer.answer(prompt)) as events:
                async for event in events:
                    if isinstance(event, Done):
                        event = await record.finish(event)
                    else:
                        record.take(event)
                    can_tell = isinstance(event, Done) or self._writer.is_idle
                    if can_tell and (notice := self._notice(record)):
                        yield notice
                    yield event
                    if isinstance(event, Done) and record.is_new:
                        self._entitle(cascade, prompt, event.outcome)
        except UsageError:
            # Such as a cascade that does not exist: `-c` would ask for it again.
            await record.withdraw()
            raise
        except TierchatError as error:
            await record.end_early("failed", error.message)
            raise
        finally:
            # Without an end, the client has left or the daemon stops.
            record.abandon()

    async def change(self, change: LogChange) -> int:
        """Carry out a change and return the number of changed rows; raises LogUnusable."""
        return await self.run(lambda store: store.change(change))

    async def run(self, work: Callable[[LogStore], _Found]) -> _Found:
        """Do some work with the log, on its own thread; raises LogUnusable."""
        return await self._writer.run(work)

    async def close(self) -> None:
        """Finish writing and close the file."""
        for task in self._titling:
            task.cancel()
        await asyncio.gather(*self._titling, return_exceptions=True)
        await asyncio.to_thread(self._writer.close)

    def _entitle(self, cascade: str, prompt: Prompt, outcome: Outcome) -> None:
        """Let a small tier find a title in the background."""
        tier = self._keeper.titler(cascade)
        if tier is None or outcome.finish_reason != "stop":
            return
        task = asyncio.create_task(self._find_title(cascade, tier, prompt, outcome))
        self._titling.add(task)
        task.add_done_callback(self._titling.discard)

    async def _find_title(self, cascade: str, tier: str, prompt: Prompt, outcome: Outcome) -> None:
        question, id = prompt.question, outcome.conversation_id or ""
        with contextlib.suppress(TierchatError):
            ask = self._answerer.answer
            title = await find_title(ask, cascade, tier, question, outcome.answer)
            if title:
                await self._writer.run(lambda store: store.entitle(id, question, title))

    def _notice(self, record: _Record) -> Notice | None:
        """Say once per conversation what is wrong, and again if it worked in between."""
        conversation, text = record.save.conversation, record.notice or self._writer.notice
        if not text:
            self._told.pop(conversation, None)
            return None
        if self._told.get(conversation) == text:
            return None
        self._told[conversation] = text
        return Notice(text=text)


class _Writer:
    """The store and its thread. `notice` says what is wrong with the store, or was repaired."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._thread = ThreadPoolExecutor(1, "log")
        self._store: LogStore | None = None
        self._is_first = True
        self._lock = threading.Lock()
        self._num_waiting = 0
        self.notice = ""

    @property
    def is_idle(self) -> bool:
        return not self._num_waiting

    def submit(self, work: Callable[[LogStore], _Found]) -> Future[_Found]:
        """Queue some work behind all earlier work, without waiting for it."""
        with self._lock:
            self._num_waiting += 1
        future = self._thread.submit(self._do, work)
        future.add_done_callback(self._one_less)
        return future

    async def run(self, work: Callable[[LogStore], _Found]) -> _Found:
        """Queue some work and wait for it; cancelling the wait does not cancel the work."""
        return await asyncio.shield(asyncio.wrap_future(self.submit(work)))

    def close(self) -> None:
        """Do the queued work, then close the file."""
        self._thread.submit(self._close_store)
        self._thread.shutdown()

    def _close_store(self) -> None:
        # SQLite requires the thread that opened the file to close it.
        if self._store:
            self._store.close()
        self._store = None

    def _one_less(self, _future: Future[_Found]) -> None:
        with self._lock:
            self._num_waiting -= 1

    def _do(self, work: Callable[[LogStore], _Found]) -> _Found:
        try:
            if self._store is None:
                # After a failure, a lock is waited for only briefly.
                wait_s = _AGAIN_S if self.notice else None
                self._store = LogStore(self._path, is_first=self._is_first, wait_s=wait_s)
                self._is_first = False
                self.notice = self._store.notice
            return work(self._store)
        except LogRowGone:
            raise
        except (OSError, LogUnusable) as error:
            # The disk is full, or the file was removed: the next exchange opens it again.
            message = error.message if isinstance(error, LogUnusable) else str(error)
            self.notice = f"this conversation is not saved: {message}"
            self._close_store()
            raise LogUnusable(self.notice) from error


class _Record:
    """One exchange under way. `notice` says why this exchange alone is not saved."""

    def __init__(
        self,
        writer: _Writer,
        save: SaveOptions,
        begin: Callable[[LogStore], bool],
        begun: str = "",
    ) -> None:
        self._writer = writer
        self.save = save
        self._begin = begin
        self._beginning = writer.submit(begin)
        # An answer that continues another is saved with what it continues.
        self._begun = begun
        self._answer: list[str] = [begun] if begun else []
        self._thought: list[str] = []
        self._kept_s = time.monotonic()
        self._is_over = False
        self.is_new = False
        self.notice = ""

    def take(self, event: CascadeEvent) -> None:
        """Collect the text of an event; every _PART_S seconds the text so far is saved."""
        match event:
            case AnswerDelta(text=text):
                self._answer.append(text)
            case ThoughtDelta(text=text):
                self._thought.append(text)
            case Hop():
                self._thought.clear()
        if self._answer and time.monotonic() - self._kept_s > _PART_S:
            self._kept_s = time.monotonic()
            answer, thought = "".join(self._answer), "".join(self._thought)
            self._writer.submit(lambda s: s.keep_part(self.save.exchange, answer, thought))

    async def finish(self, event: Done) -> Done:
        """Save the outcome and return the event with its ids, or without ids if it is not saved."""
        self._is_over = True
        try:
            self.is_new = await self._writer.run(lambda s: self._write(s, event.outcome))
        except LogRowGone as error:
            self.notice = f"this exchange is not saved: {error.message}"
            return event
        except LogUnusable:
            return event
        ids = {"conversation_id": self.save.conversation, "exchange_id": self.save.exchange}
        return Done(outcome=msgspec.structs.replace(event.outcome, **ids))

    def _write(self, store: LogStore, outcome: Outcome) -> bool:
        # Beginning fails, for example, while another program holds the log: begin now.
        has_failed = self._beginning.exception() is not None
        is_new = self._begin(store) if has_failed else self._beginning.result()
        whole = msgspec.structs.replace(outcome, answer=self._begun + outcome.answer)
        store.finish(self.save, whole)
        return is_new

    async def end_early(self, state: str, error: str) -> None:
        """Save that the exchange ended without an outcome."""
        self._is_over = True
        with contextlib.suppress(LogUnusable):
            await self._writer.run(self._end(state, error))

    async def withdraw(self) -> None:
        """Remove what was saved of an exchange that was refused as impossible."""
        self._is_over = True
        with contextlib.suppress(LogUnusable):
            await self._writer.run(lambda s: s.withdraw(self.save))

    def abandon(self) -> None:
        """Save an exchange without an end as interrupted.

        Does not wait, because the task that calls may be cancelled.
        """
        if not self._is_over:
            self._is_over = True
            self._writer.submit(self._end("interrupted", None))

    def _end(self, state: str, error: str | None) -> Callable[[LogStore], None]:
        answer, thought = "".join(self._answer), "".join(self._thought)
        return lambda s: s.end_early(self.save, state, answer, thought, error)
