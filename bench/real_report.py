"""Every policy on one outcome matrix, as tables and charts: in-set, and set by set left out.

    python bench/real_report.py --model ladder --learn learn.jsonl --judge judge.jsonl --out DIR

Both files are JSON lines as `tierchat train` reads. Answers and replies to questions are kept in
the store of TIERCHAT_HOME, so that a run that was stopped goes on where it was, and a second run
only fits. `--no-questions` leaves out the policies that put questions to the tiers. A set is what
stands before the slash in a prompt's family.

In-set, policies are fitted on the first file and judged on the second. Left out, every set of both
files is judged by policies that were fitted on all the other sets.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import msgspec

from tierchat.config.home import Home
from tierchat.learning.evaluation.comparing import Collecting
from tierchat.learning.evaluation.comparison import Comparison, compare
from tierchat.learning.evaluation.controls.bounds import tiers_alone
from tierchat.learning.evaluation.controls.catalogue import walk_controls
from tierchat.learning.evaluation.controls.embeddings import Embedder
from tierchat.learning.evaluation.controls.names import CONTROLS, ControlSpec
from tierchat.learning.evaluation.controls.study import Study
from tierchat.learning.evaluation.figures import (
    draw_calibration,
    draw_plane,
    draw_sets,
    plane_of,
)
from tierchat.learning.evaluation.frontiers import Interval
from tierchat.learning.evaluation.policy import Policy, our_policy
from tierchat.learning.evaluation.transfer import Fit, Replies, leave_one_set_out
from tierchat.learning.outcomes.matrix import Matrix
from tierchat.learning.outcomes.prompts import GradedPrompt, read_prompts
from tierchat.learning.outcomes.store import open_store
from tierchat.learning.outcomes.topics import Topic
from tierchat.learning.outcomes.work import work_of, workers
from tierchat.learning.training.fit import fit_gates, predict
from tierchat.paths import make_private

# Fits our policy on the first matrix and walks it on the second.
FitOurs = Callable[[Matrix, Matrix], Policy]
SetOf = Callable[[GradedPrompt], str]
TOPICS: tuple[Topic, ...] = ("is-right", "unsure")


@dataclass(frozen=True)
class Question:
    """What a report is made of. `replies` are those about the prompts of both matrices; controls
    whose topic is not among them are left out, and those named in `without`.
    """

    learned: Matrix
    judged: Matrix
    fit: FitOurs
    set_of: SetOf
    replies: Mapping[Topic, Replies] = field(default_factory=dict)
    embedder: Embedder = field(default_factory=Embedder)
    without: tuple[str, ...] = ()

    @property
    def controls(self) -> tuple[ControlSpec, ...]:
        known = [spec for spec in CONTROLS if spec.name not in self.without]
        return tuple(s for s in known if s.topic is None or s.topic in self.replies)

    @property
    def whole(self) -> Matrix:
        """The prompts of both matrices."""
        prompts, rows = (
            (*getattr(self.learned, name), *getattr(self.judged, name))
            for name in ("prompts", "rows")
        )
        return replace(self.learned, prompts=prompts, rows=rows)


def set_of_family(prompt: GradedPrompt) -> str:
    return prompt.family_name.split("/")[0]


def fit_rows(learned: Matrix, judged: Matrix) -> Policy:
    """Fit the gates as a lesson does."""
    gates = fit_gates(learned, has_token=False).gates
    return our_policy(judged, predict(gates, judged), gates)


def fit_everyone(question: Question) -> Fit:
    """Return a fit of our policy, which comes first, and of every control."""

    def fit(learned: Matrix, judged: Matrix) -> Sequence[Policy]:
        study = Study(
            learned,
            judged,
            {topic: replies.on(judged) for topic, replies in question.replies.items()},
            {topic: replies.on(learned) for topic, replies in question.replies.items()},
            question.embedder,
        )
        with progress("policies") as tell:
            controls = walk_controls(question.controls, study, tell)
        return [question.fit(learned, judged), *tiers_alone(judged), *controls]

    return fit


def in_set(question: Question) -> Comparison:
    """Judge policies on prompts of the sets that they were fitted on."""
    judged = question.judged
    ours, *others = fit_everyone(question)(question.learned, judged)
    sets = [question.set_of(prompt) for prompt in judged.prompts]
    with progress("measuring") as tell:
        return compare("in-set", judged, sets, ours, others, tell)


def left_out(question: Question) -> Comparison:
    """Judge policies on sets that they were not fitted on."""
    whole = question.whole
    sets = [question.set_of(prompt) for prompt in whole.prompts]
    with progress("sets left out") as tell:
        ours, *others = leave_one_set_out(whole, sets, fit_everyone(question), tell)
    with progress("measuring") as tell:
        return compare("leave one set out", whole, sets, ours, others, tell)


def write_report(folder: Path, comparisons: Sequence[Comparison]) -> None:
    """Write `report.md`, its charts, and all numbers as JSON."""
    folder.mkdir(parents=True, exist_ok=True)
    text = []
    for found in comparisons:
        name = found.title.replace(" ", "-")
        (folder / f"{name}.json").write_bytes(msgspec.json.encode(found))
        draw(found, folder, name)
        text += [f"## {found.title.capitalize()}", "", *tables(found), f"![]({name}-plane.png)", ""]
    draw_sets(
        {f"tierchat, {c.title}": {s.name: s.nhg["tierchat"] for s in c.sets} for c in comparisons},
        folder / "sets.png",
        "NHG of tierchat by set, with 95 % intervals",
    )
    (folder / "report.md").write_text("\n".join([*text, "![](sets.png)", ""]), "utf-8")


def draw(found: Comparison, folder: Path, name: str) -> None:
    title = f"{found.title.capitalize()}: right answers against compute, with NHG"
    drawn = plane_of(found.lines, found.tiers, title)
    draw_plane(drawn, folder / f"{name}-plane.png")
    title = f"Does tierchat know how likely each tier is right? {found.title.capitalize()}"
    draw_calibration(found.calibration, folder / f"{name}-calibration.png", title)


def tables(found: Comparison) -> Iterator[str]:
    """Write the tables of one comparison as Markdown."""
    tiers = list(found.tiers)
    yield f"{found.num_prompts} prompts in {found.num_groups} question groups."
    yield from ("", "### Sets", "")
    yield row("set", "prompts", *(f"{tier} right (cost)" for tier in tiers), "any tier right")
    yield rule(3 + len(tiers))
    pooled = [f"{q:.3f} ({c:.2f})" for c, q in found.tiers.values()]
    for line in found.sets:
        alone = [f"{q:.3f} ({c:.2f})" for c, q in line.alone.values()]
        yield row(line.name, line.num_prompts, *alone, f"{line.best_in_set:.3f}")
    yield row("**all**", found.num_prompts, *pooled, "")
    yield from ("", "### Policies", "")
    yield (
        "NHG takes the best settings on the judged prompts, which flatters every policy on few "
        "prompts: what it gives the random mixture is luck."
    )
    yield ""
    yield row(
        *("policy", "NHG", "tierchat ahead by", "best", "cost at 95 %", "cost at 99 %"),
        *("APGR", "CPT50", "AUROC right", "AUROC helps", "ECE", "source"),
    )
    yield rule(12)
    for line in found.lines:
        yield row(
            line.name,
            interval(line.nhg),
            interval(line.ours_ahead) if line.ours_ahead else "",
            *(number(v) for v in (line.best_quality, line.cost_at_95, line.cost_at_99)),
            *(number(v) for v in (line.apgr, line.cpt_50)),
            *(by_name(each) for each in (line.auroc, line.auroc_helps, line.ece)),
            line.source,
        )
    yield from ("", "### NHG by set", "")
    yield row("policy", *(line.name for line in found.sets))
    yield rule(1 + len(found.sets))
    for policy in (line.name for line in found.lines):
        values = [line.nhg[policy] for line in found.sets]
        yield row(policy, *(interval(v) if policy == "tierchat" else number(v[0]) for v in values))
    for share, reports in found.settings.items():
        yield from ("", f"### The cheapest setting that keeps {float(share):.0%} of the top", "")
        yield row(
            *("policy", "cost", "right", "tax", "false keeps", "wasted", "harmful"),
            *(f"by {tier}" for tier in tiers),
        )
        yield rule(7 + len(tiers))
        for policy, walk in reports.items():
            values = (
                *(walk.cost_to_top, walk.quality, walk.escalation_tax, walk.false_keeps),
                *(walk.wasted_escalations, walk.harmful_escalations, *walk.answered_by.values()),
            )
            yield row(policy, *(number(value) for value in values))
    yield ""


def row(*cells: object) -> str:
    return f"| {' | '.join(map(str, cells))} |"


def rule(num: int) -> str:
    return "|" + "---|" * num


def number(value: float) -> str:
    return f"{value:.3f}" if abs(value) < float("inf") else "never"


def interval(values: Interval) -> str:
    return f"{values[0]:.3f} [{values[1]:.3f}, {values[2]:.3f}]"


def by_name(values: Mapping[str, float]) -> str:
    return ", ".join(f"{name} {value:.2f}" for name, value in values.items())


@contextlib.contextmanager
def progress(title: str) -> Iterator[Callable[[int, int], None]]:
    """Print how much is done, at most every 10 seconds, with the time that the rest will take."""
    began_s = told_s = time.monotonic()
    first: list[int] = []

    def tell(done: int, total: int) -> None:
        nonlocal told_s
        first.append(done)
        now_s = time.monotonic()
        if now_s - told_s > 10 or done == total:
            rate = (done - first[0]) / max(now_s - began_s, 1e-3)
            left = f", {(total - done) / rate:.0f} s left" if rate and done < total else ""
            print(f"{title}: {done} of {total}{left}", flush=True)
            told_s = now_s

    yield tell


async def collected(options: argparse.Namespace) -> tuple[Matrix, Matrix, dict[Topic, Replies]]:
    """Run what the store lacks: answers of every tier, then questions to all but the top one."""
    home = Home.of_process()
    make_private(home.paths.data_dir)
    spec = home.catalogue.effective(options.model)
    work = work_of(spec, home.catalogue, home.paths)
    async with workers(home, options.model) as pool:
        with open_store(home.paths.outcomes_file) as store:
            collecting = Collecting(work, pool, store, progress)
            learned = await collecting.outcomes(read_prompts(options.learn), "answers, learned")
            judged = await collecting.outcomes(read_prompts(options.judge), "answers, judged")
            whole = Question(learned, judged, fit_rows, set_of_family).whole
            topics = TOPICS if options.questions else ()
            replies = {
                topic: Replies.about(whole, await collecting.ask(whole, topic)) for topic in topics
            }
    return learned, judged, replies


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", required=True, help="the cascade")
    parser.add_argument("--learn", type=Path, required=True)
    parser.add_argument("--judge", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--questions", action=argparse.BooleanOptionalAction, default=True)
    options = parser.parse_args()
    learned, judged, replies = asyncio.run(collected(options))
    options.out.mkdir(parents=True, exist_ok=True)
    embedder = Embedder(file=options.out / "embeddings.npz")
    question = Question(learned, judged, fit_rows, set_of_family, replies, embedder)
    write_report(options.out, [in_set(question), left_out(question)])
    print(options.out / "report.md")


if __name__ == "__main__":
    main()
