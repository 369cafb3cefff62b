"""A problem: one prompt with its verified answer and, where it helps, the worked-out thought.

Does not know where problems come from, which tier answers them, or what a token is.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

Kind = Literal["task", "talk", "outside"]
Wording = Literal["trained", "held_out"]


@dataclass(frozen=True)
class Problem:
    """One prompt; `answer` is None where no tier of the bundled cascade can know it.

    `thought` is what S and M write between the think tokens; None means that they answer at once.
    `is_easy` means that XS is taught to answer at once, whether or not there is a thought;
    `is_hard` that only the top tier is taught the answer, and all tiers below escalate.
    `wording` is "held_out" for wordings that are never trained on. `entry` is reasoning-gym's own
    record, which its grader needs.
    """

    kind: Kind
    family: str
    level: str
    prompt: str
    answer: str | None
    thought: str | None = None
    wording: Wording = "trained"
    is_easy: bool = False
    is_hard: bool = False
    entry: dict[str, Any] | None = field(default=None, compare=False)

    @property
    def cell(self) -> str:
        """The family and level: families, then levels, are what every mix is uniform over."""
        return f"{self.family}/{self.level}"
