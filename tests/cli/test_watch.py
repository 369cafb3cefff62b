"""The thread that watches the daemon for the line below the prompt."""

from __future__ import annotations

import time
from typing import cast

from tests.conftest import wait_until
from tierchat.cli.chat.watch import DaemonWatch
from tierchat.service.client import Client
from tierchat.service.messages import DaemonStatus
from tierchat.workers.status import WorkerStatus


class FakeClient:
    """A daemon whose models are what the test says; counts how often it is asked."""

    def __init__(self) -> None:
        self.loaded: tuple[str, ...] = ("XS",)
        self.num_asked = 0

    def start(self) -> None:
        pass

    def status(self) -> DaemonStatus:
        self.num_asked += 1
        workers = tuple(
            WorkerStatus(model=name, tiers=(name,), state="ready", pid=1, context=512)
            for name in self.loaded
        )
        return DaemonStatus(pid=1, version="1", uptime_s=1, socket="", cascades={}, workers=workers)


def test_what_an_answer_loaded_is_seen_as_soon_as_it_is_looked_for() -> None:
    client, changes = FakeClient(), []
    watch = DaemonWatch(cast(Client, client))
    watch.begin(lambda: changes.append(client.loaded))
    wait_until(lambda: changes)
    client.loaded = ("XS", "M")
    time.sleep(0.5)
    assert client.num_asked == 1 and watch.status and len(watch.status.workers) == 1
    watch.look()
    wait_until(lambda: len(changes) == 2, 2)
    assert len(watch.status.workers) == 2
