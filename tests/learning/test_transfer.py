"""Policies judged on sets that they were not fitted on, and the comparison as a whole."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.made_matrix import cell, made_matrix, matrix_of
from tierchat.learning.evaluation import policies
from tierchat.learning.evaluation.comparison import (
    above_single_tiers,
    calibration_of,
    cheapest_reaching,
    compare,
)
from tierchat.learning.evaluation.policy import Policy
from tierchat.learning.evaluation.transfer import (
    Replies,
    cross_validated,
    fold_names,
    leave_one_set_out,
)
from tierchat.learning.outcomes.matrix import Matrix
from tierchat.learning.outcomes.questions import Said

MATRIX = made_matrix(240, 5)
SETS = [family[-1] for family in MATRIX.families]


def fit_majority(learned: Matrix, judged: Matrix) -> list[Policy]:
    """Expect of every tier what was seen of it; walk each tier alone."""
    p = np.tile(learned.right.mean(0), (len(judged.rows), 1))
    expects = {tier: p[:, tier:] for tier in range(3)}
    return [Policy("majority", "", tuple(policies.singles(judged)), expects, True)]


def test_every_set_is_judged_by_a_fit_on_all_the_others() -> None:
    seen: list[tuple[set[str], set[str]]] = []

    def fit(learned: Matrix, judged: Matrix) -> list[Policy]:
        seen.append(({f[-1] for f in learned.families}, {f[-1] for f in judged.families}))
        return fit_majority(learned, judged)

    done: list[tuple[int, int]] = []
    [policy] = leave_one_set_out(MATRIX, SETS, fit, lambda num, total: done.append((num, total)))
    assert [sorted(judged) for _, judged in seen] == [["0"], ["1"], ["2"], ["3"]]
    assert all(learned == set("0123") - judged for learned, judged in seen)
    assert done == [(num, 4) for num in range(5)]
    names = np.array(SETS)
    for name in "0123":
        expected = MATRIX.right[names != name].mean(0)
        assert policy.expects[0][names == name] == pytest.approx(np.tile(expected, (60, 1)))


def test_walks_of_parts_are_those_of_the_whole_in_its_order_and_its_unit_of_cost() -> None:
    [policy] = leave_one_set_out(MATRIX, SETS, fit_majority)
    for whole, alone in zip(policy.walks, policies.singles(MATRIX), strict=True):
        assert whole.cost == pytest.approx(alone.cost)
        assert (whole.right == alone.right).all() and (whole.tier == alone.tier).all()


def test_no_question_group_is_learned_from_and_judged() -> None:
    matrix = matrix_of(*[[cell(True)] * 3] * 6, families=[*"aabb", "a", "b"])
    prompts = tuple(
        type(p)(prompt=p.prompt, family=p.family, group=g)
        for p, g in zip(matrix.prompts, "112234", strict=True)
    )
    matrix = replace(matrix, prompts=prompts)
    sets = [*"xyxxyy"]

    def fit(learned: Matrix, judged: Matrix) -> list[Policy]:
        assert not set(learned.groups) & set(judged.groups)
        return fit_majority(learned, judged)

    leave_one_set_out(matrix, sets, fit)
    cross_validated(matrix, fit, num_folds=3)


def test_folds_hold_whole_groups_of_about_the_same_number() -> None:
    names = fold_names([str(number // 2) for number in range(100)], 4)
    assert names[::2] == names[1::2]
    assert sorted(names.count(name) for name in set(names)) == [24, 24, 26, 26]


def test_replies_are_found_again_for_a_part_of_the_prompts() -> None:
    said = Said(np.arange(480.0).reshape(240, 2), np.ones((240, 2)))
    part = Replies.about(MATRIX, said).on(MATRIX.take([7, 3]))
    assert part.probabilities.tolist() == [[14, 15], [6, 7]]


@pytest.mark.parametrize("asked", [0, 1])
def test_of_a_prompt_that_is_there_twice_the_row_that_was_asked_about_counts(asked: int) -> None:
    twice = MATRIX.take([7, 7])
    probabilities = np.full((2, 2), np.nan)
    probabilities[asked] = 0.25
    part = Replies.about(twice, Said(probabilities, np.zeros((2, 2)))).on(twice)
    assert part.probabilities.tolist() == [[0.25, 0.25], [0.25, 0.25]]


def test_a_comparison_has_every_policy_pooled_and_in_every_set() -> None:
    oracle = Policy("oracle", "", tuple(policies.oracle(MATRIX)))
    [majority] = leave_one_set_out(MATRIX, SETS, fit_majority)
    found = compare("made", MATRIX, SETS, oracle, [majority])
    assert [line.name for line in found.lines] == ["oracle", "majority"]
    assert [line.name for line in found.sets] == ["0", "1", "2", "3"]
    for line in found.sets:
        assert line.num_prompts == 60 and line.nhg["oracle"][0] == pytest.approx(1)
        assert line.ours_ahead["majority"] == pytest.approx(line.nhg["oracle"], abs=1e-6)
        assert line.alone["M"][0] == pytest.approx(1) and line.best_in_set >= line.alone["M"][1]
    assert found.settings["0.99"]["oracle"].quality_to_top >= 0.99
    assert "majority" in found.settings["0.95"]
    assert {each.tier for each in found.calibration} == set()


def test_the_cheapest_setting_is_found_and_none_where_no_setting_suffices() -> None:
    walks = policies.singles(MATRIX)
    quality = MATRIX.right.mean(0)
    assert cheapest_reaching(walks, quality[1]) is walks[1]
    assert cheapest_reaching(walks, 1.1) is None


def test_calibration_compares_what_was_expected_with_what_was_right() -> None:
    expected = np.where(MATRIX.right[:, [0]], 0.9, 0.2)
    [tier] = calibration_of(MATRIX, Policy("p", "", (), {0: expected}, True), num_bins=4)
    assert tier.tier == "XS" and sum(num for _, _, num in tier.bins) == 240
    assert tier.bins[0] == (pytest.approx(0.2), 0.0, 60) and tier.bins[-1][0] == pytest.approx(0.9)
    share = MATRIX.right[:, 0].mean()
    assert tier.ece == pytest.approx(share * 0.1 + (1 - share) * 0.2)


def test_a_walk_is_compared_with_tiers_at_equal_compute() -> None:
    for walk in policies.singles(MATRIX):
        assert above_single_tiers(MATRIX, walk, 20)[0] == pytest.approx(0, abs=1e-6)
    value, low, high = above_single_tiers(MATRIX, policies.oracle(MATRIX)[0], 50)
    assert 0 < low <= value <= high


def test_equal_charts_have_equal_bytes(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib", reason="extra [train]")
    from tierchat.learning.evaluation.figures import (
        Drawn,
        draw_calibration,
        draw_plane,
        draw_sets,
    )

    oracle = Policy("oracle", "", tuple(policies.oracle(MATRIX)))
    [majority] = leave_one_set_out(MATRIX, SETS, fit_majority)
    found = compare("made", MATRIX, SETS, majority, [oracle])
    curves = [(line.name, line.curve) for line in found.lines]
    plane = Drawn(curves[0], found.tiers, curves[1:], title="t", rivals=curves, others=curves)
    for name in ("a.png", "b.png", "a.svg", "b.svg", "a.pdf"):
        draw_plane(plane, tmp_path / name)
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()
    assert (tmp_path / "a.svg").read_bytes() == (tmp_path / "b.svg").read_bytes()
    draw_sets({"ours": {s.name: s.nhg["majority"] for s in found.sets}}, tmp_path / "s.png", "t")
    draw_calibration(found.calibration, tmp_path / "c.png", "t")
    assert all((tmp_path / name).stat().st_size > 5_000 for name in ("a.pdf", "s.png", "c.png"))


def test_names_beside_the_picture_do_not_stretch_it(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib", reason="extra [train]")
    from tierchat.learning.evaluation.figures import Drawn, draw_plane

    low = {"XS": (0.1, 0.1), "M": (1.0, 0.2)}
    draw_plane(Drawn(("ours", sorted(low.values())), low), tmp_path / "low.svg")
    labels = (tmp_path / "low.svg").read_text()
    assert "<!-- 20% -->" in labels and "<!-- 30% -->" not in labels
