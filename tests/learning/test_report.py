"""The numbers of one setting of a policy, and of each family."""

from __future__ import annotations

import numpy as np
import pytest

from tests.made_matrix import cell, matrix_of
from tierchat.learning.evaluation.policies import pick
from tierchat.learning.evaluation.report import by_family, describe_walk

RIGHT, WRONG = cell(True), cell(False)
MATRIX = matrix_of(
    [RIGHT, RIGHT, RIGHT],
    [WRONG, WRONG, RIGHT],
    [RIGHT, WRONG, RIGHT],
    [WRONG, WRONG, WRONG],
    families=["a", "a", "b", "b"],
)
# Kept and right; kept and wrong although M knows; harmed by going up; wasted, as no tier knows.
WALK = pick(MATRIX, np.array([0, 0, 1, 2]))


def test_a_setting_tells_what_was_kept_and_what_was_wasted() -> None:
    found = describe_walk(MATRIX, WALK)
    assert found.quality == 0.25 and found.quality_to_top == pytest.approx(1 / 3)
    assert found.cost_to_top == pytest.approx((1 + 1 + 5 + 20) / 80)
    # The walk that harmed is a false keep too: M, above S, has that prompt right.
    assert (found.false_keeps, found.wasted_escalations) == (0.5, 0.5)
    assert found.harmful_escalations == 0.25
    assert found.answered_by == {"XS": 0.5, "S": 0.25, "M": 0.25}


def test_a_family_is_measured_by_itself() -> None:
    family = by_family(MATRIX, WALK)["b"]
    assert family.num_prompts == 2 and family.alone == {"XS": 0.5, "S": 0.0, "M": 0.5}
    assert family.tierchat == 0 and family.cost_to_top == pytest.approx((5 + 20) / 40)
