"""Which prompts a lesson or an evaluation takes: a file, the built-in mix or the user's log.

Does not know how prompts are graded or answered.
"""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass
from pathlib import Path

from tierchat.config.home import Home
from tierchat.errors import UsageError
from tierchat.learning.outcomes.history import history_prompts
from tierchat.learning.outcomes.prompts import GradedPrompt, read_prompts


@dataclass(frozen=True)
class Source:
    """The source that was asked for; exactly one of the three may be given."""

    file: Path | None = None
    is_builtin: bool = False
    is_history: bool = False


def need(*modules: str) -> None:
    """Raise UsageError unless these libraries, from the extra `train`, are installed."""
    if missing := missing_modules(*modules):
        raise UsageError(
            f"teaching and measuring gates need {', '.join(missing)}",
            'run: pip install "tierchat[train]"',
        )


def missing_modules(*modules: str) -> list[str]:
    """Return those of these libraries that are not installed."""
    return [name for name in modules if importlib.util.find_spec(name) is None]


def find_prompts(
    source: Source, home: Home, cascade: str, num: int, seed: int
) -> list[GradedPrompt]:
    """Read the prompts of a source for a cascade.

    `num` and `seed` limit what is drawn or read from the log.

    Raises UsageError unless exactly one source is given, and what reading raises.
    """
    if (source.file is not None) + source.is_builtin + source.is_history != 1:
        raise UsageError(
            "say which prompts to use",
            "one of --prompts FILE.jsonl, --builtin and --from-history",
        )
    if source.file is not None:
        return read_prompts(source.file)
    if source.is_history:
        return history_prompts(home.paths.log_file, num)
    return shipped_prompts(home, cascade, num, seed)


def shipped_prompts(home: Home, cascade: str, num: int, seed: int) -> list[GradedPrompt]:
    """Draw `num` prompts that come with tierchat and suit a cascade."""
    from tierchat.learning.outcomes.builtin import builtin_prompts

    return builtin_prompts(num, seed, home.catalogue.find(cascade), home.catalogue)
