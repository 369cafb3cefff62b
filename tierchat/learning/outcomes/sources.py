"""Where prompts to learn from come from."""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass
from pathlib import Path

from tierchat.errors import UsageError
from tierchat.learning.outcomes.history import history_prompts
from tierchat.learning.outcomes.prompts import GradedPrompt, read_prompts
from tierchat.paths import Paths


@dataclass(frozen=True)
class Source:
    """Where prompts come from; one of them."""

    file: Path | None = None
    is_builtin: bool = False
    is_history: bool = False


def need(*modules: str) -> None:
    """Raise UsageError unless the libraries of the extra `train` are there."""
    missing = [name for name in modules if importlib.util.find_spec(name) is None]
    if missing:
        raise UsageError(
            f"teaching and measuring gates need {', '.join(missing)}",
            'run: pip install "tierchat[train]"',
        )


def find_prompts(source: Source, paths: Paths, num: int, seed: int) -> list[GradedPrompt]:
    """Read the prompts asked for; raises UsageError unless exactly one source is named."""
    if (source.file is not None) + source.is_builtin + source.is_history != 1:
        raise UsageError(
            "say which prompts to use",
            "one of --prompts FILE.jsonl, --builtin and --from-history",
        )
    if source.file is not None:
        return read_prompts(source.file)
    if source.is_history:
        return history_prompts(paths.log_file, num)
    from tierchat.learning.outcomes.builtin import builtin_prompts

    return builtin_prompts(num, seed)
