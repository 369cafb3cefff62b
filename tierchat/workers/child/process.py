"""The child process that holds one model: orders in, engine steps, frames out.

Does not know tiers, cascades or the daemon.
"""

from __future__ import annotations

import os
import queue
import signal
import socket
import sys
import time
from collections.abc import Callable
from functools import partial

from tierchat.errors import ContextTooLong, TemplateError, TierchatError, UsageError
from tierchat.outcomes import Usage
from tierchat.workers.child.connection import Connection
from tierchat.workers.child.held_model import HeldModel
from tierchat.workers.child.intake import Intake
from tierchat.workers.child.long_texts import Counted
from tierchat.workers.child.outbox import Outbox
from tierchat.workers.child.request import Request
from tierchat.workers.child.texts import EmbedRequest, Texts, Tokens
from tierchat.workers.parent import die_with
from tierchat.workers.protocol import (
    Cancel,
    Escalated,
    Failed,
    Finished,
    FromWorker,
    Generate,
    Loaded,
    LoadFailed,
    LoadProgress,
    SetThreads,
)
from tierchat.workers.text_orders import Count, Embedded, TextOrder, Tokenized

_HEARTBEAT_S = 1.0
_SIGN_OF_LIFE_S = 0.5


class WorkerLoop:
    """The loop: take orders, step the engine, send the events.

    Runs in the main thread, because the deadline of a chat template is a signal.
    """

    def __init__(self, held: HeldModel, connection: Connection) -> None:
        self._held = held
        self._connection = connection
        self._outbox = Outbox(connection)
        self._intake = Intake(held, connection.inbox.put)
        self._texts = Texts(held.model, held.engine, held.info.name, connection.inbox.put)
        self._requests: dict[int, Request | EmbedRequest] = {}
        self._last_sign_s: dict[int, float] = {}

    def run(self) -> None:
        """Serve until the connection ends."""
        while self._take_orders():
            frames: list[FromWorker] = []
            for step in self._held.engine.step():
                request = self._requests.get(step.sequence.id)
                if request:
                    frames += self._closing(request, list(request.take(step)))
            self._outbox.add(frames + self._signs_of_life())
            self._outbox.send_due()

    def _take_orders(self) -> bool:
        inbox = self._connection.inbox
        # Before the orders are taken: one that interrupts a decode is in the inbox by then.
        self._held.engine.go_on()
        while True:
            try:
                # Sleeps until an order comes if there is nothing to compute.
                order = inbox.get(block=not self._requests)
            except queue.Empty:
                return True
            if order is None:
                return False
            if isinstance(order, Cancel):
                self._cancel(order)
            elif isinstance(order, Counted):
                self._begin(order.id, partial(self._intake.go_on, order))
            elif isinstance(order, SetThreads):
                self._held.engine.set_max_threads(order.num_threads)
            elif isinstance(order, Count):
                self._begin(order.id, partial(self._count, order))
            elif isinstance(order, TextOrder):
                self._texts.take(order)
            elif isinstance(order, Tokens):
                self._begin(order.id, partial(self._texts.result, order))
            else:
                self._begin(order.id, partial(self._intake.begin, order))

    def _count(self, order: Count) -> None:
        """Render a conversation, and let its tokens be counted; raises as `begin` does."""
        asked = Generate(id=order.id, messages=order.messages, tools=order.tools, think=order.think)
        self._texts.take(order, self._held.draft(asked).count)

    def _begin(
        self, id_: int, step: Callable[[], Request | EmbedRequest | Tokenized | None]
    ) -> None:
        """Take a step towards a request, or a result; the last one returns it."""
        try:
            found = step()
            if isinstance(found, Tokenized):
                self._outbox.add([found])
            elif found:
                self._requests[id_] = found
                self._last_sign_s[id_] = time.monotonic()
        except ContextTooLong as error:
            usage = Usage(prompt_tokens=error.num_tokens)
            self._fail(id_, error, usage)
        except (TemplateError, UsageError) as error:
            self._fail(id_, error, Usage())

    def _fail(self, id_: int, error: TierchatError, usage: Usage) -> None:
        failed = Failed(
            id=id_,
            code=error.code,
            message=error.message,
            hint=error.hint,
            usage=usage,
            param=error.param,
        )
        self._outbox.add([failed])

    def _cancel(self, order: Cancel) -> None:
        request = self._requests.get(order.id)
        if self._intake.cancel(order.id):
            self._outbox.add([Finished(id=order.id, reason="interrupted", usage=Usage())])
        elif request:
            self._outbox.add(self._closing(request, list(request.interrupt())))

    def _closing(
        self, request: Request | EmbedRequest, events: list[FromWorker]
    ) -> list[FromWorker]:
        """Forget a request if its last event is among these; returns the events."""
        id_ = request.order.id
        if events and isinstance(events[-1], Escalated | Finished | Embedded):
            self._held.engine.finish(request.sequence)
            del self._requests[id_], self._last_sign_s[id_]
        return events

    def _signs_of_life(self) -> list[FromWorker]:
        now = time.monotonic()
        signs: list[FromWorker] = []
        for id_, last in self._last_sign_s.items():
            if now - last > _SIGN_OF_LIFE_S:
                signs.append(self._requests[id_].progress)
                self._last_sign_s[id_] = now
        return signs


class _Reporter:
    """Reports how far loading is, about once a second."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._last_s = time.monotonic()

    def __call__(self, share: float) -> None:
        if share == 1.0 or time.monotonic() - self._last_s > _HEARTBEAT_S:
            self._last_s = time.monotonic()
            self._connection.send([LoadProgress(share=share)])


def main(argv: list[str]) -> int:
    """Serve one model over the inherited socket: `process.py FD PARENT_PID`."""
    die_with(int(argv[2]))
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    connection = Connection(socket.socket(fileno=int(argv[1])))
    order = connection.read_load()
    if order is None:
        return 1
    try:
        held = HeldModel(order, _Reporter(connection))
    except TierchatError as error:
        connection.send([LoadFailed(code=error.code, message=error.message, hint=error.hint)])
        return 1
    connection.send([Loaded(info=held.info)])
    connection.start_reading(held.engine.interrupt)
    try:
        WorkerLoop(held, connection).run()
    except TierchatError as error:
        # The engine can no longer be trusted; the parent starts a new process.
        print(f"engine crashed: {error.message}", file=sys.stderr)
        return 70
    except BrokenPipeError:
        return 1
    return 0


if __name__ == "__main__":
    # Skips llama.cpp's and ggml's static destructors, which may fault on the way out.
    code = main(sys.argv)
    sys.stderr.flush()
    os._exit(code)
