"""Orders on their way to the engine: long prompts are counted while the engine goes on.

Does not know sockets. The main thread renders templates and owns the engine; another one measures
and tokenises long texts, one order after another, and reports to the inbox of the main thread.
Short prompts do not wait for long ones.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

from tierchat.workers.child.held_model import Draft, HeldModel
from tierchat.workers.child.long_texts import SHORT_CHARS, Counted
from tierchat.workers.child.request import Request
from tierchat.workers.protocol import Generate


@dataclass
class _Waiting:
    """An order that the other thread has; a draft once its template is rendered."""

    order: Generate
    result: Future[list[int] | None]
    draft: Draft | None = None


class Intake:
    """Makes requests of orders. Owned by the main thread, which passes on what `report` gets."""

    def __init__(self, held: HeldModel, report: Callable[[Counted], None]) -> None:
        self._held = held
        self._report = report
        self._waiting: dict[int, _Waiting] = {}
        self._counter = ThreadPoolExecutor(1, thread_name_prefix="counter")

    def begin(self, order: Generate) -> Request | None:
        """Return the request of a short prompt; a long one comes later, through `go_on`.

        Raises TemplateError, ContextTooLong or UsageError.
        """
        if _num_chars(order) <= SHORT_CHARS:
            return self._held.request(order)
        result = self._count(order.id, lambda: self._held.check_length(order))
        self._waiting[order.id] = _Waiting(order, result)
        return None

    def go_on(self, counted: Counted) -> Request | None:
        """Take a report; raises as `begin` does. None if more is to be counted, or nobody waits."""
        waiting = self._waiting.get(counted.id)
        if waiting is None or waiting.result is not counted.result:
            return None
        del self._waiting[counted.id]
        tokens = counted.result.result()
        if waiting.draft is not None and tokens is not None:
            return self._held.begin(waiting.draft, tokens)
        draft = self._held.draft(waiting.order)
        result = self._count(counted.id, draft.count)
        self._waiting[counted.id] = _Waiting(waiting.order, result, draft)
        return None

    def cancel(self, id_: int) -> bool:
        """Forget an order; False if it does not wait here."""
        waiting = self._waiting.pop(id_, None)
        if waiting:
            waiting.result.cancel()
        return waiting is not None

    def _count(self, id_: int, work: Callable[[], list[int] | None]) -> Future[list[int] | None]:
        result = self._counter.submit(work)
        result.add_done_callback(lambda done: self._report(Counted(id_, done)))
        return result


def _num_chars(order: Generate) -> int:
    texts = sum(len(message.content) for message in order.messages)
    calls = sum(len(call.arguments) for message in order.messages for call in message.tool_calls)
    return texts + calls + sum(len(t.parameters) + len(t.description) for t in order.tools.tools)
