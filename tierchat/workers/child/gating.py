"""The gate of each request to one model: learned rows, or its escalate token.

Does not know sequences, templates or sockets.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

from tierchat.engine.llama.model import LlamaModel
from tierchat.gates import files as gate_files
from tierchat.gates.files import GateFileBad
from tierchat.gates.order import GateOrder
from tierchat.gates.row_gate import RowGate, RowGates
from tierchat.gates.token_gate import TokenGate
from tierchat.models.file_stamp import FileStamp
from tierchat.workers.child.readings import Gate


@dataclass(frozen=True)
class RequestGate:
    """One request's gate and what it needs of the engine.

    `escalate_token` is the token whose probability the gate reads, None if it reads none;
    `banned_token` must not be drawn. The gate reads hidden states at the end of the prompt and at
    the next `num_hidden_states - 1` positions.
    """

    gate: Gate
    escalate_token: int | None
    banned_token: int | None
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
        token = None if order.kind == "none" else self.escalate_token
        # A tier that rows keep a prompt at, or that must answer, cannot also decline it.
        is_banned = rows is not None or token is None or not order.may_escalate
        own = self._token_gate(order, reads_token=token is not None)
        taught = RowGate(rows, order, own) if rows else None
        return RequestGate(
            gate=taught or own,
            escalate_token=token,
            banned_token=self.escalate_token if is_banned else None,
            num_hidden_states=_num_hidden_states(taught, order) if taught else 0,
        )

    def _token_gate(self, order: GateOrder, *, reads_token: bool) -> TokenGate:
        thresholds = (self.escalate_threshold, self.answer_threshold)
        return TokenGate(order, *thresholds, reads_token=reads_token)

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
