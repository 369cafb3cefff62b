"""The answers to one request: as many as it asks for, each on its own way over the tiers.

Does not know HTTP, or how any API writes requests and answers.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass

import msgspec

from tierchat.events import AnswerDelta, CascadeEvent, Done, Notice
from tierchat.service.admission import Admission
from tierchat.service.monitoring.running import RunningPrompts
from tierchat.service.protocols import Answerer
from tierchat.types import Prompt

# So many prompts of one request are answered at once; others wait for these.
_MAX_AT_ONCE = 8
_MAX_EVENTS = 64


@dataclass(frozen=True)
class ChoiceEvent:
    """One event on the way to the answer number `index` of a request."""

    index: int
    event: CascadeEvent


@dataclass(frozen=True)
class Asked:
    """The prompts of one request, from one client; each of them gets one answer.

    `notices` are told with each answer. Several answers to the `same` prompt are begun after the
    first one, which reads the prompt for all.
    """

    prompts: Sequence[Prompt]
    client: str
    notices: Sequence[str] = ()
    is_same: bool = False


class Answers:
    """Lets prompts in and answers them. Belongs to one event loop."""

    def __init__(
        self, answerer: Answerer, admission: Admission, running: RunningPrompts | None = None
    ) -> None:
        self._answerer = answerer
        self._admission = admission
        self._running = running or RunningPrompts()

    async def of(self, asked: Asked) -> AsyncGenerator[ChoiceEvent, None]:
        """Yield the events of all answers as they come; each answer ends with `Done`.

        The first error ends all answers. Closing the iterator cancels the work.
        """
        if len(asked.prompts) == 1:
            async with contextlib.aclosing(self._one(asked, 0)) as events:
                async for event in events:
                    yield ChoiceEvent(0, event)
            return
        # A task that has ended comes after its events, and is always let in.
        queue: asyncio.Queue[ChoiceEvent | asyncio.Task[None]] = asyncio.Queue()
        room = asyncio.Semaphore(_MAX_EVENTS)
        free = asyncio.Semaphore(_MAX_AT_ONCE)
        has_begun = asyncio.Event()
        if not asked.is_same:
            has_begun.set()

        async def pump(index: int) -> None:
            if index:
                await has_begun.wait()
            async with free, contextlib.aclosing(self._one(asked, index)) as events:
                async for event in events:
                    await room.acquire()
                    queue.put_nowait(ChoiceEvent(index, event))
                    if isinstance(event, AnswerDelta):
                        has_begun.set()
            has_begun.set()

        tasks = [asyncio.create_task(pump(index)) for index in range(len(asked.prompts))]
        for task in tasks:
            task.add_done_callback(queue.put_nowait)
        try:
            num_left = len(tasks)
            while num_left:
                found = await queue.get()
                if isinstance(found, asyncio.Task):
                    found.result()
                    num_left -= 1
                else:
                    room.release()
                    yield found
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _one(self, asked: Asked, index: int) -> AsyncGenerator[CascadeEvent, None]:
        prompt = asked.prompts[index]
        async with (
            self._admission.turn(asked.client, prompt.options.timeout_s) as left_s,
            contextlib.aclosing(
                self._running.watched(self._answerer, _within(prompt, left_s), asked.client)
            ) as events,
        ):
            for text in asked.notices:
                yield Notice(text=text)
            async for event in events:
                yield _noticed(event, asked.notices)


def _noticed(event: CascadeEvent, notices: Sequence[str]) -> CascadeEvent:
    if not notices or not isinstance(event, Done):
        return event
    told = (*notices, *event.outcome.notices)
    return Done(outcome=msgspec.structs.replace(event.outcome, notices=told))


def _within(prompt: Prompt, left_s: float | None) -> Prompt:
    options = msgspec.structs.replace(prompt.options, timeout_s=left_s)
    return msgspec.structs.replace(prompt, options=options)
