"""Frames leave in order, pieces of text together, and never later than a reader would notice."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator

import pytest

from tierchat.outcomes import Usage
from tierchat.workers.child.connection import Connection
from tierchat.workers.child.outbox import Outbox
from tierchat.workers.protocol import Delta, Finished, FrameReader, FromWorker


@pytest.fixture
def ends() -> Iterator[tuple[Outbox, socket.socket]]:
    ours, theirs = socket.socketpair()
    theirs.setblocking(False)
    with ours, theirs:
        yield Outbox(Connection(ours)), theirs


def received(theirs: socket.socket) -> list[object]:
    try:
        return FrameReader(FromWorker).feed(theirs.recv(1 << 16))
    except BlockingIOError:
        return []


def test_pieces_of_one_answer_travel_together_and_others_between_do_not_mix(
    ends: tuple[Outbox, socket.socket],
) -> None:
    outbox, theirs = ends
    outbox.add([Delta(id=1, thought="a"), Delta(id=2, answer="x"), Delta(id=1, thought="b")])
    outbox.add([Delta(id=1, answer="c"), Delta(id=2, answer="y"), Delta(id=1, answer="d")])
    assert received(theirs) == []
    outbox.send()
    assert received(theirs) == [
        Delta(id=1, thought="ab"),
        Delta(id=2, answer="xy"),
        Delta(id=1, answer="cd"),
    ]


def test_an_end_takes_everything_before_it_along_at_once(
    ends: tuple[Outbox, socket.socket],
) -> None:
    outbox, theirs = ends
    end = Finished(id=1, reason="stop", usage=Usage())
    outbox.add([Delta(id=1, answer="a")])
    outbox.add([Delta(id=1, answer="b"), end])
    assert received(theirs) == [Delta(id=1, answer="ab"), end]


def test_the_first_piece_goes_at_once_and_the_next_after_a_while(
    ends: tuple[Outbox, socket.socket],
) -> None:
    outbox, theirs = ends
    outbox.add([Delta(id=1, answer="a")])
    outbox.send_due()
    assert received(theirs) == [Delta(id=1, answer="a")]
    outbox.add([Delta(id=1, answer="b")])
    ends_s = time.monotonic() + 5
    while not (found := received(theirs)) and time.monotonic() < ends_s:
        outbox.send_due()
    assert found == [Delta(id=1, answer="b")]
