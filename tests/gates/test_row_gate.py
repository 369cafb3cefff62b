"""At which stages a learned gate still decides, and how long the answer waits for that."""

from __future__ import annotations

from typing import cast

import numpy as np
import pytest

from tierchat.gates.order import GateOrder
from tierchat.gates.row_gate import STAGES, Head, RowGate, RowGates, TierCosts
from tierchat.gates.signals import Reading
from tierchat.gates.token_gate import TokenGate
from tierchat.types import Hold, Signals, Stage

NOWHERE = Head(np.zeros(0), np.zeros(0), (), np.zeros((0, 1)), np.zeros(0))


def gate(*stages: Stage, hold: Hold = "first", may_escalate: bool = True) -> RowGate:
    heads = {(0, stage): NOWHERE for stage in stages}
    rows = RowGates(("XS", "S"), TierCosts((1.0, 5.0), 1.0), False, heads)
    order = GateOrder(
        kind="row", may_escalate=may_escalate, hold=hold, hold_back=8, tier="XS", targets=("S",)
    )
    return RowGate(rows, order, TokenGate(order))


@pytest.mark.parametrize(
    ("taught", "hold", "stages"),
    [
        (("prefill",), "answer", ("prefill",)),
        (("prefill", "first"), "judged", ("prefill", "first")),
        (STAGES, "judged", STAGES),
        (STAGES, "first", ("prefill", "first")),
    ],
)
def test_it_decides_where_the_lesson_kept_a_stage(
    taught: tuple[Stage, ...], hold: Hold, stages: tuple[Stage, ...]
) -> None:
    assert gate(*taught, hold=hold).stages == stages
    assert gate(*taught, hold=hold, may_escalate=False).stages == ()


def test_an_answer_waits_only_for_a_decision_b_that_pays() -> None:
    assert not gate("prefill").holds("", 1)
    both = gate("prefill", "first")
    assert both.holds("a", 1) and not both.holds("a", 8)
    now = Signals(entropy=0.1, margin=0.9)
    hidden = cast(np.ndarray[tuple[int], np.dtype[np.float32]], np.zeros(3, np.float32))
    both.read(Reading("first", now, now, num_generated=8, hidden=hidden))
    assert not both.holds("a", 5)
