"""Every exchange on its way through the daemon is written down; what was acknowledged is on disk.

Does not know SQL or HTTP. The store lives in one thread of its own: a disk may take its time
while other answers go on.
"""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
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
from tierchat.errors import LogRowGone, LogUnusable, TierchatError
from tierchat.events import AnswerDelta, CascadeEvent, Done, Hop, Notice, ThoughtDelta
from tierchat.service.protocols import Answerer, ModelKeeper
from tierchat.types import Outcome, Prompt, SaveOptions

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
        """Yield the events of one prompt; `Done` comes when the exchange is on disk."""
        save = prompt.options.save
        if save is None:
            async with contextlib.aclosing(self._answerer.answer(prompt)) as events:
                async for event in events:
                    yield event
            return
        cascade = prompt.options.cascade or self._keeper.default
        record = _Record(self._writer, save, lambda s: s.begin(save, cascade, prompt.messages))
        try:
            async with contextlib.aclosing(self._answerer.answer(prompt)) as events:
                async for event in events:
                    last = isinstance(event, Done)
                    shown = await record.finish(event) if isinstance(event, Done) else event
                    record.take(event)
                    if (last or self._writer.is_idle) and (notice := self._notice(record)):
                        yield notice
                    yield shown
                    if isinstance(shown, Done) and record.is_new:
                        self._entitle(cascade, prompt, shown.outcome)
        except TierchatError as error:
            await record.end_early("failed", error.message)
            raise
        finally:
            # A client that went away, or a stop of the daemon.
            record.abandon()

    async def change(self, change: LogChange) -> int:
        """Carry out a change; returns how many rows it touched. Raises LogUnusable."""
        return await self._writer.run(lambda store: store.change(change))

    async def close(self) -> None:
        """Finish writing and let go of the file."""
        for task in self._titling:
            task.cancel()
        await asyncio.gather(*self._titling, return_exceptions=True)
        await asyncio.to_thread(self._writer.close)

    def _entitle(self, cascade: str, prompt: Prompt, outcome: Outcome) -> None:
        """Let the smallest tier that can find a title, while nobody waits for it."""
        tier = self._keeper.titler(cascade)
        if tier is None or outcome.finish_reason != "stop":
            return
        task = asyncio.create_task(self._find_title(cascade, tier, prompt, outcome))
        self._titling.add(task)
        task.add_done_callback(self._titling.discard)

    async def _find_title(self, cascade: str, tier: str, prompt: Prompt, outcome: Outcome) -> None:
        said, id = prompt.messages[-1].content, outcome.conversation_id or ""
        with contextlib.suppress(TierchatError):
            title = await find_title(self._answerer.answer, cascade, tier, said, outcome.answer)
            if title:
                await self._writer.run(lambda store: store.entitle(id, said, title))

    def _notice(self, record: _Record) -> Notice | None:
        """Say what is wrong once a conversation, and again when it has been well meanwhile."""
        conversation, text = record.save.conversation, record.notice or self._writer.notice
        if not text:
            self._told.pop(conversation, None)
            return None
        if self._told.get(conversation) == text:
            return None
        self._told[conversation] = text
        return Notice(text=text)


class _Writer:
    """The store and its thread. `notice` says what is wrong with it, or what was mended."""

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
        """Have something done after all that was submitted before; nobody needs to wait."""
        with self._lock:
            self._num_waiting += 1
        future = self._thread.submit(self._do, work)
        future.add_done_callback(self._one_less)
        return future

    async def run(self, work: Callable[[LogStore], _Found]) -> _Found:
        """Have something done and wait for it; cancelled, it is done all the same."""
        return await asyncio.shield(asyncio.wrap_future(self.submit(work)))

    def close(self) -> None:
        """Do what was submitted, then let go of the file."""
        self._thread.submit(self._let_go)
        self._thread.shutdown()

    def _let_go(self) -> None:
        # SQLite wants to be closed by the thread that opened it.
        if self._store:
            self._store.close()
        self._store = None

    def _one_less(self, _future: Future[_Found]) -> None:
        with self._lock:
            self._num_waiting -= 1

    def _do(self, work: Callable[[LogStore], _Found]) -> _Found:
        try:
            if self._store is None:
                # What was waited for a moment ago is not waited for so long again.
                wait_s = _AGAIN_S if self.notice else None
                self._store = LogStore(self._path, is_first=self._is_first, wait_s=wait_s)
                self._is_first = False
                self.notice = self._store.notice
            return work(self._store)
        except LogRowGone:
            raise
        except (sqlite3.Error, OSError, LogUnusable) as error:
            # A full disk, a file pulled away under us: the next exchange opens it anew.
            message = error.message if isinstance(error, LogUnusable) else str(error)
            self.notice = f"this conversation is not saved: {message}"
            self._let_go()
            raise LogUnusable(self.notice) from error


class _Record:
    """One exchange while it happens. `notice` says why it, and no other, is not saved."""

    def __init__(
        self, writer: _Writer, save: SaveOptions, begin: Callable[[LogStore], bool]
    ) -> None:
        self._writer = writer
        self.save = save
        self._begin = begin
        self._beginning = writer.submit(begin)
        self._answer: list[str] = []
        self._thought: list[str] = []
        self._kept_s = time.monotonic()
        self._is_over = False
        self.is_new = False
        self.notice = ""

    def take(self, event: CascadeEvent) -> None:
        """Remember a piece; write down now and then what there is."""
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
        """Return the last event once it is on disk, or without ids when it cannot be."""
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
        # What could not be begun, such as while another program held the log, is begun now.
        has_failed = self._beginning.exception() is not None
        is_new = self._begin(store) if has_failed else self._beginning.result()
        store.finish(self.save, outcome)
        return is_new

    async def end_early(self, state: str, error: str) -> None:
        """Write down an end without an outcome."""
        self._is_over = True
        with contextlib.suppress(LogUnusable):
            await self._writer.run(self._end(state, error))

    def abandon(self) -> None:
        """Mark as interrupted what has no end yet; does not wait, because nobody may."""
        if not self._is_over:
            self._is_over = True
            self._writer.submit(self._end("interrupted", None))

    def _end(self, state: str, error: str | None) -> Callable[[LogStore], None]:
        answer, thought = "".join(self._answer), "".join(self._thought)
        return lambda s: s.end_early(self.save, state, answer, thought, error)
