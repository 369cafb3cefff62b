"""The rows that readers of the log get: conversations, exchanges, costs of exchanges.

Values only; does not know SQL.
"""

from __future__ import annotations

from typing import Literal

from tierchat.types import Frozen


class ConversationRow(Frozen, frozen=True):
    """One saved conversation; times are UTC, ISO 8601."""

    id: str
    title: str
    cascade: str
    created_at: str
    updated_at: str
    num_exchanges: int


class SpentRow(Frozen, frozen=True):
    """The cost of one exchange; tokens are counted, `seconds` are wall-clock time.

    `state` is running, done, interrupted, unanswered, failed or lost. `compute` and `top_compute`
    are parameters times tokens, of this exchange and of the top tier alone.
    """

    id: str
    conversation_id: str
    state: str
    template: str
    tier: str | None
    top_tier: str | None
    generated_tokens: int
    escalation_tokens: int
    escalation_seconds: float
    seconds: float
    compute: float
    top_compute: float


class HopsRow(SpentRow, frozen=True):
    """A cost with its day and title; `hops` has a line `tier<TAB>reason` for every escalation."""

    title: str
    day: str
    model: str | None
    hops: str | None


class ExchangeRow(SpentRow, frozen=True):
    """One saved exchange; `mark` is 1 for good, -1 for bad.

    `floor` is the tier below which the rest of the topic is not answered.
    """

    kind: Literal["exchange", "summary"]
    hidden_by: str | None
    mark: int | None
    created_at: str
    system: str
    prompt: str
    answer: str
    thought: str
    model: str | None
    finish_reason: str | None
    error: str | None
    prompt_tokens: int
    floor: str | None = None
