"""`tierchat train`: reads prompts, teaches in rounds, writes a gate file.

Does not know typer.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tierchat.cli.actions.gate import print_head
from tierchat.cli.actions.notices import note_loading
from tierchat.cli.exit_codes import ExitCode
from tierchat.config.catalogue import CascadeSpec
from tierchat.config.home import Home
from tierchat.errors import UsageError
from tierchat.gates.files import GateHead
from tierchat.gates.lookup import GateLookup
from tierchat.learning.outcomes.prompts import GradedPrompt
from tierchat.learning.outcomes.sources import Source, find_prompts, need
from tierchat.learning.outcomes.store import OutcomeStore, open_store
from tierchat.learning.outcomes.work import MAX_ANSWER
from tierchat.learning.training.lesson_lock import end_idle_lesson, one_lesson
from tierchat.models.verified_files import VerifiedFiles
from tierchat.paths import make_private
from tierchat.terminal.output import Output
from tierchat.terminal.progress import Phases

if TYPE_CHECKING:
    from tierchat.learning.outcomes.matrix import Matrix
    from tierchat.learning.outcomes.work import Work
    from tierchat.workers.pool import Pool

MIN_PROMPTS = 40
# Of the time of a lesson, for the answers on which next turns build.
_TALKS_SHARE = 0.2


@dataclass(frozen=True)
class TrainRequest:
    """The options of one `tierchat train`."""

    source: Source
    cascade: str | None = None
    minutes: float = 30.0
    max_prompts: int = 2_500
    max_answer: int = MAX_ANSWER
    ignore_token: bool = False
    seed: int = 0


def run(request: TrainRequest, home: Home, output: Output) -> int:
    """Teach a cascade's gates; returns the exit code. Ctrl-C keeps what was learned so far."""
    need("sklearn", "threadpoolctl")
    cascade = request.cascade or home.settings.cascade
    spec = home.catalogue.effective(cascade)
    if len(spec.tiers) < 2:
        raise UsageError(
            f"cascade {cascade} has only one tier", "teach a cascade with a tier to escalate to"
        )
    prompts = find_prompts(request.source, home, cascade, request.max_prompts, request.seed)
    if len(prompts) < MIN_PROMPTS:
        raise UsageError(
            f"{len(prompts)} different prompts are too few to learn from",
            f"give at least {MIN_PROMPTS}",
        )
    make_private(home.paths.data_dir)
    if end_idle_lesson(home.paths, cascade):
        output.note(f"ended the lesson that {cascade} gave itself; its answers are kept")
    lesson = _Lesson(request, cascade, spec, home, output)
    with one_lesson(home.paths, cascade), contextlib.suppress(KeyboardInterrupt):
        asyncio.run(lesson.run(prompts))
    if lesson.head is None:
        output.note(
            "stopped before the end of the first round; run the same command to continue", "yellow"
        )
        return ExitCode.INTERRUPTED
    print_head(lesson.head, output)
    return ExitCode.DONE if lesson.is_finished else ExitCode.INTERRUPTED


class _Lesson:
    """One run of `train`; `head` is that of the last gate file written, None before the first."""

    def __init__(
        self,
        request: TrainRequest,
        cascade: str,
        spec: CascadeSpec,
        home: Home,
        output: Output,
    ) -> None:
        self._request, self._cascade, self._spec = request, cascade, spec
        self._home, self._output = home, output
        self.head: GateHead | None = None
        self.is_finished = False

    async def run(self, prompts: Sequence[GradedPrompt]) -> None:
        from tierchat.learning.outcomes.work import work_of, workers
        from tierchat.learning.training.lesson import LessonAnswers, write
        from tierchat.learning.training.teaching import Budget, teach

        request, home, paths = self._request, self._home, self._home.paths
        lookup = GateLookup(paths.gates_dir, VerifiedFiles(paths.verified_file))
        work = work_of(self._spec, home.catalogue, paths, request.max_answer)
        has_token = not request.ignore_token
        budget = Budget(60 * request.minutes, request.max_prompts, has_token, request.seed)
        ends_s = time.monotonic() + budget.seconds if budget.seconds else math.inf
        make_private(paths.gates_dir)
        with open_store(paths.outcomes_file) as store, Phases(self._output) as phases:
            async with workers(home, self._cascade) as pool:
                answers = LessonAnswers(work, pool, store, phases.tell)
                if any(prompt.then for prompt in prompts):
                    until_s = time.monotonic() + _TALKS_SHARE * budget.seconds
                    until_s = until_s if budget.seconds else math.inf
                    phases.begin("conversations: the turns before", until_s)
                    prompts = await answers.follow_ups(prompts, request.seed, until_s)
                async for taught in teach(prompts, answers, budget, phases.begin):
                    note_loading(pool, self._spec.models, self._output)
                    last = taught.rounds[-1]
                    self._output.note(
                        f"round {last.number}: {last.num_prompts} prompts, "
                        f"NHG {last.nhg:.3f} on {len(taught.held_out.rows)} held out, "
                        f"{last.seconds:.0f} s"
                    )
                    path = lookup.path(self._cascade)
                    self.head = write(path, self._cascade, work, pool, taught)
                self.is_finished = True
                phases.begin("check of the arbiter", ends_s)
                try:
                    async with asyncio.timeout_at(None if ends_s == math.inf else ends_s):
                        await self._tell_of_arbiter(work, taught.held_out, prompts, pool, store)
                except TimeoutError:
                    self._output.note("no time was left to check the arbiter")

    async def _tell_of_arbiter(
        self,
        work: Work,
        held_out: Matrix,
        prompts: Sequence[GradedPrompt],
        pool: Pool,
        store: OutcomeStore,
    ) -> None:
        from tierchat.learning.outcomes.arbiter_verdicts import agreement, count_without_verdict

        top = self._spec.tiers[-1].name
        share, num, silent = await agreement(work, held_out, pool, store)
        note = self._output.note
        if num:
            note(f"{top} as arbiter agrees with the exact graders on {share:.0%} of {num} answers")
        if silent:
            note(f"on {silent} of them {top} gave no verdict, which counts as wrong")
        if unjudged := sum(prompt.is_ungraded for prompt in prompts):
            note(f"{unjudged} of {len(prompts)} prompts have no answer: {top} graded them")
        silent, asked = await count_without_verdict(work, held_out, pool, store)
        if silent:
            note(f"{top} gave no verdict on {silent} of {asked} answers: they count as wrong")
