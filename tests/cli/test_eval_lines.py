"""The report of `eval` as text."""

from __future__ import annotations

import msgspec

from tierchat.cli.actions.eval_lines import curves, report_lines
from tierchat.learning.evaluation.report import (
    EvalReport,
    FamilyReport,
    LiveReport,
    PolicyLine,
    WalkReport,
)


def line(name: str, ahead: tuple[float, float, float] | None = None) -> PolicyLine:
    return PolicyLine(
        name=name,
        source="",
        nhg=(0.5, 0.25, 0.75),
        ours_ahead=ahead,
        best_quality=0.9,
        cost_at_95=0.35,
        cost_at_99=0.4,
        qnc=0.3,
        aiq=0.8,
        apgr=0.7,
        cpt_50=0.2,
        cpt_80=0.6,
        curve=((0.1, 0.2), (1.0, 0.9)),
    )


REPORT = EvalReport(
    cascade="net",
    num_prompts=36,
    num_groups=12,
    tiers={"M": (1.0, 0.9), "S": (0.1, 0.5)},
    lines=(line("tierchat"), line("random", ahead=(0.5, 0.1, 0.9))),
    auroc={"S prompt": 0.91},
    auroc_helps={},
    ece={"S prompt": 0.05},
    at_balanced=WalkReport(
        quality=0.875,
        quality_to_top=0.99,
        cost_to_top=0.3,
        escalation_tax=0.2,
        false_keeps=0.1,
        wasted_escalations=0.05,
        harmful_escalations=0.01,
        generated_tokens_per_hop=1.5,
        answered_by={"S": 0.6, "M": 0.4},
    ),
    families={
        "sums": FamilyReport(
            num_prompts=9, alone={"M": 0.9, "S": 0.5}, tierchat=0.8, cost_to_top=0.25
        )
    },
    live=LiveReport(
        num_prompts=36,
        same_tier=1.0,
        same_grade=0.5,
        refused=0.0,
        first_piece_p50_s=0.02,
        first_piece_p95_s=0.5,
    ),
)


def test_ours_the_oracle_and_the_best_rivals_are_drawn_and_tiers_by_their_cost() -> None:
    names = [name for name, _ in curves(REPORT)]
    assert names == ["tierchat", "random", "tiers"]
    assert curves(REPORT)[-1] == ("tiers", ((0.1, 0.5), (1.0, 0.9)))
    weak = msgspec.structs.replace(line("weak"), nhg=(0.1, 0.0, 0.2))
    point = msgspec.structs.replace(line("S alone"), curve=((0.1, 0.5),))
    lines = (*REPORT.lines, weak, line("oracle"), line("family oracle"), line("kNN"), point)
    drawn = curves(msgspec.structs.replace(REPORT, lines=lines))
    assert [name for name, _ in drawn] == ["tierchat", "oracle", "random", "kNN", "tiers"]


def test_every_figure_is_written_in_its_section() -> None:
    text = list(report_lines(REPORT, 7, ["a chart"]))
    assert text[0] == "net: 36 prompts the gate has not seen; 7 it was taught on are left out"
    ahead = next(row for row in text if row.startswith("random"))
    assert ahead.split()[-3:] == ["0.900", "0.350", "0.400"] and " 0.500 [ 0.100,  0.900]" in ahead
    assert "a chart" in text and any(row.split() == ["quality", "0.875"] for row in text)
    assert "  answered by S            0.600" in text
    assert any(row.split() == ["S", "prompt", "0.910", "0.050"] for row in text)
    assert any(row.split() == ["sums", "0.900", "0.500", "0.800", "0.250"] for row in text)
    assert "same grade 50.0%" in text[-2] and text[-1].endswith("95 % within 0.500 s")
    assert "left out" not in next(iter(report_lines(REPORT, 0, [])))
