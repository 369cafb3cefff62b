"""One loaded model with all that requests need of it: engine, template, gates, metadata.

Does not know sockets or processes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import msgspec

from tierchat.config.chat_formats import ChatFormat
from tierchat.engine.devices import gpu_free_bytes
from tierchat.engine.engine import Engine, EngineLimits
from tierchat.engine.grammar import Grammar, GrammarCompiler
from tierchat.engine.limits import (
    DEFAULT_CONTEXT,
    MIN_BYTES_FOR_THREADS,
    MIN_HEAD_SIZE_FOR_F16,
    num_cells,
    usual_sequences,
)
from tierchat.engine.llama.library import can_offload
from tierchat.engine.llama.log import LlamaLog
from tierchat.engine.llama.model import LlamaModel
from tierchat.engine.prompt_reader import PromptScorer
from tierchat.engine.sequence import Sequence
from tierchat.engine.template import Rendered
from tierchat.errors import ContextTooLong, InvalidRequest, SchemaRefused
from tierchat.gates.answer_schema import AnswerSchema
from tierchat.models.placement.hardware import num_cores
from tierchat.types import KvType, Sampling
from tierchat.workers.child.answer_check import AnswerCheck
from tierchat.workers.child.gating import Gating, RequestGate
from tierchat.workers.child.long_texts import LongTexts
from tierchat.workers.child.prompt_writer import PromptWriter
from tierchat.workers.child.request import Request
from tierchat.workers.child.schema_grammar import grammar_for
from tierchat.workers.child.tool_calls.call_support import CallSupport
from tierchat.workers.protocol import Generate, LoadModel, ModelInfo

_NUM_WARM_UP_TOKENS = 32
# Prompts with fewer characters for each token of the context are soon counted exactly.
_USUAL_CHARS = 8


@dataclass(frozen=True)
class Draft:
    """An order whose prompt is rendered; its long texts are still to be tokenised."""

    order: Generate
    gate: RequestGate
    think: bool | None
    prompt: Rendered
    long_texts: LongTexts

    def count(self) -> list[int]:
        """Return all tokens of the prompt. Any thread may do this."""
        return self.long_texts.fill_in(self.prompt.tokens)


class HeldModel:
    """Weights, KV cache and template of one GGUF. Owned by the engine thread.

    Only `check_length` and `Draft.count` may run in another one.
    """

    def __init__(self, order: LoadModel, on_progress: Callable[[float], None]) -> None:
        """Load and decode once; raises ModelMissing, ModelCorrupt, TemplateError, EngineCrashed.

        `on_progress` gets the share of the weights that is read, and 1.0 before the first decode.
        """
        self._log = LlamaLog()
        self._is_offloaded = can_offload() and order.gpu_layers != 0
        free_before = gpu_free_bytes() if self._is_offloaded else 0
        self.model = LlamaModel(
            order.file,
            self._log,
            gpu_layers=order.gpu_layers,
            gpu_shares=order.gpu_shares,
            use_extra_buffer_types=order.use_extra_buffer_types,
            on_progress=on_progress,
        )
        given = None if order.template is None else ChatFormat(order.template, order.stop)
        self._writer = PromptWriter(order.name, self.model, given)
        self.think_tokens = self._writer.think_tokens
        context = order.context or min(self.model.trained_context or 512, DEFAULT_CONTEXT)
        has_states = self.model.is_recurrent or self.model.is_hybrid
        max_sequences = order.max_sequences or usual_sequences(has_states=has_states)
        self.engine = Engine(
            self.model,
            EngineLimits(
                context=context,
                num_cells=num_cells(context, max_sequences),
                batch_size=order.batch_size,
                max_sequences=max_sequences,
                num_threads=order.num_threads or _num_threads(self.model),
                # While a GPU computes, the threads wait: that says nothing about the cores.
                adapts_threads=not self._is_offloaded,
                kv_type=order.kv_type or kv_type_of(self.model, self._is_offloaded),
            ),
        )
        self._gating = Gating(self.model)
        self._grammars = GrammarCompiler(self.model)
        self._calls = CallSupport(self.model, self._writer.source, self._grammars)
        on_progress(1.0)
        self._warm_up()
        self.info = ModelInfo(
            name=order.name,
            architecture=self.model.metadata("general.architecture") or "unknown",
            parameters=self.model.num_parameters,
            size_bytes=self.model.size_bytes,
            context=context,
            vocabulary_size=self.model.vocabulary_size,
            escalate_token=self._gating.escalate_token,
            escalate_threshold=self._gating.escalate_threshold,
            answer_threshold=self._gating.answer_threshold,
            quantisation=self.model.metadata("general.file_type") or "",
            template_sha256=self._writer.template_sha256,
            template_limits=self._writer.limits,
            example=self._writer.example(),
            is_gpu_offloaded=self._is_offloaded,
            uses_extra_buffer_types=order.use_extra_buffer_types,
            num_threads=self.engine.limits.num_threads,
            gpu_bytes=free_before - gpu_free_bytes() if self._is_offloaded else 0,
        )

    def _warm_up(self) -> None:
        # A kernel that traps here (AMX in some builds) dies now, before a prompt is lost; it
        # takes a batch of more than one token to show.
        tokens = [t % self.model.vocabulary_size for t in range(_NUM_WARM_UP_TOKENS)]
        sequence = Sequence(0, tokens, Sampling(temperature=0), reads_signals=False)
        self.engine.add(sequence)
        for _ in range(2):
            self.engine.step()
        self.engine.finish(sequence)

    def request(self, order: Generate) -> Request:
        """Turn an order into a request whose sequence waits in the engine.

        Raises TemplateError, ContextTooLong or UsageError (RefusedByTemplate among them); nothing
        is queued then.
        """
        draft = self.draft(order)
        return self.begin(draft, draft.count())

    def check_length(self, order: Generate) -> None:
        """Raise ContextTooLong if even the fewest tokens that a prompt may have are too many.

        Templates may drop what the assistant said before, so only other messages count.
        """
        context = self.engine.limits.context
        if order.tokens:
            return
        messages = order.messages[-1:] if order.is_raw else order.messages
        texts = [m.content for m in messages if order.is_raw or m.role != "assistant"]
        if sum(map(len, texts)) <= context * _USUAL_CHARS or not self.model.token_bound:
            return
        least = self.model.token_bound.at_least(texts)
        if least >= context:
            raise ContextTooLong(
                f"the prompt has at least {least} tokens, the context is {context}",
                self.engine.longer_context,
                least,
            )

    def draft(self, order: Generate) -> Draft:
        """Render the prompt of an order. Raises TemplateError, RefusedByTemplate."""
        gate = self._gating.gate_for(order.gate)
        think = self._think(order)
        long_texts = LongTexts(self.model)
        if order.tokens:
            prompt = Rendered(self._known_tokens(order), "", opens_thought=False)
        elif order.is_raw:
            prompt = self._writer.text(order.messages[-1].content, long_texts)
        else:
            use = order.tools
            shown = () if use.choice == "none" else use.tools
            opening = self._calls.opening(use)
            prompt = self._writer.conversation(order.messages, think, long_texts, shown, opening)
        return Draft(order, gate, think, prompt, long_texts)

    def begin(self, draft: Draft, tokens: list[int]) -> Request:
        """Let a request begin whose tokens are known; raises ContextTooLong or UsageError."""
        order, gate = draft.order, draft.gate
        self._refuse_unknown(order.sampling.logit_bias or (), "logit_bias")
        schema, grammar, notices = self._schema(order)
        begun = self._calls.begin(order)
        grammar = begun.grammar if begun and begun.grammar else grammar
        sequence = Sequence(
            order.id,
            tokens,
            order.sampling,
            banned=tuple(self._banned(order, gate, draft.think)),
            escalate_token=gate.escalate_token,
            watched=tuple(self._first_token(text) for text in order.watch),
            num_hidden_states=order.gate.hold_back if order.probe else gate.num_hidden_states,
            grammar=grammar,
            is_background=order.is_background,
            num_logprobs=order.logprobs,
            reader=PromptScorer(tokens, order.logprobs or 0) if order.scores_prompt else None,
        )
        room = self.engine.limits.context - len(tokens)
        request = Request(
            self._with_stops(order),
            sequence,
            gate.gate,
            self.model,
            max_tokens=order.sampling.limit(room),
            think_tokens=self.think_tokens,
            check=AnswerCheck(order, schema),
            calls=begun.calls if begun else None,
            notices=(*notices, *self._useless_wish(order)),
            is_thinking=draft.prompt.opens_thought,
            # After "Answer:" an answer begins with a blank; what continues a text keeps it.
            trims_start=not order.is_raw
            and bool(self._writer.stop)
            and order.messages[-1].role != "assistant",
        )
        self.engine.add(sequence)
        return request

    def _known_tokens(self, order: Generate) -> list[int]:
        self._refuse_unknown(order.tokens, "prompt")
        return list(order.tokens)

    def _refuse_unknown(self, tokens: Iterable[int], field: str) -> None:
        """Raise InvalidRequest for ids that are none of this model's tokens."""
        size = self.model.vocabulary_size
        bad = next((token for token in tokens if token >= size), None)
        if bad is not None:
            raise InvalidRequest(
                f"{field}: {self.info.name} has {size} tokens, and none with the id {bad}",
                "take the ids from POST /tokenize",
                param=field,
            )

    def _schema(
        self, order: Generate
    ) -> tuple[AnswerSchema | None, Grammar | None, tuple[str, ...]]:
        """Read the schema of an answer; raises SchemaRefused that names what is wrong."""
        if order.sampling.json_schema is None:
            return None, None, ()
        schema = AnswerSchema.of_text(order.sampling.json_schema)
        grammar, notices = grammar_for(schema.schema, self._grammars)
        if not grammar.begin(order.begun.lstrip()):
            raise SchemaRefused(
                f"the answer cannot begin with {order.begun[:40]!r}: that does not fit the schema",
                "change the assistant's message at the end, or leave it out",
            )
        return schema, grammar, schema.notices + notices

    def _with_stops(self, order: Generate) -> Generate:
        """Add the texts that end a turn of the template."""
        if order.is_raw or not self._writer.stop or order.sampling.ignore_eos:
            return order
        stop = (*order.sampling.stop, *self._writer.stop)
        sampling = msgspec.structs.replace(order.sampling, stop=stop)
        return msgspec.structs.replace(order, sampling=sampling)

    def _think(self, order: Generate) -> bool | None:
        """Choose whether the model thinks; None leaves it to a template without a switch."""
        if order.sampling.json_schema is not None or order.tools.is_required:
            # A thought is no JSON and no call: such a prompt is answered at once.
            return False
        if order.think is None and self._writer.has_think_switch:
            # The default of such templates differs by size within one family.
            return False
        return order.think

    def _useless_wish(self, order: Generate) -> tuple[str, ...]:
        if not order.think or order.is_raw or self._writer.has_think_switch or self.think_tokens:
            return ()
        name = self.info.name
        return (f"think = true has no effect: the chat template of {name} has no switch for it",)

    def _banned(self, order: Generate, gate: RequestGate, think: bool | None) -> Iterator[int]:
        """Yield the tokens that must not be drawn."""
        if gate.banned_token is not None:
            yield gate.banned_token
        if think is False and self.think_tokens:
            yield self.think_tokens[0]
        if order.sampling.ignore_eos:
            yield from self.model.control_tokens

    def _first_token(self, text: str) -> int:
        return self.model.tokenize(text, parse_special=False)[0]

    def close(self) -> None:
        """Free the context and the weights."""
        self.engine.close()
        self.model.close()


def _num_threads(model: LlamaModel) -> int:
    if model.size_bytes < MIN_BYTES_FOR_THREADS:
        return 1
    return num_cores()


def kv_type_of(model: LlamaModel, is_offloaded: bool) -> KvType:
    """Choose the number format of the KV cache where the settings leave it open."""
    return "q8_0" if model.head_size < MIN_HEAD_SIZE_FOR_F16 and not is_offloaded else "f16"
