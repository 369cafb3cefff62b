"""The prompts that come with tierchat, for users who have none of their own: the mix, or for the
bundled models, which know nothing else, puzzles of reasoning-gym.

Does not know how prompts are answered.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path

from tierchat.config.catalogue import CascadeSpec, Catalogue
from tierchat.errors import UsageError
from tierchat.learning.mix.prompts import mix_prompts
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


_BUNDLED_MODELS = Path(__file__).parents[2] / "pocket" / "models"


def builtin_prompts(
    num: int, seed: int, spec: CascadeSpec, catalogue: Catalogue
) -> list[GradedPrompt]:
    """Draw `num` prompts that suit a cascade.

    Raises UsageError where the cascade is one of bundled models and reasoning-gym is missing.
    """
    files = [Path(catalogue.models[name].file) for name in spec.models]
    is_bundled = all(file.parent == _BUNDLED_MODELS for file in files)
    return puzzles(num, seed) if is_bundled else mix_prompts(num, seed)


def puzzles(num: int, seed: int) -> list[GradedPrompt]:
    """Draw `num` puzzles, the same number of each task; raises UsageError without reasoning-gym."""
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
