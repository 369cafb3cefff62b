"""A scripted agent of 30 small tasks under several policies: tasks done, compute, switches.

    python bench/agent.py --models DIR --home HOME [--policies ...] [--tuned] [--tell]

Every task is asked with tools; calls are run in `bench/agent_world.py`, results are sent back,
until an answer has no call or makes that of the one before again, six answers at most. The cascade
is the one that the daemon runs. Each answer of a model is made once, drawing the likeliest tokens,
and kept in HOME, so that a run which was stopped goes on, and a policy that has changed asks only
what is new. Compute is that of the ledger, parameters times computed tokens; what a model has read
earlier in the same walk, the tools and earlier tasks included, is cached, as it is in a worker.
"""

from __future__ import annotations

import argparse
import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec
import real
from agent_tasks import MEASURED, SYSTEM, TUNED, Task
from agent_world import tool_use
from recorded_models import RecordedModels

from tierchat.cascade.cascade import Cascade
from tierchat.cascade.tool_stage import stage_of
from tierchat.config.home import Home
from tierchat.errors import BrokenToolCall
from tierchat.events import Done
from tierchat.gates.lookup import GateLookup
from tierchat.learning.outcomes.store import open_store
from tierchat.learning.outcomes.work import workers
from tierchat.models.verified_files import VerifiedFiles
from tierchat.outcomes import Outcome
from tierchat.paths import find_paths, make_private
from tierchat.types import Message, Prompt, Sampling, TierOptions

MAX_TURNS = 6
_MAX_TOKENS = 100
_STRIDE = 5
_TAUGHT = "coder"
_AGENT, _PLAIN = "agent", "agent-plain"


@dataclass(frozen=True)
class Policy:
    """Which tiers may answer a turn, by the prompt and the number of the turn from 0 on."""

    name: str
    options: Callable[[Prompt, int], TierOptions]
    cascade: str = _AGENT


@dataclass(frozen=True)
class Turn:
    """One answer of a task: where it was asked, the tier, what it cost, the prompt's stage."""

    stage: str
    tier: str
    compute: float
    seconds: float
    answer: str
    calls: tuple[str, ...]
    began: str
    hops: int


@dataclass(frozen=True)
class Walked:
    """One task under one policy."""

    is_done: bool
    turns: tuple[Turn, ...]

    @property
    def compute(self) -> float:
        return sum(turn.compute for turn in self.turns)

    @property
    def num_switches(self) -> int:
        return sum(a.tier != b.tier for a, b in zip(self.turns, self.turns[1:], strict=False))


def always(tier: str) -> Policy:
    return Policy(f"always {tier}", lambda _prompt, _turn: TierOptions(tier=tier))


def by_stage(name: str, **tiers: str) -> Policy:
    """A policy that names a tier for each stage and weighs nothing."""
    return Policy(name, lambda prompt, _turn: TierOptions(tier=tiers[stage_of(prompt)]))


def switching(first: str, then: str, turn: int) -> Policy:
    """A tier for the first turns, another one from a turn on."""
    name = f"{first} until {turn}, then {then}"
    return Policy(name, lambda _p, number: TierOptions(tier=first if number < turn else then))


POLICIES = {
    "S": always("S"),
    "M": always("M"),
    "default": Policy("untaught default", lambda _p, _t: TierOptions()),
    "frugal": Policy("untaught, frugal", lambda _p, _t: TierOptions(quality="frugal")),
    "best": Policy("untaught, best", lambda _p, _t: TierOptions(quality="best")),
    "greedy": by_stage("greedy: M plans, S reads results", question="M", result="S", failed="S"),
    "mends": by_stage("S, M after a failure", question="S", result="S", failed="M"),
    "plain": Policy("begins at S, checks alone", lambda _p, _t: TierOptions(), _PLAIN),
    "taught": Policy("taught (the gate that comes with coder)", lambda _p, _t: TierOptions(),
                     _TAUGHT),
}  # fmt: skip


def home_with(models: Path, directory: Path) -> Home:
    """Return a home in which the ladder's published files stand for the catalogue's."""
    home = Home(find_paths({"TIERCHAT_HOME": str(directory)}), {})
    lines = []
    for name in real.LADDER.values():
        model = home.catalogue.models[name]
        file = (models / Path(model.file).name).resolve()
        lines += [f'[models."{name}"]', f'file = "{file}"', f'sha256 = "{model.sha256}"']
    # Without a gate of its own a tier's answers are still checked.
    for cascade, gate in ((_AGENT, "untaught"), (_PLAIN, "token")):
        for tier, name in real.LADDER.items():
            lines += [f"[[cascades.{cascade}.tiers]]", f'name = "{tier}"', f'model = "{name}"']
            lines.append(f'gate = "{gate}"')
    home.paths.models_file.parent.mkdir(parents=True, exist_ok=True)
    home.paths.models_file.write_text("\n".join(lines) + "\n", "utf-8")
    return Home(home.paths, {})


async def walk(cascade: Cascade, policy: Policy, task: Task) -> Walked:
    """Let an agent do one task."""
    world, tools = task.world(), tool_use()
    messages = [Message(role="system", content=SYSTEM), Message(role="user", content=task.asked)]
    turns: list[Turn] = []
    answer = ""
    for number in range(MAX_TURNS):
        prompt = Prompt(
            messages=tuple(messages),
            sampling=Sampling(temperature=0, max_tokens=_MAX_TOKENS),
            tools=tools,
        )
        options = msgspec.structs.replace(policy.options(prompt, number), cascade=policy.cascade)
        prompt = msgspec.structs.replace(prompt, options=options)
        try:
            outcome = await _outcome(cascade, prompt)
        except BrokenToolCall:
            break
        calls = [
            # Ids that do not differ from run to run, as they are part of the next prompt.
            msgspec.structs.replace(call, id=f"call_{number}_{index}")
            for index, call in enumerate(outcome.tool_calls)
        ]
        answer = outcome.answer
        turns.append(
            Turn(
                stage_of(prompt),
                outcome.tier or "",
                outcome.compute,
                outcome.seconds,
                answer,
                tuple(f"{call.name}({call.arguments})" for call in calls),
                outcome.began,
                len(outcome.path) - 1,
            )
        )
        if not calls or is_stuck(turns):
            break
        messages.append(Message(role="assistant", content=answer, tool_calls=tuple(calls)))
        for call in calls:
            result = task.reported(world.call(call.name, call.arguments))
            messages.append(Message(role="tool", content=result, tool_call_id=call.id))
    return Walked(task.is_done(world, answer), tuple(turns))


def is_stuck(turns: Sequence[Turn]) -> bool:
    """Whether the last answer makes the calls of the one before once more."""
    return len(turns) > 1 and turns[-1].calls == turns[-2].calls


async def _outcome(cascade: Cascade, prompt: Prompt) -> Outcome:
    async for event in cascade.answer(prompt):
        if isinstance(event, Done):
            return event.outcome
    raise RuntimeError("the cascade ended without an outcome")


class Walker:
    """One policy, with caches that are empty at the beginning and a daemon that knows nothing."""

    def __init__(self, home: Home, policy: Policy, models: RecordedModels) -> None:
        gates = GateLookup(home.paths.gates_dir, VerifiedFiles(home.paths.verified_file))
        self.policy, self.models = policy, models
        self._cascade = Cascade(home.catalogue, models, _AGENT, gates)
        self.walked: list[Walked] = []

    async def do(self, task: Task, *, tell: bool) -> None:
        found = await walk(self._cascade, self.policy, task)
        self.walked.append(found)
        if tell:
            print(f"{self.policy.name} {'done' if found.is_done else '----'} {task.asked!r}")
            for turn in found.turns:
                print(
                    f"   {turn.stage:8} {turn.tier:2} {turn.compute / 1e9:7.1f} "
                    f"{' '.join(turn.calls)} {turn.answer!r:.100} {turn.began}",
                    flush=True,
                )


def show(results: dict[str, list[Walked]]) -> None:
    """Print the table as Markdown; compute is relative to always M, if that was walked."""
    top = results.get(POLICIES["M"].name)
    whole = sum(done.compute for done in top) if top else 1e12
    print("\n| policy | tasks done | compute | turns | at M | switches | hops |")
    print("|---|---|---|---|---|---|---|")
    for name, walks in results.items():
        turns = [turn for done in walks for turn in done.turns]
        print(
            f"| {name} | {sum(done.is_done for done in walks)} of {len(walks)} "
            f"| {sum(done.compute for done in walks) / whole:.3f} | {len(turns)} "
            f"| {sum(turn.tier == 'M' for turn in turns)} "
            f"| {sum(done.num_switches for done in walks)} | {sum(t.hops for t in turns)} |"
        )


async def measure(
    home: Home, policies: Sequence[Policy], tasks: Sequence[Task], *, tell: bool
) -> dict[str, list[Walked]]:
    """Do every task under every policy, task by task, so that a run that is stopped compares."""
    make_private(home.paths.data_dir)
    catalogue = home.catalogue
    files = {name: str(catalogue.models[name].sha256) for name in real.LADDER.values()}
    async with workers(home, _AGENT) as pool:
        with open_store(home.paths.data_dir / "agent.sqlite") as store:
            walkers = [Walker(home, p, RecordedModels(pool, store, files)) for p in policies]
            for number, task in enumerate(tasks, 1):
                for walker in walkers:
                    await walker.do(task, tell=tell)
                done = ", ".join(
                    f"{walker.policy.name} {sum(found.is_done for found in walker.walked)} "
                    f"({sum(found.compute for found in walker.walked) / 1e9:.0f} G)"
                    for walker in walkers
                )
                made = sum(walker.models.num_run for walker in walkers)
                print(f"{number} tasks, {made} answers made: {done}", flush=True)
    return {walker.policy.name: walker.walked for walker in walkers}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--models", type=Path, required=True, help="the three published files")
    parser.add_argument("--home", type=Path, required=True, help="where answers are kept")
    parser.add_argument("--policies", nargs="*", default=list(POLICIES), choices=list(POLICIES))
    parser.add_argument("--tuned", action="store_true", help="the tasks that policies are tuned on")
    parser.add_argument("--tell", action="store_true", help="print every turn")
    given = parser.parse_args()
    home = home_with(given.models, given.home)
    policies = [POLICIES[name] for name in given.policies]
    tasks = TUNED if given.tuned else MEASURED
    # The same mix of easy and hard tasks, wherever a run is stopped.
    tasks = sorted(tasks, key=lambda task: tasks.index(task) % _STRIDE)
    show(asyncio.run(measure(home, policies, tasks, tell=given.tell)))


if __name__ == "__main__":
    main()
