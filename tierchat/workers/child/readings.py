"""What the gate of one request reads, stage by stage, and the verdict it came to.

Does not know text or what becomes of a verdict; `Gate` is the seam to the gates.
"""

from __future__ import annotations

from collections.abc import Sequence as Rows
from dataclasses import replace
from typing import Protocol

import msgspec

from tierchat.engine.sequence import Step
from tierchat.gates.order import Probe
from tierchat.gates.row_gate import STAGES
from tierchat.gates.signals import Reading
from tierchat.types import Signals, Stage, Verdict
from tierchat.workers.protocol import Generate


class Gate(Protocol):
    """Readings in, verdicts out. It may send the prompt up at its `stages`, and nowhere else."""

    @property
    def stages(self) -> tuple[Stage, ...]: ...
    def read(self, reading: Reading) -> Verdict: ...
    def holds(self, text: str, num_tokens: int) -> bool: ...


class Readings:
    """The readings of one request, in the order of its steps. Owned by the engine thread.

    `verdict` is the last one that counts, with the estimates of earlier stages.
    """

    def __init__(self, order: Generate, gate: Gate, prompt_tokens: Rows[int]) -> None:
        self._order = order
        self.gate = gate
        # What a lesson learns from is read everywhere.
        self.stages = STAGES if order.probe else gate.stages
        self.verdict: Verdict | None = None
        self._prompt_tokens = tuple(prompt_tokens)
        self._logprobs: list[float] = []
        self._answer_logprobs: list[float] = []
        self._first: Reading | None = None
        self._second: Reading | None = None

    def add(self, step: Step) -> None:
        """Keep what the model thought of a token that it wrote."""
        if step.logprob is not None:
            self._logprobs.append(step.logprob)

    def add_to_answer(self, step: Step) -> None:
        """Keep that the token of a step is part of the answer, not of a thought."""
        if step.logprob is not None:
            self._answer_logprobs.append(step.logprob)

    def read(self, step: Step, signals: Signals, held: str) -> tuple[Stage, Verdict]:
        """Ask the gate after a step; `held` is the answer so far, none of which is shown."""
        stage: Stage = "first" if self._first else "prefill"
        reading = Reading(
            stage=stage,
            now=signals,
            first=self._first.now if self._first else signals,
            num_generated=step.sequence.num_generated,
            hidden=step.hidden_state,
            prompt_tokens=self._prompt_tokens,
            logprobs=self._logprobs,
            answer_logprobs=self._answer_logprobs,
            is_last=step.is_end,
            text=held,
            earlier=self._order.gate.earlier,
        )
        self._first = self._first or reading
        if reading.num_generated <= self._order.gate.hold_back:
            self._second = reading
        verdict = self._with_earlier(self.gate.read(reading))
        if stage == "prefill" or verdict.escalate:
            self.verdict = verdict
        return stage, verdict

    def read_whole(self) -> Verdict | None:
        """Ask the gate about the finished answer; None where it does not read that stage."""
        if "answer" not in self.stages or not self._answer_logprobs or self._second is None:
            return None
        whole = replace(self._second, stage="answer", is_last=True)
        self.verdict = self._with_earlier(self.gate.read(whole))
        return self.verdict

    def probe(self) -> Probe | None:
        """Return what a lesson learns from; None if the answer ended before it could be read."""
        first, second = self._first, self._second
        if first is None or second is None or first.hidden is None or second.hidden is None:
            return None
        return Probe(
            first=first.now,
            first_hidden=first.hidden.tobytes(),
            second=second.now,
            second_hidden=second.hidden.tobytes(),
            logprobs=tuple(self._logprobs),
            prompt_tokens=self._prompt_tokens,
        )

    def _with_earlier(self, verdict: Verdict) -> Verdict:
        """Add the estimates of earlier stages to those of this verdict."""
        earlier = self.verdict.estimates if self.verdict else {}
        return msgspec.structs.replace(verdict, estimates={**earlier, **verdict.estimates})
