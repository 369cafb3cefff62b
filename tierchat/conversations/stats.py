"""Statistics of all saved exchanges: which tiers answered, why others did not, compute saved.

Pure: rows in, numbers and lines out. Does not know SQL. Every number is a sum of counted numbers.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Literal

from tierchat.conversations.rows import HopsRow
from tierchat.terminal.units import seconds
from tierchat.types import Frozen

By = Literal["day", "model", "template", "conversation"]
NOBODY = "no tier"
_FAILED = ("failed", "lost")
_BAR = 24
# The least room for the name of a group, and what the figures behind its bar take with all gaps.
_NAME, _FIGURES = 22, 18
_KEYS: dict[By, Callable[[HopsRow], str]] = {
    "day": lambda row: row.day,
    "model": lambda row: row.model or "(no answer)",
    "template": lambda row: row.template or "(none)",
    "conversation": lambda row: f"{row.conversation_id[:6]} {row.title}",
}


class Sums(Frozen, frozen=True):
    """Sums over some exchanges, those included that failed or were lost with the daemon.

    `compute_saved` is relative to the compute of the top tier alone. `escalation_tokens` were
    computed by tiers that did not answer.
    """

    num_prompts: int
    num_failed: int
    by_tier: dict[str, int]
    reasons: dict[str, int]
    num_escalated: int
    generated_tokens: int
    escalation_tokens: int
    escalation_seconds: float
    seconds: float
    compute_saved: float


class Stats(Frozen, frozen=True):
    """The sums of all exchanges, and of each day, model, template or conversation."""

    total: Sums
    by: dict[str, Sums]


def collect(rows: Sequence[HopsRow], by: By) -> Stats:
    """Sum up all exchanges, and each group of them."""
    groups: dict[str, list[HopsRow]] = defaultdict(list)
    for row in rows:
        groups[_KEYS[by](row)].append(row)
    return Stats(total=_sums(rows), by={name: _sums(part) for name, part in groups.items()})


def lines(stats: Stats, by: By, width: int) -> list[str]:
    """Return the numbers as lines with bars, none longer than `width`."""
    total = stats.total
    if not total.num_prompts:
        return ["nothing is saved yet"]
    bar = max(4, min(_BAR, width - 36))
    prompts = f"{total.num_prompts} prompt{'s' * (total.num_prompts != 1)}"
    written = [f"{prompts}, {total.generated_tokens:,} tokens generated", ""]
    written += _bars(total.by_tier, total.num_prompts, bar, "answered by")
    if total.num_failed:
        written.append(f"failed: {total.num_failed} ({_share(total.num_failed, total)})")
    written += ["", f"escalated: {total.num_escalated} ({_share(total.num_escalated, total)})"]
    written += _bars(total.reasons, sum(total.reasons.values()), bar, "  because")
    written += [
        f"escalation cost {total.escalation_tokens:,} tokens, {seconds(total.escalation_seconds)}",
        f"waited {seconds(total.seconds)} in all",
        f"compute saved, compared with the top tier alone: {total.compute_saved:.1%}",
        "",
        f"by {by}, with the compute saved:",
    ]
    most = max(part.num_prompts for part in stats.by.values())
    room = max(_NAME, min(max(map(len, stats.by)), width - bar - _FIGURES))
    for name, part in stats.by.items():
        filled = "█" * max(1, round(bar * part.num_prompts / most))
        figures = f"{part.num_prompts:5d}  {part.compute_saved:6.1%}"
        written.append(f"  {name[:room]:{room}s} {filled:{bar}s} {figures}")
    return [line[:width].rstrip() for line in written]


def save_plot(stats: Stats, by: By, file: Path) -> None:
    """Plot prompts per tier and compute saved for each group. Needs matplotlib."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    names = list(stats.by)
    tiers = list(stats.total.by_tier)
    figure, axes = pyplot.subplots(figsize=(8, 4.5))
    below = [0] * len(names)
    for tier in tiers:
        heights = [stats.by[name].by_tier.get(tier, 0) for name in names]
        axes.bar(range(len(names)), heights, bottom=below, label=tier)
        below = [a + b for a, b in zip(below, heights, strict=True)]
    axes.set_xticks(range(len(names)), [name[:16] for name in names], rotation=45, ha="right")
    axes.set_ylabel("prompts")
    other = axes.twinx()
    other.plot(range(len(names)), [stats.by[n].compute_saved for n in names], "k.-", alpha=0.5)
    other.set_ylabel("compute saved")
    other.set_ylim(0, 1)
    axes.legend()
    figure.tight_layout()
    figure.savefig(file)
    pyplot.close(figure)


def _sums(rows: Sequence[HopsRow]) -> Sums:
    tiers = Counter(row.tier or NOBODY for row in rows if row.tier or row.state == "unanswered")
    hops = [hop.partition("\t") for row in rows for hop in (row.hops or "").split("\n") if hop]
    # Exchanges that no tier could answer cost compute, too.
    counted = [row for row in rows if row.top_compute]
    top = sum(row.top_compute for row in counted)
    return Sums(
        num_prompts=len(rows),
        num_failed=sum(row.state in _FAILED for row in rows),
        by_tier=dict(_ordered(tiers)),
        reasons=dict(Counter(f"{tier}: {reason}" for tier, _, reason in hops).most_common(8)),
        num_escalated=sum(bool(row.hops) for row in rows),
        generated_tokens=sum(row.generated_tokens for row in rows),
        escalation_tokens=sum(row.escalation_tokens for row in rows),
        escalation_seconds=sum(row.escalation_seconds for row in rows),
        seconds=sum(row.seconds for row in rows),
        compute_saved=1 - sum(row.compute for row in counted) / top if top else 0.0,
    )


def _ordered(tiers: Counter[str]) -> Iterable[tuple[str, int]]:
    return sorted(tiers.items(), key=lambda item: (item[0] == NOBODY, -item[1]))


def _bars(counts: dict[str, int], total: int, width: int, what: str) -> list[str]:
    name = max((len(key) for key in counts), default=0)
    return [
        f"{what} {key:{name}s} {'█' * round(width * num / total) if total else '':{width}s} "
        f"{num:5d}  {num / total:6.1%}"
        for key, num in counts.items()
    ]


def _share(num: int, total: Sums) -> str:
    return f"{num / total.num_prompts:.1%}"
