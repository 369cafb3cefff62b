"""Measure the bundled cascade on held-out prompts: `python -m tierchat.pocket.evaluate`.

Does not know training. Every tier runs on every prompt once; each policy is replayed on that
outcome matrix, which is exact because decoding is greedy.
"""

from __future__ import annotations

import argparse
import json
import random
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tierchat.pocket import dataset, smalltalk, tasks
from tierchat.pocket.outside import Outside
from tierchat.pocket.problems import Problem

TIERS = ("XS", "S", "M")


@dataclass(frozen=True)
class Cell:
    """What one tier did with one prompt: an entry of the outcome matrix."""

    is_right: bool
    escalate_probability: float
    min_logprob: float
    num_prompt_tokens: int
    num_generated_tokens: int


@dataclass(frozen=True)
class TierFacts:
    """What a policy needs to know of a tier."""

    name: str
    num_parameters: int
    escalate_threshold: float
    answer_threshold: float


@dataclass(frozen=True)
class Replay:
    """One policy on one prompt: answering tier (None: refused), right or not, costs in units."""

    tier: int | None
    is_right: bool
    compute: float
    num_tokens: int
    num_escalation_tokens: int
    num_hops: int
    num_hop_generated: int


def held_out(num_per_cell: int, seed: int) -> list[tuple[str, Problem]]:
    """Draw the groups: the mix, own held-out wordings, small talk, out of domain."""
    rng, source = random.Random(seed), dataset.Source("test")
    drawn = [
        ("mix", source.task(rng, cell)) for cell in dataset.cells() for _ in range(num_per_cell)
    ]
    for family, level in tasks.cells():
        drawn += [
            ("wordings", tasks.draw(family, level, rng, "held_out"))
            for _ in range(num_per_cell // 2)
        ]
    drawn += [("talk", smalltalk.draw(rng)) for _ in range(num_per_cell)]
    drawn += [("talk_held_out", smalltalk.draw(rng, held_out=True)) for _ in range(num_per_cell)]
    outside = Outside(held_out=True)
    drawn += [("outside", outside.draw(rng)) for _ in range(10 * num_per_cell)]
    return drawn


def training_prompts(num_draws: int) -> frozenset[str]:
    """Redraw a sample of the training side, to tell prompts that were surely seen from others.

    Small levels (one digit, greatest divisors up to 20) have few distinct prompts; a fresh seed
    cannot avoid them there.
    """
    rng, source = random.Random(1), dataset.Source("train")
    return frozenset(source.task(rng).prompt for _ in range(num_draws))


def replay(row: Sequence[Cell], tiers: Sequence[TierFacts], first: int, may_check: bool) -> Replay:
    """Walk one prompt up from tier `first`; `may_check` adds decision C on the finished answer."""
    compute, tokens, tax, hops, generated = 0.0, 0, 0, 0, 0
    for index in range(first, len(tiers)):
        tier, cell = tiers[index], row[index]
        wishes_up = cell.escalate_probability > tier.escalate_threshold
        doubts = may_check and not wishes_up and cell.min_logprob < tier.answer_threshold
        written = 0 if wishes_up else cell.num_generated_tokens
        visit = cell.num_prompt_tokens + written
        compute += tier.num_parameters * visit
        tokens += visit
        if not wishes_up and not doubts:
            return Replay(index, cell.is_right, compute, tokens, tax, hops, generated)
        tax += visit
        if index + 1 < len(tiers):
            hops += 1
            generated += written
    return Replay(None, False, compute, tokens, tax, hops, generated)


def weights_of(problems: Sequence[Problem]) -> np.ndarray:
    """Weigh prompts so that families are uniform, then the levels within a family."""
    levels: dict[str, set[str]] = {}
    counts: dict[str, int] = {}
    for problem in problems:
        levels.setdefault(problem.family, set()).add(problem.level)
        counts[problem.cell] = counts.get(problem.cell, 0) + 1
    raw = [1 / (len(levels) * len(levels[p.family]) * counts[p.cell]) for p in problems]
    return np.array(raw)


def interval(
    statistic: Callable[[np.ndarray], float], weights: np.ndarray, seed: int = 0
) -> list[float]:
    """Give a statistic of the weights with its 95 % bootstrap interval (1,000 resamples)."""
    rng, num = np.random.default_rng(seed), len(weights)
    drawn = [statistic(weights * rng.multinomial(num, np.full(num, 1 / num))) for _ in range(1_000)]
    low, high = np.percentile(drawn, (2.5, 97.5))
    return [statistic(weights), float(low), float(high)]


def summary(
    problems: Sequence[Problem], rows: Sequence[Sequence[Cell]], tiers: Sequence[TierFacts]
) -> dict[str, Any]:
    """Compute every number of the mix: tiers alone, the cascade, what escalation cost."""
    weights = weights_of(problems)
    alone = [[replay(row, tiers[: i + 1], i, False) for row in rows] for i in range(len(tiers))]
    walked = [replay(row, tiers, 0, False) for row in rows]
    checked = [replay(row, tiers, 0, True) for row in rows]

    def share(values: list[Any]) -> list[float]:
        array = np.array(values, dtype=float)
        return interval(lambda w: float((w * array).sum() / w.sum()), weights)

    def ratio(top: list[float], bottom: list[float]) -> list[float]:
        a, b = np.array(top, dtype=float), np.array(bottom, dtype=float)
        return interval(lambda w: float((w * a).sum() / max((w * b).sum(), 1e-9)), weights)

    top = alone[-1]
    out: dict[str, Any] = {"num_prompts": len(problems)}
    for index, tier in enumerate(tiers):
        out[f"accuracy {tier.name} alone"] = share([r.is_right for r in alone[index]])
        out[f"compute {tier.name} alone / M alone"] = ratio(
            [r.compute for r in alone[index]], [r.compute for r in top]
        )
        out[f"able {tier.name} (escalation forbidden)"] = share(
            [row[index].is_right for row in rows]
        )
        out[f"false keeps {tier.name}"] = share(
            [
                not row[index].is_right
                and row[index].escalate_probability <= tier.escalate_threshold
                for row in rows
            ]
        )
        out[f"needless escalations {tier.name}"] = share(
            [
                row[index].is_right and row[index].escalate_probability > tier.escalate_threshold
                for row in rows
            ]
        )
    for name, policy in (("cascade", walked), ("cascade with decision C", checked)):
        out[f"accuracy {name}"] = share([r.is_right for r in policy])
        out[f"accuracy {name} / M alone"] = ratio(
            [r.is_right for r in policy], [r.is_right for r in top]
        )
        out[f"compute {name} / M alone"] = ratio(
            [r.compute for r in policy], [r.compute for r in top]
        )
        out[f"escalation tax {name}"] = ratio(
            [r.num_escalation_tokens for r in policy], [r.num_tokens for r in policy]
        )
        out[f"generated tokens per hop {name}"] = ratio(
            [r.num_hop_generated for r in policy], [r.num_hops for r in policy]
        )
        for index, tier in enumerate(tiers):
            out[f"share answered by {tier.name} {name}"] = share([r.tier == index for r in policy])
        out[f"share refused {name}"] = share([r.tier is None for r in policy])
    return out


def per_cell(
    problems: Sequence[Problem], rows: Sequence[Sequence[Cell]], tiers: Sequence[TierFacts]
) -> dict[str, list[float]]:
    """Tabulate per family and level: accuracy of XS, S, M, cascade; share at XS, S, M; compute."""
    groups: dict[str, list[int]] = {}
    for index, problem in enumerate(problems):
        groups.setdefault(problem.cell, []).append(index)
    table = {}
    for cell, members in groups.items():
        walked = [replay(rows[i], tiers, 0, False) for i in members]
        alone = [
            [replay(rows[i], tiers[: t + 1], t, False) for i in members] for t in range(len(tiers))
        ]
        numbers = [float(np.mean([r.is_right for r in column])) for column in (*alone, walked)]
        numbers += [float(np.mean([r.tier == t for r in walked])) for t in range(len(tiers))]
        numbers.append(sum(r.compute for r in walked) / sum(r.compute for r in alone[-1]))
        table[cell] = numbers
    return table


def refusals(
    problems: Sequence[Problem], rows: Sequence[Sequence[Cell]], tiers: Sequence[TierFacts]
) -> dict[str, list[float]]:
    """Give the share of prompts every single tier refuses, all and per category."""
    refused = np.array(
        [
            [c.escalate_probability > t.escalate_threshold for c, t in zip(row, tiers, strict=True)]
            for row in rows
        ]
    )
    table = {"all": [*refused.mean(0), refused.all(1).mean()]}
    for level in sorted({p.level for p in problems}):
        chosen = np.array([p.level == level for p in problems])
        table[level] = [*refused[chosen].mean(0), refused[chosen].all(1).mean()]
    return {name: [float(x) for x in row] for name, row in table.items()}


def measure(folder: Path, problems: Sequence[Problem]) -> tuple[list[TierFacts], list[list[Cell]]]:
    """Run every shipped model on every prompt with escalation forbidden, recording its wish."""
    from tierchat.pocket import generate, shipped

    tiers, columns = [], []
    prompts = [p.prompt for p in problems]
    known = [i for i, p in enumerate(problems) if p.kind != "outside"]
    others = [i for i, p in enumerate(problems) if p.kind == "outside"]
    for name in TIERS:
        file = folder / f"pocket-{name.lower()}.gguf"
        one = shipped.load(file)
        encoder = dataset.Encoder(shipped.load_tokenizer(file))
        column: dict[int, Cell] = {}
        # Of a prompt nobody can answer only the wish to escalate is looked at.
        for chosen, max_tokens in ((known, 60 if name == "XS" else 150), (others, 1)):
            replies = generate.answer_all(
                one.net, encoder, [prompts[i] for i in chosen], max_tokens
            )
            for i, reply in zip(chosen, replies, strict=True):
                column[i] = Cell(
                    is_right=reply.answer is not None and dataset.grade(problems[i], reply.answer),
                    escalate_probability=reply.escalate_probability,
                    min_logprob=reply.min_logprob,
                    num_prompt_tokens=reply.num_prompt_tokens,
                    num_generated_tokens=reply.num_generated_tokens,
                )
        tiers.append(
            TierFacts(name, one.num_parameters, one.escalate_threshold, one.answer_threshold)
        )
        columns.append([column[i] for i in range(len(problems))])
    return tiers, [list(row) for row in zip(*columns, strict=True)]


def report(results: dict[str, Any]) -> str:
    """Write the results as plain text."""
    lines = []
    for group in ("mix", "own", "puzzles", "wordings", "unseen"):
        lines.append(f"== {group}")
        for name, value in results[group].items():
            text = (
                f"{value[0]:.3f}  [{value[1]:.3f}, {value[2]:.3f}]"
                if isinstance(value, list)
                else str(value)
            )
            lines.append(f"{name:48s} {text}")
    head = "accuracy XS S M cascade | answered at XS S M | compute / M alone"
    for group in ("mix per cell", "wordings per cell"):
        lines.append(f"== {group}: {head}")
        lines += [
            f"{cell:34s} " + " ".join(f"{x:5.2f}" for x in row)
            for cell, row in results[group].items()
        ]
    lines.append("== out of domain, refused by: XS S M | every tier")
    lines += [
        f"{name:20s} " + " ".join(f"{x:5.3f}" for x in row)
        for name, row in results["outside"].items()
    ]
    lines += [
        f"small talk answered by XS, {name}: {results[name]:.3f}"
        for name in ("talk", "talk_held_out")
    ]
    return "\n".join(lines)


def evaluate(folder: Path, num_per_cell: int, seed: int) -> dict[str, Any]:
    """Draw, measure and summarise everything."""
    drawn, seen = held_out(num_per_cell, seed), training_prompts(300_000)
    begin = time.monotonic()
    tiers, rows = measure(folder, [problem for _, problem in drawn])
    grouped: dict[str, tuple[list[Problem], list[list[Cell]]]] = {}
    for (group, problem), row in zip(drawn, rows, strict=True):
        names = [group]
        if group == "mix":
            names.append("own" if problem.entry is None else "puzzles")
            if problem.prompt not in seen:
                names.append("unseen")
        for name in names:
            grouped.setdefault(name, ([], []))[0].append(problem)
            grouped[name][1].append(row)
    results: dict[str, Any] = {
        name: summary(*grouped[name], tiers)
        for name in ("mix", "own", "puzzles", "wordings", "unseen")
    }
    for name in ("mix", "wordings"):
        results[f"{name} per cell"] = per_cell(*grouped[name], tiers)
    results["outside"] = refusals(*grouped["outside"], tiers)
    for name in ("talk", "talk_held_out"):
        walked = [replay(row, tiers, 0, False) for row in grouped[name][1]]
        results[name] = float(np.mean([r.is_right and r.tier == 0 for r in walked]))
    results["tiers"] = [asdict(tier) for tier in tiers]
    results["seconds"] = time.monotonic() - begin
    return results


def main() -> None:
    """Print the tables; --json writes the numbers too."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--models", type=Path, default=Path(__file__).parent / "models")
    parser.add_argument("--per-cell", type=int, default=110)
    parser.add_argument("--seed", type=int, default=20_000)
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    results = evaluate(args.models, args.per_cell, args.seed)
    print(report(results))
    if args.json:
        args.json.write_text(json.dumps(results, indent=1))


if __name__ == "__main__":
    main()
