"""A mix of reasoning-gym tasks, for users who have no prompts of their own.

Does not know models. Every task comes with its own grader.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator

from tierchat.errors import UsageError
from tierchat.learning.outcomes.prompts import GradedPrompt

# From tasks that the smallest models solve to those that only large models solve.
TASKS = (
    "chain_sum",
    "basic_arithmetic",
    "products",
    "gcd",
    "lcm",
    "leg_counting",
    "count_bits",
    "fraction_simplification",
    "calendar_arithmetic",
    "letter_counting",
    "spell_backward",
    "number_sorting",
    "word_sorting",
    "base_conversion",
    "simple_equations",
    "prime_factorization",
    "time_intervals",
    "family_relationships",
    "syllogism",
    "propositional_logic",
    "number_sequence",
    "gsm_symbolic",
    "dice",
    "knights_knaves",
)


def builtin_prompts(num: int, seed: int) -> list[GradedPrompt]:
    """Draw `num` prompts, the same number of each task; raises UsageError without reasoning-gym."""
    try:
        import reasoning_gym
    except ImportError as error:
        raise UsageError(
            "reasoning-gym is not installed", 'run: pip install "tierchat[train]"'
        ) from error
    size = -(-num // len(TASKS))
    datasets = [reasoning_gym.create_dataset(t, seed=seed, size=size) for t in TASKS]

    def from_task(task: str, dataset: object) -> Iterator[GradedPrompt]:
        for entry in dataset:  # type: ignore[attr-defined]
            yield GradedPrompt(
                prompt=entry["question"],
                answer=str(entry["answer"]),
                grader=f"reasoning_gym:{task}",
                family=task,
                entry=entry,
            )

    streams = [from_task(t, d) for t, d in zip(TASKS, datasets, strict=True)]
    mixed = itertools.chain.from_iterable(zip(*streams, strict=True))
    distinct = {prompt.digest: prompt for prompt in mixed}
    return list(distinct.values())[:num]
