"""How the gate of one request decides, and the signals it could read.

Values only; does not know gate files or models.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import msgspec

from tierchat.types import Frozen, GateKind, Hold, Signals

ToolStage = Literal["none", "question", "result", "failed"]


class Earlier(Frozen, frozen=True):
    """What a gate may know of the turns before a prompt.

    There were `num_turns` answers; the last one came from the tier `answered_by`, empty if that is
    not known, at these `estimates` of its gate. `num_read` says how many tokens of the conversation
    each tier has read or written so far: it need not read them again while they are cached.
    `stage` says where a prompt with tools is: at the question, where what to do is planned, at the
    result of a call, which often is easy, or at the result of one that failed.
    """

    num_turns: int = 0
    answered_by: str = ""
    estimates: dict[str, float] = msgspec.field(default_factory=dict)
    num_read: dict[str, int] = msgspec.field(default_factory=dict)
    stage: ToolStage = "none"

    @property
    def is_result(self) -> bool:
        """Whether the prompt ends with what a tool has answered."""
        return self.stage in ("result", "failed")


class TierWait(Frozen, frozen=True):
    """What a tier's answer takes: seconds until it can begin, then for each token read and written.

    `num_cached` tokens of the prompt need not be read. `max_tokens` bounds the answer, None does
    not.
    """

    load_s: float
    prompt_token_s: float
    token_s: float
    max_tokens: int | None = None
    num_cached: int = 0

    def seconds(self, num_prompt_tokens: float, num_tokens: float) -> float:
        """Return the expected seconds until an answer of so many tokens is complete."""
        if self.max_tokens:
            num_tokens = min(num_tokens, self.max_tokens)
        # However short the prompt, reading it takes a pass through all weights.
        num_new = num_prompt_tokens - self.num_cached
        read_s = max(num_new * self.prompt_token_s, self.token_s)
        return self.load_s + read_s + num_tokens * self.token_s


class GateOrder(Frozen, frozen=True):
    """How the gate of one request decides.

    `may_escalate` False bans the escalate token: this tier must answer. `targets` are the tiers
    above that can take the prompt; without one, an escalation declines the prompt for good.
    `hold_back` is the number of answer tokens held back for decision B, 0 for none. The rows of a
    `row` gate are those of `tier` in `file`, and a relative cost of 1 is worth `cost_weight` of a
    right answer. A tier above that would take longer than `max_wait_s` from now on, by its entry in
    `waits` and the length that the rows expect, is not chosen. `earlier` is about the turns
    before the prompt. `expected` says how likely each tier is right by the prompt's letters; empty
    where the lesson learned none.
    """

    kind: GateKind = "none"
    may_escalate: bool = False
    hold: Hold = "first"
    hold_back: int = 8
    escalate_threshold: float | None = None
    answer_threshold: float | None = None
    file: str = ""
    tier: str = ""
    targets: tuple[str, ...] = ()
    cost_weight: float = 0.0
    earlier: Earlier = Earlier()
    max_wait_s: float | None = None
    waits: Mapping[str, TierWait] = msgspec.field(default_factory=dict)
    expected: Mapping[str, float] = msgspec.field(default_factory=dict)


class Probe(Frozen, frozen=True):
    """Everything a gate could read: at the end of the prompt, and after `hold_back` tokens.

    If the answer is shorter, the second signals are those of its end. Hidden states are
    little-endian float32. `logprobs` are the natural log-probabilities of all drawn tokens,
    thoughts and the end of the turn included.
    """

    first: Signals
    first_hidden: bytes
    second: Signals
    second_hidden: bytes
    logprobs: tuple[float, ...]
    prompt_tokens: tuple[int, ...]
