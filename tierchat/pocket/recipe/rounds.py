"""The arbiter rounds of the bundled models: the junior answers, the senior marks, and prompts that
the junior failed are labelled `<|escalate|>`.

    python -m tierchat.pocket.recipe.rounds xs --arbiter s

Does not know packing or GGUF.
"""

from __future__ import annotations

import argparse
import itertools
import json
import random
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import torch

from tierchat.pocket.recipe import contexts, dataset, first_mix, generate, model, tokenizer, train
from tierchat.pocket.recipe.dataset import Encoder, Example, ProblemSource, Rows
from tierchat.pocket.recipe.generate import Reply
from tierchat.pocket.tasks.problems import Problem

_MAX_TOKENS = {"xs": 60, "s": 200, "m": 240}


@dataclass(frozen=True)
class Marked:
    """One problem that the junior answered, and whether it should escalate that problem."""

    problem: Problem
    escalate: bool


@dataclass(frozen=True)
class RoundLine:
    """One line of the log of rounds; the shares are of all fresh task prompts."""

    tier: str
    round: int
    num_prompts: int
    able: float
    accuracy: float
    kept: float
    false_keeps: float
    false_escalations: float
    outside_refused: float
    arbiter_right: float | None
    num_labelled: int


def mark(
    problems: list[Problem], replies: list[Reply], seniors: list[Reply] | None
) -> tuple[list[Marked], float | None]:
    """Label problems by the exact verifier, and check the senior's verdicts against it.

    The senior's verdict is "right" where both answers are the same text; the share of verdicts that
    agree with the verifier is returned beside the labels, None without a senior. A problem that
    both fail teaches the junior nothing and is left out.
    """
    marked, num_right = [], 0
    for index, (problem, reply) in enumerate(zip(problems, replies, strict=True)):
        right = _is_right(problem, reply)
        if seniors is None:
            marked.append(Marked(problem, not right))
            continue
        num_right += (seniors[index].answer == reply.answer) == right
        if right or _is_right(problem, seniors[index]):
            marked.append(Marked(problem, not right))
    return marked, num_right / len(problems) if seniors is not None else None


def _is_right(problem: Problem, reply: Reply) -> bool:
    return reply.answer is not None and dataset.grade(problem, reply.answer)


def measure(
    net: model.Llama, encoder: Encoder, problems: list[Problem], outside: list[Problem], tier: str
) -> tuple[list[Reply], dict[str, float]]:
    """Answer fresh prompts; returns the replies, and their summary at a threshold of one half."""
    replies = generate.answer_all(net, encoder, [p.prompt for p in problems], _MAX_TOKENS[tier])
    strangers = generate.answer_all(net, encoder, [p.prompt for p in outside], 1)
    right = [_is_right(p, r) for p, r in zip(problems, replies, strict=True)]
    kept = [r.escalate_probability <= 0.5 for r in replies]
    pairs = list(zip(right, kept, strict=True))
    num = len(pairs)
    return replies, {
        "able": sum(right) / num,
        "accuracy": sum(r and k for r, k in pairs) / num,
        "kept": sum(kept) / num,
        "false_keeps": sum(k and not r for r, k in pairs) / num,
        "false_escalations": sum(r and not k for r, k in pairs) / num,
        "outside_refused": sum(r.escalate_probability > 0.5 for r in strangers) / len(strangers),
    }


def lessons(
    pool: list[Marked], tier: str, encoder: Encoder, source: ProblemSource, rng: random.Random
) -> Iterator[Example]:
    """Mix labelled prompts, answers of the first mix, outside prompts and long texts."""
    fresh = first_mix.answers(tier, encoder, source, rng)
    # A small pool that is repeated often teaches its accidents, so its share follows its size.
    from_pool = min(0.6, len(pool) / 10_000)
    while True:
        kind = rng.random()
        if kind < from_pool:
            chosen = rng.choice(pool)
            problem = contexts.quoted(chosen.problem, rng)
            example = encoder.example(problem, chosen.escalate)
        elif kind < 0.88:
            example = next(fresh)
        elif kind < 0.97:
            example = encoder.example(contexts.quoted(source.outside.draw(rng), rng), escalate=True)
        else:
            text = source.outside.long_text(rng, 900)
            example = encoder.example(Problem("outside", "outside", "long", text, None))
        yield example


def main() -> None:
    """Run the rounds of one tier and append their lines to rounds.jsonl."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("tier", choices=("xs", "s", "m"))
    parser.add_argument(
        "--arbiter", help="checkpoint name of the senior; none for the verifier alone"
    )
    parser.add_argument("--out", type=Path, default=Path("pocket-run"))
    parser.add_argument("--start", help="checkpoint name to begin with; default: the tier's")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--prompts", type=int, default=8_000)
    parser.add_argument("--minutes", type=float, default=3.0)
    parser.add_argument("--rate", type=float, default=8e-4)
    parser.add_argument("--seed", type=int, default=50)
    parser.add_argument("--batch", type=int, default=48)
    parser.add_argument("--threads", type=int, default=1)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    vocabulary = tokenizer.load(args.out / "tokenizer.json")
    encoder = Encoder(vocabulary, thinks=args.tier != "xs")
    # The junior is judged on prompts that it was not trained on; the answers it repeats come from
    # the training side.
    source, fresh = ProblemSource("train"), ProblemSource("rounds")
    net = train.load(args.out / f"{args.start or args.tier}.npz")[0]
    pool: list[Marked] = []
    for number in range(args.rounds + 1):
        rng = random.Random(args.seed * 1_000_003 + number)
        problems = [fresh.task(rng) for _ in range(args.prompts)]
        begin = time.monotonic()
        outside = [source.outside.draw(rng) for _ in range(1_000)]
        replies, numbers = measure(net, encoder, problems, outside, args.tier)
        last = number == args.rounds
        seniors = None
        if args.arbiter and not last:
            # The senior may still be training, so every round takes its newest checkpoint.
            senior = train.load(args.out / f"{args.arbiter}.npz")[0]
            seniors = generate.answer_all(
                senior, encoder, [p.prompt for p in problems], _MAX_TOKENS["m"]
            )
        marked, agreement = mark(problems, replies, seniors)
        line = RoundLine(
            args.tier,
            number,
            len(problems),
            **numbers,
            arbiter_right=agreement,
            num_labelled=sum(m.escalate for m in marked),
        )
        with (args.out / "rounds.jsonl").open("a") as log:
            log.write(json.dumps(asdict(line)) + "\n")
        print(line, f"{time.monotonic() - begin:.0f} s", flush=True)
        if last:
            break
        pool += marked

        def shards(pool: list[Marked] = pool, rng: random.Random = rng) -> Iterator[Rows]:
            stream = lessons(pool, args.tier, encoder, source, rng)
            for shard in itertools.count(1):
                length, num = (
                    (first_mix.LONG_ROW, 1_000) if shard % 6 == 0 else (first_mix.ROW_LENGTH, 5_000)
                )
                yield dataset.pack(itertools.islice(stream, num), length)

        plan = train.TrainingPlan(
            args.tier, args.minutes, args.rate, args.batch, args.seed + number, 30, 0.3
        )
        out = args.out / f"{args.tier}-round.npz"
        train.train(net, plan, shards(), out, encoder.num_kinds)
        torch.compiler.reset()


if __name__ == "__main__":
    main()
