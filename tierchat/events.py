"""What a prompt yields while it is answered."""

from __future__ import annotations

from tierchat.types import Frozen, Outcome, Visit


class AnswerDelta(Frozen, frozen=True, tag="answer"):
    """A piece of the answer; never taken back."""

    text: str


class ThoughtDelta(Frozen, frozen=True, tag="thought"):
    """A piece of what a tier works out before its answer; it may still escalate."""

    tier: str
    text: str


class Loading(Frozen, frozen=True, tag="loading"):
    """The prompt waits for this tier's model to be loaded."""

    tier: str
    model: str


class Hop(Frozen, frozen=True, tag="hop"):
    """One escalation: the visit that ended, and the tier that is tried next."""

    visit: Visit
    target: str


class Notice(Frozen, frozen=True, tag="notice"):
    """Something the person should know, such as a tier skipped or restarted."""

    text: str


class Done(Frozen, frozen=True, tag="done"):
    """The last event of every prompt that ended in an outcome."""

    outcome: Outcome


CascadeEvent = AnswerDelta | ThoughtDelta | Loading | Hop | Notice | Done
