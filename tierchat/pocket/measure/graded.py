"""A problem of the recipe as a prompt that can be asked and graded in a lesson or an evaluation.

Does not know how problems are drawn or who answers them.
"""

from __future__ import annotations

from collections.abc import Sequence

from tierchat.learning.outcomes.prompts import GradedPrompt
from tierchat.pocket.tasks.problems import Problem
from tierchat.types import Message

# Matches no text: whatever a tier of the bundled cascade says to an outsider's prompt is wrong.
_NOTHING = r"(?!)"


def graded(
    problem: Problem, text: str = "", *, system: str = "", earlier: Sequence[Message] = ()
) -> GradedPrompt:
    """Return a problem as a prompt; `text` is asked in place of the problem's own words."""
    grader, answer = "exact", problem.answer
    if problem.answer is None:
        grader, answer = "regex", _NOTHING
    elif problem.entry is not None:
        grader = f"reasoning_gym:{problem.family}"
    return GradedPrompt(
        prompt=text or problem.prompt,
        answer=answer,
        grader=grader,
        family=problem.cell,
        system=system,
        entry=problem.entry,
        earlier=tuple(earlier),
    )
