"""Texts that are not answered: tokenised beside the engine's work, or read into one vector.

Does not know sockets. Another thread tokenises; the main thread owns the engine and passes on what
`report` gets.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial

from tierchat.engine.engine import Engine
from tierchat.engine.llama.model import LlamaModel
from tierchat.engine.prompt_reader import StatePooler
from tierchat.engine.sequence import Sequence, Step
from tierchat.errors import ContextTooLong, InvalidRequest
from tierchat.outcomes import Usage
from tierchat.types import Sampling
from tierchat.workers.protocol import Finished, Progress, RequestEvent
from tierchat.workers.text_orders import (
    Count,
    Detokenize,
    Embed,
    Embedded,
    Pooling,
    TextOrder,
    Tokenize,
    Tokenized,
)

# LLAMA_POOLING_TYPE_* in llama.h; rankers and files that say nothing are not among them.
_POOLINGS: dict[str, Pooling] = {"1": "mean", "2": "first", "3": "last"}


@dataclass(frozen=True)
class Tokens:
    """The tokens of an order that were found in another thread."""

    order: TextOrder
    result: Future[list[int]]

    @property
    def id(self) -> int:
        return self.order.id


class EmbedRequest:
    """One text on its way through the engine; the token that is drawn behind it is not used."""

    def __init__(self, order: Embed, sequence: Sequence, pooler: StatePooler, is_own: bool) -> None:
        self.order = order
        self.sequence = sequence
        self._pooler = pooler
        self._is_own = is_own
        self._began_s = time.monotonic()

    def take(self, _step: Step) -> list[RequestEvent]:
        """Return the vector, once the last position of the text is computed."""
        vector = self._pooler.vector().astype("<f4").tobytes()
        pooling = self._pooler.pooling
        return [
            Embedded(
                id=self.order.id,
                vector=vector,
                pooling=pooling,
                is_own=self._is_own,
                usage=self._usage,
            )
        ]

    def interrupt(self) -> list[RequestEvent]:
        """End a cancelled request."""
        return [Finished(id=self.order.id, reason="interrupted", usage=self._usage)]

    @property
    def progress(self) -> Progress:
        """How far the text is read."""
        sequence = self.sequence
        return Progress(
            id=self.order.id, computed=sequence.num_computed, total=sequence.num_prompt_tokens
        )

    @property
    def _usage(self) -> Usage:
        seconds = time.monotonic() - self._began_s
        return Usage(prompt_tokens=self.sequence.num_prompt_tokens, seconds=seconds)


class Texts:
    """Takes orders about texts for one model. Owned by the main thread."""

    def __init__(
        self, model: LlamaModel, engine: Engine, name: str, report: Callable[[Tokens], None]
    ) -> None:
        self._model, self._engine, self._name = model, engine, name
        self._report = report
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="texts")

    def take(self, order: TextOrder, work: Callable[[], list[int]] | None = None) -> None:
        """Find the tokens of an order in another thread, which reports them.

        `work` finds those of a conversation.
        """
        result = self._thread.submit(work or partial(self._tokens, order))
        result.add_done_callback(lambda done: self._report(Tokens(order, done)))

    def result(self, found: Tokens) -> Tokenized | EmbedRequest:
        """Return the result of an order, or its request, which then waits in the engine.

        Raises InvalidRequest, ContextTooLong or UsageError.
        """
        tokens = found.result.result()
        if isinstance(found.order, Embed):
            return self._embed(found.order, tokens)
        is_spelled = not isinstance(found.order, Count)
        pieces = tuple(map(self._model.spelled, tokens)) if is_spelled else ()
        return Tokenized(id=found.id, tokens=tuple(tokens), pieces=pieces)

    def _tokens(self, order: TextOrder) -> list[int]:
        assert not isinstance(order, Count)
        if isinstance(order, Tokenize):
            found = self._model.tokenize(order.text, parse_special=order.parses_special)
            return self._model.with_ends(found) if order.adds_special else found
        if order.tokens or isinstance(order, Detokenize):
            size = self._model.vocabulary_size
            if bad := next((token for token in order.tokens if token >= size), None):
                raise InvalidRequest(
                    f"{self._name} has {size} tokens, and none with the id {bad}",
                    "take the ids from POST /tokenize",
                )
            return list(order.tokens)
        self._refuse_too_long(order.text)
        return self._model.with_ends(self._model.tokenize(order.text, parse_special=False))

    def _embed(self, order: Embed, tokens: list[int]) -> EmbedRequest:
        architecture = self._model.metadata("general.architecture")
        own = _POOLINGS.get(self._model.metadata(f"{architecture}.pooling_type") or "")
        pooler = StatePooler(own or "mean")
        sequence = Sequence(
            order.id,
            tokens,
            Sampling(temperature=0),
            reads_signals=False,
            reader=pooler,
            is_background=order.is_background,
        )
        self._engine.add(sequence)
        return EmbedRequest(order, sequence, pooler, own is not None)

    def _refuse_too_long(self, text: str) -> None:
        """Raise ContextTooLong where the bytes of a text alone say that it is too long."""
        context, bound = self._engine.limits.context, self._model.token_bound
        if bound and (least := bound.at_least([text])) >= context:
            raise ContextTooLong(
                f"the text has at least {least} tokens, the context is {context}",
                self._engine.longer_context,
                least,
            )
