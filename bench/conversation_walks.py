"""One conversation under one policy: where each turn begins, who passes it on, what it costs.

Does not know how answers are made; a walk yields what it wants answered.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, field, replace

from tierchat.cascade.beginning import MIN_FOLLOW_UPS, begin
from tierchat.cascade.follow_up import leans
from tierchat.cascade.turns_before import TurnBefore
from tierchat.config.home import Home
from tierchat.gates import files as gate_files
from tierchat.gates.lookup import GateLookup
from tierchat.learning.outcomes.matrix import Cell, reading_of
from tierchat.learning.outcomes.prompts import GradedPrompt
from tierchat.learning.outcomes.talks import after
from tierchat.models.verified_files import VerifiedFiles
from tierchat.types import QUALITIES, QualityName

# The tier to go to from a tier that has read a prompt; None keeps the prompt there.
Gate = Callable[[int, GradedPrompt, Cell], int | None]
Ask = tuple[int, GradedPrompt]


@dataclass(frozen=True)
class Policy:
    """Where a turn begins and who passes it on. Without a gate the top tier answers all."""

    name: str
    gate: Gate | None = None
    has_floors: bool = False
    knows_follow_ups: bool = False


@dataclass(frozen=True)
class TurnDone:
    """One turn: who answered, whether it was right, parameters times tokens, where it began."""

    kind: str
    tier: int
    answer: str
    is_right: bool
    compute: float
    began: int


@dataclass
class Walk:
    """One conversation under one policy."""

    policy: Policy
    tiers: Sequence[str]
    parameters: Sequence[float]
    turns: list[TurnDone] = field(default_factory=list)

    def run(self, prompt: GradedPrompt | None) -> Generator[Ask, Cell, None]:
        """Yield what is to be asked and take the answers, turn by turn."""
        before: TurnBefore | None = None
        while prompt is not None:
            began = tier = self._begins(prompt, before)
            read = dict(before.num_read) if before else {}
            compute = 0.0
            while True:
                cell = yield tier, prompt
                # What a tier has read or written in earlier turns is still in its cache.
                cached = min(read.get(self.tiers[tier], 0), cell.num_prompt_tokens)
                tokens = cell.num_prompt_tokens - cached
                read[self.tiers[tier]] = cell.num_prompt_tokens
                gate = self.policy.gate
                target = gate(tier, prompt, cell) if gate and tier + 1 < len(self.tiers) else None
                if target is None:
                    tokens += cell.num_generated_tokens
                    read[self.tiers[tier]] += cell.num_generated_tokens
                compute += self.parameters[tier] * tokens
                if target is None:
                    break
                tier = target
            kind = prompt.family.split("/")[0]
            self.turns.append(TurnDone(kind, tier, cell.answer, cell.is_right, compute, began))
            before = TurnBefore(self.tiers[tier], num_read=read)
            prompt = prompt.then and after(prompt, cell.answer, self.tiers[tier])

    def _begins(self, prompt: GradedPrompt, before: TurnBefore | None) -> int:
        if self.policy.gate is None:
            return len(self.tiers) - 1
        if not self.policy.has_floors:
            return 0
        found = begin(
            self.tiers,
            before,
            num_turns=prompt.before.num_turns,
            leans=leans(prompt.messages),
            knows_follow_ups=self.policy.knows_follow_ups,
        )
        return self.tiers.index(found.floor) if found.floor else 0


def margin_gate(threshold: float) -> Gate:
    """Go one tier up where the first token's margin is below a threshold; needs no lesson."""

    def decide(tier: int, _prompt: GradedPrompt, cell: Cell) -> int | None:
        margin = cell.probe.first.margin
        return tier + 1 if margin is not None and margin < threshold else None

    return decide


def learned_gate(home: Home, cascade: str, quality: QualityName) -> tuple[Gate, bool] | None:
    """Return the cascade's learned gate, and whether its lesson held follow-ups."""
    lookup = GateLookup(home.paths.gates_dir, VerifiedFiles(home.paths.verified_file))
    if lookup.file(cascade) is None:
        return None
    path = lookup.path(cascade)
    head, gates = gate_files.read_head(path), gate_files.load(path)
    weight, last = head.cost_weight(QUALITIES[quality]), len(head.tiers) - 1

    def decide(tier: int, prompt: GradedPrompt, cell: Cell) -> int | None:
        reading = replace(reading_of(cell, "prefill", head.hold_back), earlier=prompt.before)
        verdict = gates.verdict(tier, reading, weight, last)
        return gates.tiers.index(verdict.target) if verdict.target else None

    return decide, head.num_follow_ups >= MIN_FOLLOW_UPS
