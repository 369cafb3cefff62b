"""The state of a chat: its turns, its settings, and the conversation they are saved in.

Pure; does not know terminals, files or the daemon.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import msgspec

from tierchat.conversations.last_answer import LastAnswer
from tierchat.conversations.past import Past, new_id
from tierchat.conversations.reader import summary_messages
from tierchat.errors import UsageError
from tierchat.outcomes import Outcome
from tierchat.types import Message, Prompt, Sampling, SaveOptions, TierOptions

SUMMARISE = (
    "Summarise our conversation so far for yourself: what was asked, what was found, what is still "
    "open. Keep names, numbers and code that matter."
)


@dataclass(frozen=True)
class Turn:
    """One exchange; `outcome` is None for one that was interrupted or loaded from the log.

    `tier` and `floor` are tiers of `cascade`. The rest of the topic is not answered below `floor`.
    `calls` are the messages between prompt and answer: calls of tools and their results.
    """

    exchange: str
    prompt: str
    answer: str
    outcome: Outcome | None = None
    tier: str | None = None
    is_complete: bool = True
    cascade: str | None = None
    floor: str | None = None
    is_bad: bool = False
    calls: tuple[Message, ...] = ()

    @property
    def is_answered(self) -> bool:
        return bool(self.answer.strip())


@dataclass
class ChatSession:
    """One chat. `tiers` are those of `cascade`, cheapest first. `said` are the messages before all
    turns: a summary, or the question that came through a pipe."""

    cascade: str
    tiers: tuple[str, ...]
    is_saved: bool = True
    options: TierOptions = field(default_factory=TierOptions)
    sampling: Sampling = field(default_factory=Sampling)
    think: bool | None = None
    shows_thoughts: bool = True
    system: str = ""
    conversation: str = field(default_factory=new_id)
    said: tuple[Message, ...] = ()
    turns: list[Turn] = field(default_factory=list)
    spent: list[Outcome] = field(default_factory=list)
    attached: str = ""
    # The last answer before all turns.
    before: LastAnswer = field(default_factory=LastAnswer)
    _folded: list[tuple[Turn, tuple[Message, ...], list[Turn]]] = field(default_factory=list)

    def go_on_with(self, past: Past) -> None:
        """Continue a saved conversation, or begin one."""
        self.conversation = past.id or new_id()
        self.system = past.system if past.id else self.system
        self.said, self.turns, self.attached, self._folded = (), [], "", []
        self.before = LastAnswer()
        for row in past.exchanges:
            if row.kind == "summary" and row.state == "done":
                self.said, self.turns = tuple(summary_messages(row.answer)), []
            elif row.kind == "exchange":
                is_complete = row.state == "done" and row.finish_reason == "stop"
                self.turns.append(
                    Turn(
                        row.id,
                        row.prompt,
                        row.answer,
                        tier=row.tier,
                        is_complete=is_complete,
                        cascade=past.cascade,
                        floor=row.floor,
                        is_bad=row.mark == -1,
                    )
                )

        if not self.turns:
            self.before = past.last

    def begin(self) -> None:
        """Begin another conversation with the same settings."""
        self.go_on_with(Past())

    def ask(
        self,
        text: str,
        *,
        min_tier: str | None = None,
        replaces: Turn | None = None,
        is_up: bool = False,
    ) -> Prompt:
        """Make the prompt of the next turn, or of a turn that replaces the last.

        With `is_up` the person found the last answer not good enough.
        """
        turns = [turn for turn in self.turns if turn is not replaces]
        first = (Message(role="system", content=self.system),) if self.system else ()
        said: list[Message] = list(self.said)
        for turn in turns:
            if turn.is_answered:
                said += (Message(role="user", content=turn.prompt), *turn.calls)
                said.append(Message(role="assistant", content=turn.answer))
        options = msgspec.structs.replace(
            self._after(turns).options(self.options, self.cascade, self.tiers),
            cascade=self.cascade,
            min_tier=min_tier or self.options.min_tier,
            tier=None if min_tier else self.options.tier,
            up=is_up,
            save=self._save(replaces) if self.is_saved else None,
        )
        return Prompt(
            messages=(*first, *said, Message(role="user", content=text)),
            sampling=self.sampling,
            options=options,
            think=self.think,
        )

    def _after(self, turns: Sequence[Turn]) -> LastAnswer:
        """Return the last answer among some turns, or before them."""
        for turn in reversed(turns):
            if turn.is_answered:
                return LastAnswer(turn.cascade, turn.tier, turn.floor, turn.is_bad)
        return self.before

    def go_on(self, turn: Turn) -> Prompt:
        """Make the prompt that lets the tier of an unfinished turn write on where it stopped.

        Its answer continues that of the turn, so together they replace it.
        """
        prompt = self.ask(turn.prompt, replaces=turn)
        begun = Message(role="assistant", content=turn.answer)
        # Without a hop it was the first tier; what was shown is finished by the same one.
        options = msgspec.structs.replace(
            prompt.options,
            tier=turn.tier or prompt.options.tier,
            no_escalate=True,
            floor=turn.floor or prompt.options.floor,
        )
        messages = (*prompt.messages, *turn.calls, begun)
        return msgspec.structs.replace(prompt, messages=messages, options=options)

    @property
    def text(self) -> str:
        """All that the next prompt would send of the conversation so far."""
        return "\n".join(m.content for m in self.ask("").messages if m.role != "system")

    def ask_for_summary(self, tier: str, num_left_out: int = 0) -> Prompt:
        """Make the prompt that asks for a summary of the conversation.

        The `num_left_out` oldest turns are left out, for a tier whose context is too small.
        """
        kept = replace(self, turns=self.turns[num_left_out:])
        if num_left_out:
            kept.said = ()
        prompt = kept.ask(SUMMARISE)
        save = prompt.options.save and msgspec.structs.replace(prompt.options.save, is_summary=True)
        options = msgspec.structs.replace(
            prompt.options, tier=tier, min_tier=None, max_tier=None, save=save, hold="answer"
        )
        return msgspec.structs.replace(prompt, options=options)

    def compact(self, summary: Turn) -> None:
        """Replace all turns so far by a summary; they stay on the screen and in the log."""
        self._folded.append((summary, self.said, self.turns))
        self.before = self._after(self.turns)
        self.said, self.turns = tuple(summary_messages(summary.answer)), []

    def add(self, turn: Turn, replaces: Turn | None = None) -> None:
        """Remember a finished turn; a turn without an answer replaces nothing."""
        if replaces is not None and replaces in self.turns and turn.is_answered:
            self.turns.remove(replaces)
        self.turns.append(turn)

    def undo(self) -> Turn | None:
        """Take back and return the last turn, or the summary that replaced the turns before."""
        if not self.turns and self._folded:
            summary, self.said, self.turns = self._folded.pop()
            return summary
        return self.turns.pop() if self.turns else None

    @property
    def floor(self) -> str | None:
        """The tier at which a follow-up begins at least, because a person asked for better."""
        return self.ask("").options.floor

    def mark_last(self, *, is_bad: bool) -> None:
        """Remember that a person found the last answer good or bad."""
        self.turns[-1] = replace(self.last_asked(), is_bad=is_bad)

    @property
    def last(self) -> Turn | None:
        return self.turns[-1] if self.turns else None

    def last_asked(self) -> Turn:
        """Return the last turn; raises UsageError before the first."""
        if self.last is None:
            raise UsageError("nothing was asked yet")
        return self.last

    def tier_above(self, turn: Turn) -> str | None:
        """Return the tier above the one that answered or was interrupted; None at the top."""
        if turn.tier not in self.tiers:
            return self.tiers[1] if len(self.tiers) > 1 else None
        index = self.tiers.index(turn.tier) + 1
        return self.tiers[index] if index < len(self.tiers) else None

    @property
    def num_tokens(self) -> int:
        """The tokens computed in this chat, over all tiers."""
        return sum(visit.computed_tokens for outcome in self.spent for visit in outcome.path)

    @property
    def compute_saved(self) -> float | None:
        """The share of compute saved against asking only the top tier; None before a turn."""
        top = sum(outcome.top_compute for outcome in self.spent)
        return 1 - sum(outcome.compute for outcome in self.spent) / top if top else None

    def spend(self, outcome: Outcome) -> None:
        """Count the cost of an answer; it stays paid when the answer is taken back."""
        self.spent.append(outcome)

    @property
    def used(self) -> dict[str, int]:
        """The tokens in each tier's context after its last visit for a turn that still counts."""
        visits = [v for turn in self.turns if turn.outcome for v in turn.outcome.path]
        return {v.tier: v.prompt_tokens + v.generated_tokens for v in visits if v.prompt_tokens}

    def _save(self, replaces: Turn | None) -> SaveOptions:
        return SaveOptions(
            conversation=self.conversation,
            exchange=new_id(),
            replaces=replaces.exchange if replaces else None,
        )
