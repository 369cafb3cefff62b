"""One loaded model with all a request needs of it: engine, template, gate, metadata.

Does not know sockets or processes; `worker_process` drives it.
"""

from __future__ import annotations

import hashlib
import os
import sys
from collections.abc import Callable
from pathlib import Path

from tierchat.engine.devices import gpu_free_bytes
from tierchat.engine.engine import Engine, EngineLimits
from tierchat.engine.limits import (
    DEFAULT_CONTEXT,
    MIN_BYTES_FOR_THREADS,
    MIN_HEAD_SIZE_FOR_F16,
    num_cells,
)
from tierchat.engine.llama import LlamaLog, LlamaModel, can_offload
from tierchat.engine.sequence import Sequence
from tierchat.engine.template import ChatTemplate
from tierchat.errors import TemplateError
from tierchat.gates import files as gate_files
from tierchat.gates.files import GateFileBad
from tierchat.gates.order import GateOrder
from tierchat.gates.row_gate import RowGate, RowGates
from tierchat.gates.token_gate import TokenGate
from tierchat.models.file_stamp import FileStamp
from tierchat.types import KvType, Message, Sampling
from tierchat.workers.child.request import Request
from tierchat.workers.protocol import Generate, LoadModel, ModelInfo

_NUM_WARM_UP_TOKENS = 32
MARKER = "UNSURE"
UNSURE_SENTENCE = (
    f"If you cannot answer correctly, or are not sure, answer with the one word {MARKER}. "
    "Otherwise answer as usual."
)
_THOUGHT_MARKS = (("<|think|>", "<|/think|>"), ("<think>", "</think>"))


class HeldModel:
    """Weights, KV cache and template of one GGUF. Owned by the engine thread."""

    def __init__(self, order: LoadModel, on_progress: Callable[[float], None]) -> None:
        """Load and decode once; raises ModelMissing, ModelCorrupt, TemplateError, EngineCrashed.

        `on_progress` is told the share of the weights read, and 1.0 before the first decode.
        """
        self._log = LlamaLog()
        self._is_offloaded = can_offload() and order.gpu_layers != 0
        free_before = gpu_free_bytes() if self._is_offloaded else 0
        self.model = LlamaModel(
            Path(order.path),
            self._log,
            gpu_layers=order.gpu_layers,
            gpu_shares=order.gpu_shares,
            use_extra_buffer_types=order.use_extra_buffer_types,
            on_progress=on_progress,
        )
        template = self.model.metadata("tokenizer.chat_template")
        if not template:
            raise TemplateError(
                f"{order.path} has no chat template",
                "use an instruction-tuned GGUF; base models cannot hold a conversation",
            )
        self.template = ChatTemplate(template)
        context = order.context or min(self.model.trained_context or 512, DEFAULT_CONTEXT)
        self.engine = Engine(
            self.model,
            EngineLimits(
                context=context,
                num_cells=num_cells(context, order.max_sequences),
                batch_size=order.batch_size,
                max_sequences=order.max_sequences,
                num_threads=order.num_threads or _num_threads(self.model),
                kv_type=order.kv_type or kv_type_of(self.model, self._is_offloaded),
            ),
        )
        self._gates: RowGates | None = None
        self._gates_stamp: tuple[str, FileStamp] | None = None
        self.escalate_token = _whole(self.model.metadata("tierchat.escalate_token_id"))
        self.think_tokens = _thought_tokens(self.model)
        on_progress(1.0)
        self._warm_up()
        self.info = ModelInfo(
            name=order.name,
            architecture=self.model.metadata("general.architecture") or "unknown",
            parameters=self.model.num_parameters,
            size_bytes=self.model.size_bytes,
            context=context,
            vocabulary_size=self.model.vocabulary_size,
            escalate_token=self.escalate_token,
            escalate_threshold=_number(self.model.metadata("tierchat.escalate_threshold")),
            answer_threshold=_number(self.model.metadata("tierchat.answer_threshold")),
            quantisation=self.model.metadata("general.file_type") or "",
            template_sha256=hashlib.sha256(template.encode()).hexdigest(),
            is_gpu_offloaded=self._is_offloaded,
            uses_extra_buffer_types=order.use_extra_buffer_types,
            gpu_bytes=free_before - gpu_free_bytes() if self._is_offloaded else 0,
        )

    def _warm_up(self) -> None:
        # A kernel this machine cannot run (AMX on some virtual machines) dies here, before
        # any prompt is lost; it needs a batch of more than one token to show.
        tokens = [t % self.model.vocabulary_size for t in range(_NUM_WARM_UP_TOKENS)]
        sequence = Sequence(0, tokens, Sampling(temperature=0), reads_signals=False)
        self.engine.add(sequence)
        for _ in range(2):
            self.engine.step()
        self.engine.finish(sequence)

    def request(self, order: Generate) -> Request:
        """Turn an order into a request whose sequence waits in the engine.

        Raises TemplateError or ContextTooLong; nothing is queued then.
        """
        gates = self._row_gates(order.gate)
        is_commanded = self._is_commanded(order.gate)
        messages = with_command(order.messages) if is_commanded else order.messages
        # A thought is no JSON: what has a schema is answered at once.
        think = False if order.sampling.json_schema is not None else order.think
        if think is None and self.template.has_think_switch:
            # What it does untold differs by size within one family.
            think = False
        tokens = self.template.tokens(messages, self.model, think=think)
        if self.model.adds_bos and tokens[:1] != [self.model.bos_token]:
            tokens.insert(0, self.model.bos_token)
        has_gate = order.gate.kind != "none" and self.escalate_token is not None
        banned = []
        # Rows decide by themselves: a tier that keeps a prompt must then answer it.
        if self.escalate_token is not None and (
            gates or not has_gate or not order.gate.may_escalate
        ):
            banned.append(self.escalate_token)
        if think is False and self.think_tokens:
            banned.append(self.think_tokens[0])
        if order.sampling.ignore_eos:
            banned += self.model.control_tokens
        sequence = Sequence(
            order.id,
            tokens,
            order.sampling,
            banned=tuple(banned),
            escalate_token=self._first_token(MARKER)
            if is_commanded
            else self.escalate_token
            if has_gate
            else None,
            watched=tuple(self._first_token(text) for text in order.watch),
            num_hidden_states=order.gate.hold_back if order.probe or gates else 0,
        )
        room = self.engine.limits.context - len(tokens)
        request = Request(
            order,
            sequence,
            RowGate(gates, order.gate, self._token_gate(order.gate))
            if gates
            else self._token_gate(order.gate),
            self.model,
            max_tokens=min(order.sampling.max_tokens or room, room),
            think_tokens=self.think_tokens,
        )
        self.engine.add(sequence)
        return request

    def _is_commanded(self, order: GateOrder) -> bool:
        """Tell whether the model is to be asked in words: it has no token and no rows."""
        return order.kind == "command" and order.may_escalate and self.escalate_token is None

    def _first_token(self, text: str) -> int:
        return self.model.tokenize(text, parse_special=False)[0]

    def _token_gate(self, order: GateOrder) -> TokenGate:
        return TokenGate(
            order,
            self.info.escalate_threshold,
            self.info.answer_threshold,
            is_commanded=self._is_commanded(order),
        )

    def _row_gates(self, order: GateOrder) -> RowGates | None:
        """Read the gate file an order names, once for as long as the file stays the same."""
        if order.kind != "row":
            return None
        path = Path(order.file)
        try:
            stamp = (order.file, FileStamp.of_existing(path))
            if self._gates_stamp != stamp:
                self._gates, self._gates_stamp = gate_files.load(path), stamp
        except (OSError, GateFileBad) as error:
            # The daemon has checked the file; it was replaced or removed since.
            print(f"gate file ignored: {error}", file=sys.stderr)
            return None
        return self._gates if self._gates and order.tier in self._gates.tiers else None

    def close(self) -> None:
        """Free the context and the weights."""
        self.engine.close()
        self.model.close()


def with_command(messages: tuple[Message, ...]) -> tuple[Message, ...]:
    """Ask the model, in the system turn, to begin with the marker when it is unsure."""
    if messages[0].role != "system":
        return (Message(role="system", content=UNSURE_SENTENCE), *messages)
    first, *rest = messages
    return (Message(role="system", content=f"{first.content}\n\n{UNSURE_SENTENCE}"), *rest)


def _num_threads(model: LlamaModel) -> int:
    if model.size_bytes < MIN_BYTES_FOR_THREADS:
        return 1
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def kv_type_of(model: LlamaModel, is_offloaded: bool) -> KvType:
    """Choose the number format of the KV cache for a model whose settings leave it open."""
    return "q8_0" if model.head_size < MIN_HEAD_SIZE_FOR_F16 and not is_offloaded else "f16"


def _thought_tokens(model: LlamaModel) -> tuple[int, int] | None:
    for opening, closing in _THOUGHT_MARKS:
        opened = model.tokenize(opening, parse_special=True)
        closed = model.tokenize(closing, parse_special=True)
        if len(opened) == len(closed) == 1:
            return opened[0], closed[0]
    return None


def _whole(text: str | None) -> int | None:
    return int(text) if text and text.isdecimal() else None


def _number(text: str | None) -> float | None:
    try:
        return float(text) if text else None
    except ValueError:
        return None
