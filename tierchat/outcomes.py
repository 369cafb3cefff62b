"""What became of a prompt: its outcome, its visits to tiers, and tokens with their probabilities.

Does not know how anything is answered, or who reads it.
"""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from tierchat.tool_calls import ToolCall, ToolRun
from tierchat.types import Frozen

FinishReason = Literal["stop", "length", "interrupted", "unanswered", "misfit", "tool_calls"]
"""How an answer ended. `misfit`: it is whole, but does not fit the schema that was asked for.

`tool_calls`: it asks the client to call tools.
"""


class TokenLogprob(Frozen, frozen=True):
    """A token, the bytes it stands for, and its natural log-probability.

    A control token has the bytes of its name. The first token of a text has no probability.
    """

    id: int
    raw: bytes
    logprob: float | None


class ScoredToken(TokenLogprob, frozen=True):
    """A token of a text, and the likeliest tokens at its place, the best first."""

    top: tuple[TokenLogprob, ...] = ()


class SourcedValue(Frozen, frozen=True):
    """A value and where it comes from."""

    value: Any
    source: str = msgspec.field(name="from")


class Usage(Frozen, frozen=True):
    """Tokens and seconds of one visit, counted by the engine.

    `prompt_tokens` includes the `cached_tokens`, which cost nothing. `reading_seconds` of the
    `seconds` went by until the first token, 0 if none was generated.
    """

    prompt_tokens: int = 0
    cached_tokens: int = 0
    generated_tokens: int = 0
    seconds: float = 0.0
    reading_seconds: float = 0.0


class Visit(Frozen, frozen=True):
    """One tier's part in an outcome: a line of the ledger.

    `reason` says why the prompt left this tier, or how the answer ended here.
    `discarded_tokens` are generated tokens that were never shown as an answer. `expected_wait_s` is
    what a whole answer of this tier was expected to take when the prompt came to it.
    """

    tier: str
    model: str
    reason: str
    prompt_tokens: int = 0
    cached_tokens: int = 0
    generated_tokens: int = 0
    discarded_tokens: int = 0
    seconds: float = 0.0
    estimates: dict[str, float] = msgspec.field(default_factory=dict)
    expected_wait_s: float | None = None

    @property
    def computed_tokens(self) -> int:
        """Tokens that passed through the model, read or generated; cached ones did not."""
        return self.prompt_tokens - self.cached_tokens + self.generated_tokens


class Outcome(Frozen, frozen=True):
    """The finished answer and what it cost; keys are added, never renamed.

    `relative_compute` is `compute` divided by `top_compute`, the cost of the top tier alone on
    this prompt; both are parameters times computed tokens. The cost of the top tier is counted
    when that tier ran, and otherwise estimated from the token counts of the tier that answered
    (`is_compute_estimated`). `is_below_asked`: a lower tier answered than
    was asked for, because no better one could be used. `sampling` is how the last tier drew.
    `began` says where a follow-up began, and why; `floor` is the tier below which the rest of the
    topic is not answered, because a person asked for better. `tool_calls` follow the answer.
    `stopped_by` is the stop string of the request that ended it. `tool_runs` are the calls that
    were run on the way to the answer; their turns are in `path`, with the reason `tool_calls`.
    """

    answer: str
    tier: str | None
    model: str | None
    finish_reason: FinishReason
    path: tuple[Visit, ...]
    prompt_tokens: int
    generated_tokens: int
    escalation_tokens: int
    escalation_seconds: float
    seconds: float
    relative_compute: float
    is_compute_estimated: bool
    top_tier: str
    escalation_compute: float = 0.0
    is_below_asked: bool = False
    thought: str = ""
    notices: tuple[str, ...] = ()
    conversation_id: str | None = None
    exchange_id: str | None = None
    compute: float = 0.0
    top_compute: float = 0.0
    sampling: dict[str, SourcedValue] = msgspec.field(default_factory=dict)
    began: str = ""
    floor: str | None = None
    tool_calls: tuple[ToolCall, ...] = ()
    stopped_by: str = ""
    tool_runs: tuple[ToolRun, ...] = ()
