"""The lesson that a cascade gives itself in idle time: a child process of the daemon.

Runs on workers that the daemon lends, so that no model is loaded twice and the daemon can stop it
at once. Does not know when it may run.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
import os
import socket
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import msgspec

from tierchat.atomic_file import append_quietly
from tierchat.config.home import Home
from tierchat.errors import LessonRunning, TierchatError
from tierchat.gates.files import GateFileBad, numbers_file, read_head
from tierchat.gates.lesson_state import LessonState, read_state, write_state
from tierchat.gates.lookup import GateLookup
from tierchat.learning.outcomes.own_prompts import own_prompts
from tierchat.learning.outcomes.prompts import GradedPrompt
from tierchat.learning.outcomes.sources import need, shipped_prompts
from tierchat.learning.outcomes.store import OutcomeStore, open_store
from tierchat.learning.outcomes.work import Models, Work, work_of
from tierchat.learning.training.lesson_lock import IN_IDLE_TIME, one_lesson
from tierchat.models.verified_files import VerifiedFiles
from tierchat.paths import make_private
from tierchat.types import QUALITIES
from tierchat.workers.borrowed import BorrowedModels
from tierchat.workers.parent import die_with

if TYPE_CHECKING:
    from tierchat.learning.training.teaching import Taught

# How many prompts of the mix each stage has; after each a gate is made anew.
STAGES = (160, 320, 640, 1_280, 2_500)
# More would make a decode longer, and take the cells of more conversations.
NUM_AT_ONCE = 8
_NICENESS = 10
_SEED = 0
_TELL_EVERY_S = 2.0


class SelfTeaching:
    """One run of a cascade's own lesson, from where the last one stopped to its end."""

    def __init__(self, home: Home, cascade: str, work: Work, models: Models) -> None:
        self._home, self._paths, self._cascade = home, home.paths, cascade
        self._work, self._models = work, models
        share = home.settings.audit_share
        self._own = own_prompts(home.paths.log_file, cascade, share, datetime.now(UTC))
        files = VerifiedFiles(home.paths.verified_file)
        self._gate_file = GateLookup(home.paths.gates_dir, files).path(cascade)
        identity = " ".join(work.identities)
        known = read_state(home.paths, cascade)
        fresh = LessonState(cascade, num_stages=len(STAGES), models=identity)
        self._state = known if known and known.models == identity else fresh
        self._told_s = 0.0

    async def run(self, store: OutcomeStore) -> None:
        """Run the stages that are left; with new prompts of the user the last one again."""
        await self._check_gate(store)
        stage = self._state.stage
        if stage >= len(STAGES):
            if self._own.name == self._state.own:
                return
            stage = len(STAGES) - 1
        mix = shipped_prompts(self._home, self._cascade, STAGES[-1], _SEED)
        while stage < len(STAGES):
            await self._stage(stage, mix[: STAGES[stage]], store)
            is_whole = STAGES[stage] >= len(mix)
            stage = len(STAGES) if is_whole else stage + 1
        self._tell(phase="done", stage=len(STAGES), own=self._own.name)

    def fail(self, error: TierchatError) -> None:
        """Write down why the lesson could not go on."""
        told = f"{error.message} ({error.hint})" if error.hint else error.message
        self._tell(phase="failed", why=f"the lesson stopped: {told}")

    async def _check_gate(self, store: OutcomeStore) -> None:
        """Take a gate out of use whose estimates no longer hold for what the user asks."""
        from tierchat.gates.files import load, save
        from tierchat.learning.evaluation import policies
        from tierchat.learning.evaluation.drift import drift, expected_of
        from tierchat.learning.training.fit import predict
        from tierchat.learning.training.lesson import LessonAnswers

        newer = self._own.since(self._state.taught_at)
        if not self._state.is_used or not newer or self._why_not_replaced():
            return
        try:
            head, gates = read_head(self._gate_file), load(self._gate_file)
        except GateFileBad:
            # Somebody removed or damaged it; the daemon says so of the latter.
            return
        self._tell(phase="audit", num_done=0, num_wanted=0)
        answers = LessonAnswers(self._work, self._models, store, self._note_cell)
        judged = await answers.collect(newer, math.inf)
        if not judged.rows:
            return
        estimates = predict(gates, judged)
        weight = head.cost_weight(QUALITIES["balanced"])
        [walk] = policies.gated(judged, estimates, gates, [weight])
        found = drift(expected_of(walk, policies.as_used(gates, estimates)), walk.right)
        if found.is_certain:
            save(self._paths.unused_gate(self._cascade), head, gates)
            for part in (self._gate_file, numbers_file(self._gate_file)):
                part.unlink(missing_ok=True)
            # With these prompts, whose answers are there, the next one is made at once.
            stage = min(self._state.stage, len(STAGES) - 1)
            self._tell(is_used=False, why=f"{found}", gate="", stage=stage, own="")

    async def _stage(self, stage: int, mix: Sequence[GradedPrompt], store: OutcomeStore) -> None:
        from tierchat.learning.training.lesson import LessonAnswers
        from tierchat.learning.training.teaching import Budget, teach

        prompts = list({p.digest: p for p in (*self._own.prompts, *mix)}.values())
        self._tell(phase="answers", stage=stage, num_done=0, num_wanted=0)
        answers = LessonAnswers(self._work, self._models, store, self._note_cell)
        budget = Budget(0.0, len(prompts), has_token=True, seed=_SEED, first_batch=len(prompts))
        counts = self._own.counts
        async for taught in teach(prompts, answers, budget, self._note_phase, counts):
            self._take(stage, taught)

    def _take(self, stage: int, taught: Taught) -> None:
        """Put a gate to use if it is better than no lesson, else keep it aside."""
        from tierchat.learning.evaluation.policies import gated
        from tierchat.learning.evaluation.worth import worth
        from tierchat.learning.training.gate_in_use import why_not_better
        from tierchat.learning.training.lesson import write

        infos = [self._models.info(tier.model) for tier in self._work.tiers]
        walks = gated(taught.held_out, taught.estimates, taught.fit.gates)
        found = worth(taught.held_out, walks, [info for info in infos if info])
        why = found.why_not or self._why_not_replaced()
        if not why and why_not_better(self._gate_file, taught):
            # The gate of an earlier stage stays, and what is told of it.
            self._tell(phase="answers", stage=stage + 1)
            return
        path = self._paths.unused_gate(self._cascade) if why else self._gate_file
        make_private(path.parent)
        head = write(path, self._cascade, self._work, self._models, taught)
        gate = self._state.gate if why else read_head(path).numbers_sha256
        self._tell(
            phase="answers",
            stage=stage + 1,
            num_prompts=head.report.num_prompts,
            num_own=sum(p.digest in self._own.counts for p in taught.learned.prompts),
            nhg=head.report.nhg,
            cost_at_99=found.cost_at_99,
            is_used=not why,
            why=why,
            taught_at=int(time.time()),
            gate=gate,
        )

    def _why_not_replaced(self) -> str:
        """Return why the gate that is in use stays: somebody taught or imported it."""
        with contextlib.suppress(GateFileBad):
            if read_head(self._gate_file).numbers_sha256 != self._state.gate:
                return (
                    "a gate of your own is in use; "
                    f"`tierchat gate rm {self._cascade}` lets this one take its place"
                )
        return ""

    def _note_cell(self, done: int, total: int) -> None:
        if time.monotonic() - self._told_s > _TELL_EVERY_S or done == total:
            self._tell(num_done=done, num_wanted=total)

    def _note_phase(self, phase: str, _ends_s: float | None) -> None:
        if phase.endswith("fit"):
            self._tell(phase="fit")

    def _tell(self, **changes: Any) -> None:
        self._told_s = time.monotonic()
        self._state = msgspec.structs.replace(self._state, changed_at=int(time.time()), **changes)
        write_state(self._paths, self._state)


async def _teach(home: Home, cascade: str, lender: socket.socket) -> None:
    spec = home.catalogue.effective(cascade)
    models = BorrowedModels(*await asyncio.open_connection(sock=lender))
    try:
        work = replace(work_of(spec, home.catalogue, home.paths), num_at_once=NUM_AT_ONCE)
        lesson = SelfTeaching(home, cascade, work, models)
        try:
            need("sklearn", "threadpoolctl")
            with open_store(home.paths.outcomes_file) as store:
                await lesson.run(store)
        except TierchatError as error:
            lesson.fail(error)
            raise
    finally:
        await models.close()


def main(argv: list[str]) -> int:
    """Teach one cascade: `self_teaching.py CASCADE FD PARENT_PID`."""
    cascade, descriptor, parent = argv[1], int(argv[2]), int(argv[3])
    die_with(parent)
    os.nice(_NICENESS)
    lender = socket.socket(fileno=descriptor)
    try:
        home = Home.of_process()
        make_private(home.paths.data_dir)
        with one_lesson(home.paths, cascade, IN_IDLE_TIME):
            asyncio.run(_teach(home, cascade, lender))
    except LessonRunning:
        # Somebody teaches it by hand; the daemon looks again later.
        return 0
    except TierchatError as error:
        append_quietly(2, f"{time.strftime('%F %T')} lesson of {cascade}: {error.message}")
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv))
