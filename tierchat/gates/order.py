"""How one gate is to decide, and what it could have read."""

from __future__ import annotations

from tierchat.types import Frozen, GateKind, Hold, Signals


class GateOrder(Frozen, frozen=True):
    """How the gate of one request is to decide.

    `may_escalate` False bans the escalate token: this tier must answer.
    `hold_back` is the number of answer tokens kept back for decision B. A `row` gate is read from
    `file` as that of `tier`; it may go to one of `targets`, and a relative cost of 1 is worth
    `cost_weight` of a right answer.
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


class Probe(Frozen, frozen=True):
    """What gates could have read: at the prompt's end, and `hold_back` tokens in or at the end.

    Hidden states are little-endian float32, natural log-probabilities are of every token drawn,
    thoughts and the end of the turn included.
    """

    first: Signals
    first_hidden: bytes
    second: Signals
    second_hidden: bytes
    logprobs: tuple[float, ...]
    prompt_tokens: tuple[int, ...]
