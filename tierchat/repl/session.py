"""What a chat knows: its turns, its settings, the conversation it is saved in.

Pure; does not know terminals, files or the daemon.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import msgspec

from tierchat.conversations import Past, new_id
from tierchat.types import Message, Outcome, Prompt, Sampling, SaveOptions, TierOptions

SUMMARISE = (
    "Summarise our conversation so far for yourself: what was asked, what was found, what is still "
    "open. Keep names, numbers and code that matter."
)


@dataclass(frozen=True)
class Turn:
    """One exchange of this chat; `outcome` is None when it ended without one."""

    exchange: str
    prompt: str
    answer: str
    outcome: Outcome | None = None

    @property
    def is_answered(self) -> bool:
        return bool(self.answer.strip())


@dataclass
class ChatSession:
    """One chat. `tiers` are those of `cascade`, cheapest first."""

    cascade: str
    tiers: tuple[str, ...]
    is_saved: bool = True
    options: TierOptions = field(default_factory=TierOptions)
    sampling: Sampling = field(default_factory=Sampling)
    think: bool | None = None
    system: str = ""
    template: str = ""
    past: Past = field(default_factory=Past)
    conversation: str = field(default_factory=new_id)
    turns: list[Turn] = field(default_factory=list)
    spent: list[Outcome] = field(default_factory=list)
    attached: str = ""
    # The first exchanges of `turns` that a summary in `past` stands for.
    num_summarised: int = 0

    def go_on_with(self, past: Past) -> None:
        """Continue a saved conversation."""
        self.past, self.turns, self.num_summarised = past, [], 0
        self.conversation = past.id or new_id()
        self.system = past.system or self.system

    def start_anew(self) -> None:
        """Begin another conversation with the same settings."""
        self.go_on_with(Past())
        self.attached = ""

    def ask(
        self, text: str, *, min_tier: str | None = None, replaces: Turn | None = None
    ) -> Prompt:
        """Make the prompt of the next turn, or of one that stands in for the last."""
        turns = self.turns[self.num_summarised :]
        if replaces is not None:
            turns = [turn for turn in turns if turn is not replaces]
        first = (Message(role="system", content=self.system),) if self.system else ()
        said: list[Message] = []
        for turn in turns:
            if turn.is_answered:
                said.append(Message(role="user", content=turn.prompt))
                said.append(Message(role="assistant", content=turn.answer))
        options = msgspec.structs.replace(
            self.options,
            cascade=self.cascade,
            min_tier=min_tier or self.options.min_tier,
            tier=None if min_tier else self.options.tier,
            save=self._save(replaces) if self.is_saved else None,
        )
        return Prompt(
            messages=(*first, *self.past.messages, *said, Message(role="user", content=text)),
            sampling=self.sampling,
            options=options,
            think=self.think,
        )

    def ask_for_summary(self, tier: str | None) -> Prompt:
        """Make the prompt whose answer is to stand for all that was said."""
        prompt = self.ask(SUMMARISE)
        save = prompt.options.save and msgspec.structs.replace(prompt.options.save, is_summary=True)
        options = msgspec.structs.replace(prompt.options, tier=tier, save=save, hold="answer")
        return msgspec.structs.replace(prompt, options=options)

    def compact(self, summary: str) -> None:
        """Let a summary stand for all turns so far; they stay on the screen and in the log."""
        self.past = Past(
            id=self.past.id,
            cascade=self.past.cascade,
            messages=(
                Message(role="user", content=f"Summary of our conversation so far:\n{summary}"),
                Message(role="assistant", content="Understood."),
            ),
        )
        self.num_summarised = len(self.turns)

    def add(self, turn: Turn, replaces: Turn | None = None) -> None:
        """Remember a turn that is over."""
        if replaces is not None and replaces in self.turns:
            self.turns.remove(replaces)
        self.turns.append(turn)
        if turn.outcome:
            self.spent.append(turn.outcome)

    def undo(self) -> Turn | None:
        """Take the last turn back and return it."""
        return self.turns.pop() if len(self.turns) > self.num_summarised else None

    @property
    def last(self) -> Turn | None:
        return self.turns[-1] if len(self.turns) > self.num_summarised else None

    def tier_above(self, turn: Turn) -> str | None:
        """Name the tier above the one that answered; None at the top."""
        tier = turn.outcome.tier if turn.outcome else None
        if tier not in self.tiers:
            return None
        index = self.tiers.index(tier) + 1
        return self.tiers[index] if index < len(self.tiers) else None

    @property
    def num_tokens(self) -> int:
        """Count what was computed in this chat, at every tier."""
        return sum(
            visit.prompt_tokens - visit.cached_tokens + visit.generated_tokens
            for outcome in self.spent
            for visit in outcome.path
        )

    @property
    def compute_saved(self) -> float | None:
        """Give the share of what the top tier alone would have computed."""
        top = sum(outcome.top_compute for outcome in self.spent)
        return 1 - sum(outcome.compute for outcome in self.spent) / top if top else None

    def context_used(self) -> dict[str, int]:
        """Count the tokens each tier had in its context when it was last asked."""
        return context_of([outcome for outcome in self.spent[-8:]])

    def _save(self, replaces: Turn | None) -> SaveOptions:
        return SaveOptions(
            conversation=self.conversation,
            exchange=new_id(),
            replaces=replaces.exchange if replaces else None,
            template=self.template,
        )


def context_of(outcomes: Sequence[Outcome]) -> dict[str, int]:
    """Give, for every tier that took part, its newest count of tokens."""
    return {
        visit.tier: visit.prompt_tokens + visit.generated_tokens
        for outcome in outcomes
        for visit in outcome.path
        if visit.prompt_tokens
    }
