"""The gate of each request to one model: its escalate token, learned rows, or a marker in words.

Does not know sequences, templates or sockets.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

from tierchat.engine.llama import LlamaModel
from tierchat.gates import files as gate_files
from tierchat.gates.files import GateFileBad
from tierchat.gates.order import GateOrder
from tierchat.gates.row_gate import RowGate, RowGates
from tierchat.gates.token_gate import TokenGate
from tierchat.models.file_stamp import FileStamp
from tierchat.types import Message
from tierchat.workers.child.request import Gate

MARKER = "UNSURE"
UNSURE_SENTENCE = (
    f"If you cannot answer correctly, or are not sure, answer with the one word {MARKER}. "
    "Otherwise answer as usual."
)


@dataclass(frozen=True)
class RequestGate:
    """One request's gate and what it needs of the engine.

    `escalate_token` is the token whose probability the gate reads, None if it reads none;
    `banned_token` must not be drawn. `asks_in_words` means that the system turn has to ask for
    the marker. The gate reads hidden states at the end of the prompt and at the next
    `num_hidden_states - 1` positions.
    """

    gate: Gate
    escalate_token: int | None
    banned_token: int | None
    asks_in_words: bool
    num_hidden_states: int = 0


class Gating:
    """Builds the gates for one model; keeps the rows of the last gate file it read."""

    def __init__(self, model: LlamaModel) -> None:
        self._model = model
        self.escalate_token = _whole(model.metadata("tierchat.escalate_token_id"))
        self.escalate_threshold = _number(model.metadata("tierchat.escalate_threshold"))
        self.answer_threshold = _number(model.metadata("tierchat.answer_threshold"))
        self._rows: RowGates | None = None
        self._rows_stamp: tuple[str, FileStamp] | None = None

    def gate_for(self, order: GateOrder) -> RequestGate:
        """Build the gate that an order asks for, as far as this model has one."""
        rows = self._rows_of(order)
        if order.kind == "command" and order.may_escalate and self.escalate_token is None:
            marker = self._model.tokenize(MARKER, parse_special=False)[0]
            gate = self._token_gate(order, marker=MARKER)
            return RequestGate(gate, marker, None, asks_in_words=True)
        token = None if order.kind == "none" else self.escalate_token
        # A tier that rows keep a prompt at, or that must answer, cannot also decline it.
        is_banned = rows is not None or token is None or not order.may_escalate
        own = self._token_gate(order, reads_token=token is not None)
        taught = RowGate(rows, order, own) if rows else None
        return RequestGate(
            gate=taught or own,
            escalate_token=token,
            banned_token=self.escalate_token if is_banned else None,
            asks_in_words=False,
            num_hidden_states=_num_hidden_states(taught, order) if taught else 0,
        )

    def _token_gate(
        self, order: GateOrder, *, marker: str = "", reads_token: bool = True
    ) -> TokenGate:
        return TokenGate(
            order,
            self.escalate_threshold,
            self.answer_threshold,
            marker=marker,
            reads_token=reads_token,
        )

    def _rows_of(self, order: GateOrder) -> RowGates | None:
        """Read the gate file that an order names, unless the same file was read last."""
        if order.kind != "row":
            return None
        path = Path(order.file)
        try:
            stamp = (order.file, FileStamp.of_existing(path))
            if self._rows_stamp != stamp:
                self._rows, self._rows_stamp = gate_files.load(path), stamp
        except (OSError, GateFileBad) as error:
            # The daemon has checked the file; it was replaced or removed since.
            print(f"gate file ignored: {error}", file=sys.stderr)
            return None
        return self._rows if self._rows and order.tier in self._rows.tiers else None


def with_unsure_sentence(messages: tuple[Message, ...]) -> tuple[Message, ...]:
    """Ask the model, in the system turn, to begin with the marker when it is unsure."""
    if messages[0].role != "system":
        return (Message(role="system", content=UNSURE_SENTENCE), *messages)
    first, *rest = messages
    return (Message(role="system", content=f"{first.content}\n\n{UNSURE_SENTENCE}"), *rest)


def _num_hidden_states(gate: RowGate, order: GateOrder) -> int:
    reads_later = "first" in gate.stages or "answer" in gate.stages
    return order.hold_back if reads_later else 1


def _whole(text: str | None) -> int | None:
    return int(text) if text and text.isdecimal() else None


def _number(text: str | None) -> float | None:
    try:
        return float(text) if text else None
    except ValueError:
        return None
