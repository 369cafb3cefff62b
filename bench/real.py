"""The cascade on models that people really have: one outcome matrix, every policy, one command.

    python bench/real.py --models DIR --data DIR --out DIR

XS is SmolLM2-135M-Instruct (Q4_1), S and M are Qwen2.5-Coder-0.5B and 1.5B-Instruct (Q4_K_M), at
the revisions that the catalogue pins; --models holds the three files, --data the public sets.
`bench/real_prompts.py` says in which forms these are asked; the mix that lessons learn from comes
after them. Every tier answers every prompt greedily, wave by wave; a run that is stopped goes on
where it was, and --waves FROM:TO runs a part. Answers and what decision A reads are kept under
bench/real/ (--export), so that another machine goes on from there: the tables need no model then,
nor what the lower tiers said when they were asked (--no-questions leaves those policies out).
Our gates decide 0 and A here. Tables and charts go to --out.
"""

from __future__ import annotations

import argparse
import asyncio
import time
from collections.abc import AsyncGenerator, Sequence
from dataclasses import replace
from pathlib import Path

import msgspec
import numpy as np
import quality_promise
import real_outcomes
import real_prompts
import real_report
from prior_fit import nothing_known

from tierchat.config.home import Home
from tierchat.learning.evaluation.comparing import sample
from tierchat.learning.evaluation.policy import Policy, our_policy
from tierchat.learning.evaluation.transfer import Replies, Rows
from tierchat.learning.outcomes.cells import Cells
from tierchat.learning.outcomes.collect import collect
from tierchat.learning.outcomes.matrix import Matrix
from tierchat.learning.outcomes.prompts import GradedPrompt
from tierchat.learning.outcomes.questions import ask_tiers, reply_keys
from tierchat.learning.outcomes.store import OutcomeStore, open_store
from tierchat.learning.outcomes.topics import Topic
from tierchat.learning.outcomes.work import Work, work_of, workers
from tierchat.learning.training.fit import Fit, deal_folds, fit_gates, predict
from tierchat.paths import find_paths, make_private
from tierchat.workers.complete import Generates
from tierchat.workers.protocol import Generate, ModelInfo, RequestEvent

CASCADE = "real"
# A question is a prompt of its own for every tier but the top one: an hour on two cores for these.
NUM_ASKED = 120
LADDER = {"XS": "smollm2-135m", "S": "qwen2.5-coder-0.5b", "M": "qwen2.5-coder-1.5b"}


def home_with(models: Path, directory: Path) -> Home:
    """Return a home whose cascade `real` is made of the files in `models`."""
    home = Home(find_paths({"TIERCHAT_HOME": str(directory)}), {})
    shipped = home.catalogue.models
    lines = []
    for tier, name in LADDER.items():
        model = shipped[name]
        file = (models / Path(model.file).name).resolve()
        if not file.exists():
            raise SystemExit(f"{file} is missing: it is {model.repo} on the hub")
        lines += [f'[models."{tier.lower()}"]', f'file = "{file}"', f'sha256 = "{model.sha256}"']
        lines += [f"[[cascades.{CASCADE}.tiers]]", f'name = "{tier}"', f'model = "{tier.lower()}"']
    home.paths.models_file.parent.mkdir(parents=True, exist_ok=True)
    home.paths.models_file.write_text("\n".join(lines) + "\n", "utf-8")
    return Home(home.paths, {})


async def fill(
    home: Home, waves: Sequence[Sequence[GradedPrompt]], has_questions: bool
) -> tuple[Matrix, dict[Topic, Replies]]:
    """Fill the matrix, a wave at a time; says how far it is and how long the rest will take.

    Then the lower tiers are asked about their answers, and whether they doubt.
    """
    work = work_of(home.catalogue.cascades[CASCADE], home.catalogue, home.paths)
    make_private(home.paths.data_dir)
    began_s, ran, done = time.monotonic(), 0, 0
    num = sum(map(len, waves)) * len(work.tiers)
    async with workers(home, CASCADE) as pool:
        with open_store(home.paths.outcomes_file) as store:
            everything = [prompt for wave in waves for prompt in wave]
            restored = await real_outcomes.restore(work, everything, pool, store)
            print(f"{restored} answers from {real_outcomes.FILE}", flush=True)
            for number, wave in enumerate(waves):
                known = Cells(work, wave, store).num_known
                await collect(work, wave, pool, store, lambda _done, _all: None)
                ran += len(wave) * len(work.tiers) - known
                done += len(wave) * len(work.tiers)
                pace_s = (time.monotonic() - began_s) / max(ran, 1)
                left = f"about {(num - done) * pace_s / 60:.0f} min left" if ran else "all known"
                print(f"wave {number}: {done} of {num} answers, {left}", flush=True)
            found = await collect(work, everything, pool, store, lambda _done, _all: None)
            replies = await ask(work, found, pool, store) if has_questions else {}
            return without_top_states(found), replies


async def ask(
    work: Work, matrix: Matrix, models: Generates, store: OutcomeStore
) -> dict[Topic, Replies]:
    """Ask the lower tiers what the comparison with questions needs, where the store lacks it."""
    real_outcomes.restore_replies(store)
    replies: dict[Topic, Replies] = {}
    for topic, rows in asked_rows(matrix).items():
        with real_report.progress(f"questions, {topic}") as tell:
            said = await ask_tiers(work, matrix, topic, models, store, on_reply=tell, rows=rows)
        replies[topic] = Replies.about(matrix, said)
    return replies


def asked_rows(matrix: Matrix) -> dict[Topic, list[int]]:
    """Choose the rows that tiers are asked about: some that are judged, and some for AutoMix."""
    learned, judged = split(matrix)
    chosen = judged[sample(matrix.take(judged), NUM_ASKED)].tolist()
    teaching = learned[sample(matrix.take(learned), NUM_ASKED)].tolist()
    return {"is-right": [*chosen, *teaching], "unsure": chosen}


def split(matrix: Matrix) -> tuple[Rows, Rows]:
    """Return the rows to learn from, and two fifths of the question groups to be judged on."""
    folds = deal_folds(matrix.groups)
    return np.flatnonzero(folds > 1), np.flatnonzero(folds <= 1)


async def export(home: Home, directory: Path, data: Path) -> None:
    """Add all answers and replies so far to the files in the repository."""
    work = work_of(home.catalogue.cascades[CASCADE], home.catalogue, home.paths)
    prompts = [p for wave in real_prompts.waves(data) + real_prompts.mix_waves() for p in wave]
    matrix = await known(directory, data)
    asked = asked_rows(matrix)
    keys = [key for topic in asked for key in reply_keys(work, matrix, topic, asked[topic])]
    with open_store(home.paths.outcomes_file) as store:
        print(f"{real_outcomes.export(store, work, prompts)} answers in {real_outcomes.FILE}")
        num = real_outcomes.export_replies(store, keys)
        print(f"{num} replies in {real_outcomes.REPLIES}")


class Sizes:
    """Stands in for a pool where all is known: tells the sizes of the ladder's models."""

    def __init__(self, home: Home) -> None:
        self._home = home

    def info(self, model: str) -> ModelInfo:
        parameters = self._home.catalogue.models[LADDER[model.upper()]].parameters
        assert parameters
        return ModelInfo(
            name=model,
            architecture="",
            parameters=int(parameters),
            size_bytes=0,
            context=0,
            vocabulary_size=0,
        )

    async def load(self, model: str) -> None:
        """Nothing is loaded."""

    def generate(self, model: str, order: Generate) -> AsyncGenerator[RequestEvent, None]:
        raise SystemExit(f"{model} has not been asked everything yet: run without --only-report")


async def known(directory: Path, data: Path) -> Matrix:
    """Return the matrix of the prompts that every tier has answered so far."""
    home = Home(find_paths({"TIERCHAT_HOME": str(directory)}), {})
    work = work_of(home.catalogue.cascades[CASCADE], home.catalogue, home.paths)
    prompts = [p for wave in real_prompts.waves(data) + real_prompts.mix_waves() for p in wave]
    with open_store(home.paths.outcomes_file) as store:
        there = [prompts[row] for row in Cells(work, prompts, store).whole_rows()]
        found = await collect(work, there, Sizes(home), store, lambda _done, _all: None)
        return without_top_states(found)


async def replies_about(home: Home, matrix: Matrix) -> dict[Topic, Replies]:
    """Return what the lower tiers said of these prompts when they were asked."""
    work = work_of(home.catalogue.cascades[CASCADE], home.catalogue, home.paths)
    with open_store(home.paths.outcomes_file) as store:
        return await ask(work, matrix, Sizes(home), store)


def without_top_states(matrix: Matrix) -> Matrix:
    """Drop the top tier's hidden states, of which the files keep none."""
    rows = []
    for *lower, top in matrix.rows:
        probe = msgspec.structs.replace(
            top.probe, first_hidden=real_outcomes.NO_STATE, prompt_tokens=()
        )
        rows.append((*lower, replace(top, probe=probe)))
    return replace(matrix, rows=tuple(rows))


def fit(learned: Matrix, judged: Matrix) -> Policy:
    """Fit decisions 0 and A on prompts alone: without the default, which has seen the others."""
    gates = fit_gates_to(learned).gates
    return our_policy(judged, predict(gates, judged), gates)


def fit_gates_to(learned: Matrix) -> Fit:
    begun = nothing_known(learned)
    return fit_gates(learned, has_token=False, stages=("prefill",), prior=begun)


def report(matrix: Matrix, replies: dict[Topic, Replies], out: Path) -> None:
    """Judge every policy on a part of the prompts, and on every set left out.

    Policies that ask the tiers are judged on a smaller part, on which the others are, too.
    """
    learned, judged = (matrix.take(rows) for rows in split(matrix))
    out.mkdir(parents=True, exist_ok=True)
    embedder = real_report.Embedder(file=out / "embeddings.npz")
    # The shipped prior was fitted on these very prompts; `bench/prior.py` judges it fairly.
    question = real_report.Question(
        *(learned, judged, fit, real_prompts.set_of),
        embedder=embedder,
        without=("untaught",),
    )
    comparisons = [real_report.in_set(question), real_report.left_out(question)]
    if replies:
        asked = matrix.take(asked_rows(matrix)["unsure"])
        part = replace(question, judged=asked, replies=replies)
        comparisons.append(msgspec.structs.replace(real_report.in_set(part), title="asked"))
    real_report.write_report(out, comparisons)
    print(out / "report.md")
    quality_promise.show(quality_promise.promise_table(matrix, fit_gates_to))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--models", type=Path, required=True)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--home", type=Path, default=Path.home() / ".cache" / "tierchat-bench-real")
    parser.add_argument("--out", type=Path, default=Path("bench-real"))
    parser.add_argument("--waves", default=":")
    parser.add_argument("--export", action="store_true", help="into the repository, no more")
    parser.add_argument("--only-report", action="store_true", help="on the answers so far")
    parser.add_argument("--questions", action=argparse.BooleanOptionalAction, default=True)
    given = parser.parse_args()
    home = home_with(given.models, given.home)
    first, last = (int(text) if text else None for text in given.waves.split(":"))
    waves = real_prompts.waves(given.data) + real_prompts.mix_waves()
    if given.export:
        asyncio.run(export(home, given.home, given.data))
        return
    replies: dict[Topic, Replies] = {}
    if given.only_report:
        matrix = asyncio.run(known(given.home, given.data))
        if given.questions:
            replies = asyncio.run(replies_about(home, matrix))
    else:
        matrix, replies = asyncio.run(fill(home, waves[first:last], given.questions))
    report(matrix, replies, given.out)


if __name__ == "__main__":
    main()
