"""`tierchat eval`: fills the outcome matrix, replays every policy on it, checks with a live run.

Does not know typer.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tierchat.cascade.cascade import Cascade
from tierchat.cli.actions.eval_lines import curves, report_lines
from tierchat.cli.actions.notices import note_loading
from tierchat.cli.exit_codes import ExitCode
from tierchat.config.home import Home
from tierchat.errors import EngineCrashed, UsageError
from tierchat.events import AnswerDelta, Done, ThoughtDelta
from tierchat.gates import files as gate_files
from tierchat.gates.lookup import FoundGate, GateLookup
from tierchat.learning.evaluation import policies, report
from tierchat.learning.evaluation.chart import terminal_chart
from tierchat.learning.evaluation.controls.bounds import tiers_alone
from tierchat.learning.evaluation.controls.names import ControlSpec
from tierchat.learning.evaluation.policy import our_policy
from tierchat.learning.evaluation.report import EvalReport, LiveReport
from tierchat.learning.outcomes.grading import grade
from tierchat.learning.outcomes.matrix import Matrix
from tierchat.learning.outcomes.prompts import GradedPrompt
from tierchat.learning.outcomes.sources import Source, find_prompts, need
from tierchat.learning.outcomes.store import open_store
from tierchat.learning.outcomes.work import MAX_ANSWER, work_of, workers
from tierchat.models.verified_files import VerifiedFiles
from tierchat.outcomes import Outcome
from tierchat.paths import make_private
from tierchat.terminal.output import Output
from tierchat.terminal.progress import counting
from tierchat.types import QUALITIES, Hold, Prompt, Sampling, TierOptions
from tierchat.workers.pool import Pool

_NUM_LIVE = 60


@dataclass(frozen=True)
class EvalRequest:
    """The options of one `tierchat eval`."""

    source: Source
    cascade: str | None = None
    compare: tuple[ControlSpec, ...] = ()
    max_prompts: int = 2_500
    max_answer: int = MAX_ANSWER
    plot: Path | None = None
    json: bool = False
    seed: int = 0


def run(request: EvalRequest, home: Home, output: Output) -> int:
    """Measure a cascade's learned gate; returns the exit code."""
    need("sklearn", "threadpoolctl", *(["matplotlib"] if request.plot else []))
    paths, catalogue = home.paths, home.catalogue
    cascade = request.cascade or home.settings.cascade
    spec = catalogue.effective(cascade)
    lookup = GateLookup(paths.gates_dir, VerifiedFiles(paths.verified_file))
    if lookup.file(cascade) is None:
        raise UsageError(f"{cascade} has no learned gate to measure", "run `tierchat train` first")
    gate, notice = lookup.find(cascade, spec, catalogue.models)
    if gate is None:
        raise UsageError(notice, "run `tierchat train` again")
    prompts = find_prompts(request.source, home, cascade, request.max_prompts, request.seed)
    known = set(gate.head.learned)
    fresh = [p for p in prompts if p.group_name not in known][: request.max_prompts]
    seen = [p for p in prompts if p.group_name in known]
    if not fresh:
        raise UsageError("the gate was taught on every one of these prompts", "give other prompts")
    learning = [spec.name for spec in request.compare if spec.learns]
    if learning and not seen:
        raise UsageError(
            f"--compare has no prompts to teach {', '.join(learning)} on",
            "give the prompts that the gate was taught on, too, or choose policies that learn "
            "nothing",
        )
    make_private(paths.data_dir)
    measuring = _Measuring(request, cascade, home, output, gate)
    found = asyncio.run(measuring.run(fresh, seen))
    _show(found, request, len(seen), output)
    return ExitCode.DONE


class _Measuring:
    """One run of `eval`."""

    def __init__(
        self,
        request: EvalRequest,
        cascade: str,
        home: Home,
        output: Output,
        gate: FoundGate,
    ) -> None:
        self._request, self._cascade = request, cascade
        self._home, self._output, self._gate = home, output, gate

    async def run(self, fresh: Sequence[GradedPrompt], seen: Sequence[GradedPrompt]) -> EvalReport:
        from tierchat.learning.evaluation.comparing import Collecting
        from tierchat.learning.evaluation.controls.catalogue import walk_controls
        from tierchat.learning.training.fit import predict

        paths, catalogue = self._home.paths, self._home.catalogue
        spec = catalogue.effective(self._cascade)
        work = work_of(spec, catalogue, paths, self._request.max_answer)
        gates = gate_files.load(self._gate.path)
        compared = self._request.compare
        async with workers(self._home, self._cascade) as pool:
            with open_store(paths.outcomes_file) as store:
                collecting = Collecting(work, pool, store, self._phase)
                judged = await collecting.outcomes(fresh, "answers")
                study = await collecting.study(compared, judged, seen)
            note_loading(pool, catalogue.find(self._cascade).models, self._output)
            estimates = predict(gates, judged)
            weight = self._gate.head.cost_weight(QUALITIES["balanced"])
            [balanced] = policies.gated(judged, estimates, gates, [weight])
            live = await self._live(judged, balanced, pool)
        ours = our_policy(judged, estimates, gates)
        others = tiers_alone(judged) if compared else []
        with self._phase("policies") as tell:
            others += walk_controls(compared, study, tell)
        with self._phase("intervals") as tell:
            lines = report.policy_lines(judged, ours, others, tell)
        auroc, helps, ece = report.readers(judged, policies.as_used(gates, estimates))
        return EvalReport(
            cascade=self._cascade,
            num_prompts=len(judged.rows),
            num_groups=len(set(judged.groups)),
            tiers={
                name: (float(judged.costs()[:, tier].mean()), float(judged.right[:, tier].mean()))
                for tier, name in enumerate(judged.tiers)
            },
            lines=lines,
            auroc=auroc,
            auroc_helps=helps,
            ece=ece,
            at_balanced=report.describe_walk(judged, balanced),
            families=report.by_family(judged, balanced),
            live=live,
        )

    def _phase(self, title: str) -> AbstractContextManager[Callable[[int, int], None]]:
        return counting(self._output, title)

    async def _live(self, judged: Matrix, walk: policies.Walk, pool: Pool) -> LiveReport:
        """Send some prompts through the real cascade, which must do as the replay says."""
        home = self._home
        lookup = GateLookup(self._gate.path.parent, VerifiedFiles(home.paths.verified_file))
        cascade = Cascade(home.catalogue, pool, self._cascade, lookup)
        num = min(_NUM_LIVE, len(judged.rows))
        chosen = random.Random(self._request.seed).sample(range(len(judged.rows)), num)
        same_tier = same_grade = num_refused = 0
        waits_s: list[float] = []
        with self._phase("live prompts") as tell:
            for index in chosen:
                tell(len(waits_s), num)
                prompt, tier = judged.prompts[index], walk.tier[index]
                outcome, _ = await self._ask(cascade, prompt, "answer")
                same_tier += outcome.tier == judged.tiers[tier]
                # In the matrix no tier may refuse; here the top tier still has its escalate token.
                num_refused += outcome.finish_reason == "unanswered"
                graded = await asyncio.to_thread(grade, prompt, outcome.answer)
                if graded is None:
                    # The top tier graded the replayed answer; the same words deserve that grade.
                    same_grade += outcome.answer == judged.rows[index][tier].answer
                else:
                    same_grade += graded == bool(walk.right[index])
                waits_s.append((await self._ask(cascade, prompt, "first"))[1])
            tell(num, num)
        return LiveReport(
            num_prompts=num,
            same_tier=same_tier / num,
            same_grade=same_grade / num,
            refused=num_refused / num,
            first_piece_p50_s=float(np.percentile(waits_s, 50)),
            first_piece_p95_s=float(np.percentile(waits_s, 95)),
        )

    async def _ask(
        self, cascade: Cascade, prompt: GradedPrompt, hold: Hold
    ) -> tuple[Outcome, float]:
        """Return the outcome, and the seconds until its first piece could be shown."""
        asked = Prompt(
            messages=prompt.messages,
            sampling=Sampling(
                temperature=0, max_tokens=prompt.max_tokens or self._request.max_answer
            ),
            options=TierOptions(hold=hold),
        )
        began_s, shown_s = time.monotonic(), None
        async for event in cascade.answer(asked):
            if shown_s is None and isinstance(event, AnswerDelta | ThoughtDelta | Done):
                shown_s = time.monotonic()
            if isinstance(event, Done):
                return event.outcome, (shown_s or began_s) - began_s
        raise EngineCrashed("a prompt ended without an outcome")


def _show(found: EvalReport, request: EvalRequest, num_left_out: int, output: Output) -> None:
    if request.plot:
        from tierchat.learning.evaluation.figures import draw_plane, plane_of

        title = f"{found.cascade}: right answers against compute, with NHG"
        draw_plane(plane_of(found.lines, found.tiers, title), request.plot)
    if request.json:
        output.json(found)
        return
    output.lines(report_lines(found, num_left_out, terminal_chart(curves(found))))
