"""The conversation around one prompt: who answered before it, where it begins, who answers now.

Does not know workers or how the prompt is answered.
"""

from __future__ import annotations

from dataclasses import replace

import msgspec

from tierchat.cascade.beginning import MIN_FOLLOW_UPS, Beginning, begin, turn_before
from tierchat.cascade.follow_up import leans
from tierchat.cascade.tool_stage import stage_of
from tierchat.cascade.turns_before import TurnBefore, TurnsBefore
from tierchat.config.catalogue import CascadeSpec
from tierchat.gates.lookup import FoundGate
from tierchat.outcomes import Outcome
from tierchat.tool_calls import ToolCall
from tierchat.types import Message, Prompt


class Conversation:
    """One prompt in its conversation with a cascade; `turns` remembers the turns of all."""

    def __init__(self, cascade: str, prompt: Prompt, turns: TurnsBefore) -> None:
        self._cascade, self._prompt, self._turns = cascade, prompt, turns
        self._known = turns.find(cascade, prompt.messages)
        self._floor = self._known.floor if self._known else None
        self._is_over = False

    def beginning(self, spec: CascadeSpec, gate: FoundGate | None) -> Beginning:
        """Choose where the prompt begins."""
        tiers = [tier.name for tier in spec.tiers]
        messages, options = self._prompt.messages, self._prompt.options
        if options.raw:
            return Beginning()
        before = turn_before(options, self._known, tiers)
        stage = stage_of(self._prompt)
        # What a tool has found belongs to the question before it, and no lesson holds such turns:
        # another tier would first have to read all of it.
        is_result = stage in ("result", "failed")
        knows_follow_ups = gate is not None and gate.head.num_follow_ups >= MIN_FOLLOW_UPS
        found = begin(
            tiers,
            before,
            num_turns=sum(message.role == "assistant" for message in messages),
            leans=before is not None and (is_result or leans(messages)),
            knows_follow_ups=knows_follow_ups and not is_result,
        )
        earlier = msgspec.structs.replace(found.earlier, stage=stage)
        found = replace(found, earlier=earlier)
        self._floor = found.kept_floor
        return found

    def answered(self, outcome: Outcome) -> None:
        """Remember who answered."""
        self._is_over = True
        if outcome.tier is None:
            return
        read = dict(self._known.num_read) if self._known else {}
        read |= {v.tier: v.prompt_tokens + v.generated_tokens for v in outcome.path}
        estimates = next(
            (v.estimates for v in reversed(outcome.path) if v.tier == outcome.tier), {}
        )
        turn = TurnBefore(outcome.tier, outcome.floor, estimates, read)
        self._remember(outcome.answer, turn, outcome.tool_calls)

    def stopped(self, shown: tuple[str, str] | None) -> None:
        """Remember who was answering when the answer was stopped, and what was shown of it."""
        if shown and not self._is_over:
            tier, text = shown
            self._remember(text, TurnBefore(tier, self._floor))

    def _remember(self, answer: str, turn: TurnBefore, calls: tuple[ToolCall, ...] = ()) -> None:
        text = self._prompt.begun + answer
        said = self._prompt.messages[:-1] if self._prompt.begun else self._prompt.messages
        if text.strip() or calls:
            message = Message(role="assistant", content=text, tool_calls=calls)
            self._turns.add(self._cascade, (*said, message), turn)
