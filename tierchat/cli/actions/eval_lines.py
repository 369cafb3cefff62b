"""The report of `tierchat eval` as lines of text. Pure; does not know streams or files."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from tierchat.learning.evaluation.report import EvalReport, PolicyLine

Curve = tuple[str, tuple[tuple[float, float], ...]]
_NUM_RIVALS = 2


def curves(report: EvalReport) -> list[Curve]:
    """Return the curves worth drawing: ours, the oracle, the best of the others, and the tiers."""
    ours, *others = report.lines
    oracle = [line for line in others if line.name == "oracle"]
    # Oracles know the answers, and a tier alone is a point of the tiers.
    rivals = [line for line in others if "oracle" not in line.name and len(line.curve) > 1]
    rivals.sort(key=lambda line: -line.nhg[0])
    drawn = [(line.name, line.curve) for line in (ours, *oracle, *rivals[:_NUM_RIVALS])]
    return [*drawn, ("tiers", tuple(sorted(report.tiers.values())))]


def report_lines(report: EvalReport, num_left_out: int, chart: Sequence[str]) -> Iterator[str]:
    """Write the whole report; `num_left_out` prompts were left out, the gate was taught on them."""
    left_out = f"; {num_left_out} it was taught on are left out" if num_left_out else ""
    yield f"{report.cascade}: {report.num_prompts} prompts the gate has not seen{left_out}"
    for section in (
        _policies(report.lines),
        _literature(report.lines),
        chart,
        _balanced(report),
        _gates(report),
        _families(report),
        _live(report),
    ):
        yield ""
        yield from section


def _policies(lines: Sequence[PolicyLine]) -> Iterator[str]:
    width = max(len(line.name) for line in lines)
    yield (
        f"{'':{width}s} {'NHG':>24s}  {'tierchat ahead by':>24s}  best  cost at 95 %  cost at 99 %"
    )
    for line in lines:
        ahead = _interval(line.ours_ahead) if line.ours_ahead else ""
        yield (
            f"{line.name:{width}s} {_interval(line.nhg):>24s}  {ahead:>24s}  "
            f"{line.best_quality:.3f}  {line.cost_at_95:12.3f}  {line.cost_at_99:12.3f}"
        )


def _literature(lines: Sequence[PolicyLine]) -> Iterator[str]:
    """Write the measures of other papers, for comparison with their tables."""
    width = max(len(line.name) for line in lines)
    yield f"{'':{width}s}    AIQ    QNC   APGR  CPT50  CPT80  source"
    for line in lines:
        measures = (line.aiq, line.qnc, line.apgr, line.cpt_50, line.cpt_80)
        numbers = " ".join(f"{value:6.3f}" for value in measures)
        yield f"{line.name:{width}s} {numbers}  {line.source}".rstrip()


def _balanced(report: EvalReport) -> Iterator[str]:
    yield "at --quality balanced:"
    walk = report.at_balanced
    numbers = {
        "quality": walk.quality,
        "quality / top": walk.quality_to_top,
        "cost / top": walk.cost_to_top,
        "escalation tax": walk.escalation_tax,
        "false keeps": walk.false_keeps,
        "wasted escalations": walk.wasted_escalations,
        "harmful escalations": walk.harmful_escalations,
        "generated tokens a hop": walk.generated_tokens_per_hop,
        **{f"answered by {name}": share for name, share in walk.answered_by.items()},
    }
    for name, value in numbers.items():
        yield f"  {name:24s} {value:.3f}"


def _gates(report: EvalReport) -> Iterator[str]:
    yield "gates:            AUROC right   AUROC helps   ECE"
    for name, value in report.auroc.items():
        helps = f"{report.auroc_helps[name]:.3f}" if name in report.auroc_helps else ""
        yield f"  {name:16s} {value:10.3f} {helps:>13s} {report.ece[name]:7.3f}"


def _families(report: EvalReport) -> Iterator[str]:
    tiers = list(report.tiers)
    yield f"{'family':28s} " + " ".join(f"{n:>9s}" for n in (*tiers, "tierchat", "cost/top"))
    for name, family in report.families.items():
        values = [*(family.alone[tier] for tier in tiers), family.tierchat, family.cost_to_top]
        yield f"{name:28s} " + " ".join(f"{value:9.3f}" for value in values)


def _live(report: EvalReport) -> Iterator[str]:
    live = report.live
    yield (
        f"live run of {live.num_prompts} prompts: same tier as the replay {live.same_tier:.1%}, "
        f"same grade {live.same_grade:.1%}, refused by every tier {live.refused:.1%}"
    )
    yield (
        f"time to the first piece of an answer, streamed: median {live.first_piece_p50_s:.3f} s, "
        f"95 % within {live.first_piece_p95_s:.3f} s"
    )


def _interval(values: tuple[float, float, float]) -> str:
    return f"{values[0]:6.3f} [{values[1]:6.3f}, {values[2]:6.3f}]"
