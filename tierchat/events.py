"""The events of one prompt, from its first token to its outcome.

Does not know who sends or shows them.
"""

from __future__ import annotations

from tierchat.outcomes import Outcome, ScoredToken, Visit
from tierchat.tool_calls import ToolRun
from tierchat.types import Frozen


class AnswerDelta(Frozen, frozen=True, tag="answer"):
    """A piece of the answer; it is never retracted.

    `tier` and its `model` write it; `logprobs` are those of the tokens that begin in this piece,
    for requests that ask for them.
    """

    text: str
    model: str | None = None
    tier: str = ""
    logprobs: tuple[ScoredToken, ...] = ()


class PromptScored(Frozen, frozen=True, tag="scored"):
    """The tokens of the prompt and their log-probabilities, for requests that ask for them."""

    tokens: tuple[ScoredToken, ...]


class ToolCallDelta(Frozen, frozen=True, tag="tool_call"):
    """A piece of the answer's call number `index`; it is never retracted.

    The first piece of a call has its `id` and `name`, the others go on with its arguments. `tier`
    makes it.
    """

    index: int
    tier: str = ""
    id: str = ""
    name: str = ""
    arguments: str = ""


class ToolRan(Frozen, frozen=True, tag="tool_ran"):
    """A call of the answer was run; its result goes back to a tier, and the answer goes on."""

    run: ToolRun


class ThoughtDelta(Frozen, frozen=True, tag="thought"):
    """A piece of a tier's thought before its answer; the tier may still escalate."""

    tier: str
    text: str


class Loading(Frozen, frozen=True, tag="loading"):
    """The prompt waits for this tier's model to be loaded."""

    tier: str
    model: str


class Starting(Frozen, frozen=True, tag="starting"):
    """A tier takes the prompt, for requests that ask for signs of life.

    Its whole answer is expected `expected_s` seconds from now, unless it passes the prompt on.
    """

    tier: str
    expected_s: float


class Working(Frozen, frozen=True, tag="working"):
    """A sign of life of a tier, for requests that ask for them.

    `computed` of the prompt's `total` tokens are read; `generated` tokens, thoughts included, were
    written in `seconds`, shown or not.
    """

    tier: str
    computed: int
    total: int
    generated: int = 0
    seconds: float = 0.0


class Hop(Frozen, frozen=True, tag="hop"):
    """One escalation: the visit that ended, and the tier that comes next."""

    visit: Visit
    target: str


class Notice(Frozen, frozen=True, tag="notice"):
    """Something the person should know, such as a tier skipped or restarted."""

    text: str


class Done(Frozen, frozen=True, tag="done"):
    """The last event of every prompt that has an outcome."""

    outcome: Outcome


CascadeEvent = (
    AnswerDelta
    | ToolCallDelta
    | ToolRan
    | ThoughtDelta
    | PromptScored
    | Loading
    | Starting
    | Working
    | Hop
    | Notice
    | Done
)
