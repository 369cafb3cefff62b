"""`tierchat gate show` lists what can be promised, and says where a lesson was too small."""

from __future__ import annotations

import msgspec

from tests.gates.test_files import head
from tierchat.cli.actions.promise_lines import promise_lines
from tierchat.gates.files import GateHead, Tradeoff


def taught(*tradeoffs: Tradeoff, num_held_out: int = 245) -> GateHead:
    report = msgspec.structs.replace(head().report, num_held_out=num_held_out)
    return head(tradeoffs=tradeoffs, report=report)


def test_each_quality_has_its_expected_cost_and_the_largest_is_among_them() -> None:
    first, *rows = promise_lines(
        taught(
            Tradeoff(cost_weight=-1.0, quality=1.0, cost=1.2, promised=0.99),
            Tradeoff(cost_weight=0.0, quality=0.99, cost=0.6, promised=0.9637),
            Tradeoff(cost_weight=0.1, quality=0.95, cost=0.3, promised=0.9),
        )
    )
    assert first.startswith("245 held-out prompts")
    cells = {row.split()[0]: row.split()[1:] for row in rows[1:]}
    assert cells["0.9"] == ["95.0%", "30.0%"]
    assert cells["0.95"] == cells["0.963"] == ["99.0%", "60.0%"]
    assert cells["0.98"][:2] == ["100.0%", "100.0%"] and "(M" in cells["0.98"]


def test_a_lesson_too_small_for_any_promise_says_so() -> None:
    few = taught(Tradeoff(cost_weight=0.0, quality=1.0, cost=0.4), num_held_out=12)
    [line] = promise_lines(few)
    assert line.startswith("12 held-out prompts cannot promise") and "teach with more" in line


def test_a_gate_of_before_promises_are_known_says_so() -> None:
    [line] = promise_lines(taught(Tradeoff(cost_weight=0.0, quality=1.0, cost=0.4), num_held_out=0))
    assert line.startswith("its held-out prompts cannot promise")
