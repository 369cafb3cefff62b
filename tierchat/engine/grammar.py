"""Grammars made from JSON schemas: which tokens may come next. The only seam to llguidance.

Does not know sampling or sequences, nor which schemas can be used: a schema that llguidance does
not take is refused with its reason.
"""

from __future__ import annotations

import json
import threading
from typing import TYPE_CHECKING, Any, Protocol

import msgspec
import numpy as np
import numpy.typing as npt

from tierchat.engine.control_tokens import ControlTokens

if TYPE_CHECKING:
    from llguidance import LLMatcher, LLTokenizer

# Indented JSON is what models write by themselves; endless whitespace is what small ones end in.
_WHITESPACE = r" |\n {0,24}"
_MAX_COMPILE_S = 5.0
# Per token, at about 14 units a microsecond: how long a regular expression may take.
_LIMITS = {
    "max_items_in_row": 20_000,
    "initial_lexer_fuel": 500_000,
    "max_lexer_states": 50_000,
    "verbose_errors": False,
}


_OVERRIDES = {"lenient": True, "whitespace_pattern": _WHITESPACE}


def rule_of_json(schema: dict[str, Any]) -> str:
    """Write a JSON schema as part of a rule for `GrammarCompiler.compile_rules`."""
    return f"%json {json.dumps({**schema, 'x-guidance': _OVERRIDES})}"


class GrammarRefused(Exception):
    """llguidance cannot make a grammar of a schema; `reason` says why."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class TooMuch(GrammarRefused):
    """The schema is nested too deeply, or its grammar is not ready in time."""


class Vocabulary(Protocol):
    """What a grammar needs of a model."""

    vocabulary_size: int

    @property
    def control_tokens(self) -> tuple[int, ...]: ...
    @property
    def control_texts(self) -> ControlTokens: ...
    def piece(self, token: int) -> bytes: ...
    def is_end(self, token: int) -> bool: ...
    def pieces(self) -> list[bytes]: ...
    def tokenize(self, text: str, *, parse_special: bool) -> list[int]: ...


class Grammar:
    """The state of one answer that follows a schema. Owned by the engine thread.

    `warnings` are llguidance's words for what it does not enforce.
    """

    def __init__(self, matcher: LLMatcher, tokenizer: LLTokenizer, ends: frozenset[int]) -> None:
        self._matcher = matcher
        self._tokenizer = tokenizer
        self._ends = ends
        self.warnings: list[str] = matcher.get_grammar_warnings()

    @property
    def is_complete(self) -> bool:
        """Whether the answer is finished and nothing may follow."""
        return bool(self._matcher.is_stopped())

    @property
    def problem(self) -> str:
        """Why the grammar cannot go on, such as an expression that takes too long; else empty."""
        return _first_line(self._matcher.get_error())

    def allows(self, token: int) -> bool:
        """Whether this token may come next."""
        if self.is_complete:
            return token in self._ends
        return bool(self._matcher.validate_tokens([token]))

    def allowed_tokens(self) -> npt.NDArray[np.intp]:
        """Return all tokens that may come next; after the end of the answer, the end tokens."""
        bits = np.frombuffer(self._matcher.compute_bitmask(), np.uint8)
        found = np.flatnonzero(np.unpackbits(bits, bitorder="little"))
        return found if len(found) else np.fromiter(self._ends, np.intp)

    def begin(self, text: str) -> bool:
        """Go on from a beginning that is written already; False if it does not fit."""
        tokens = self._tokenizer.greedy_tokenize(text)
        return bool(self._matcher.try_consume_tokens(tokens) == len(tokens))

    def accept(self, token: int) -> None:
        """Go on with this token."""
        if not self.is_complete:
            self._matcher.consume_token(token)


class GrammarCompiler:
    """Makes grammars for the vocabulary of one model, which it reads when the first is made."""

    def __init__(self, model: Vocabulary) -> None:
        self._model = model
        self._tokenizer: Any = None
        self._ends: frozenset[int] = frozenset()

    def compile(self, schema: dict[str, Any]) -> Grammar:
        """Make the grammar of a schema, as far as it can be enforced; raises GrammarRefused."""
        from llguidance import LLMatcher

        try:
            text = LLMatcher.grammar_from_json_schema(
                msgspec.json.encode(schema).decode(), overrides=_OVERRIDES
            )
        except ValueError as error:
            # Of JSON that comes from a decoded value, only the depth can be wrong.
            raise TooMuch("it is nested too deeply") from error
        return self._made(text)

    def compile_rules(self, rules: str) -> Grammar:
        """Make a grammar of rules in llguidance's form of Lark; raises GrammarRefused.

        `rule_of` writes the parts of rules.
        """
        from llguidance import LLMatcher

        return self._made(LLMatcher.grammar_from_lark(rules))

    def rule_of(self, text: str) -> str:
        """Write a text as part of a rule, its control tokens as those tokens."""
        parts = []
        for piece in self._model.control_texts.split(text):
            if isinstance(piece, str):
                parts.append(json.dumps(piece))
            elif shown := self._model.piece(piece):
                # A token with text may be written by others, too.
                parts.append(json.dumps(shown.decode()))
            else:
                parts.append(f"<[{piece}]>")
        return " ".join(parts)

    def _made(self, text: str) -> Grammar:
        from llguidance import LLMatcher, LLParserLimits

        if self._tokenizer is None:
            self._read_vocabulary()
        made: list[LLMatcher] = []
        limits = LLParserLimits(**_LIMITS)
        tokenizer = self._tokenizer

        def make() -> None:
            made.append(LLMatcher(tokenizer, text, log_level=0, limits=limits))

        # llguidance cannot be interrupted, but it lets other threads run.
        thread = threading.Thread(target=make, daemon=True)
        thread.start()
        thread.join(_MAX_COMPILE_S)
        if not made:
            raise TooMuch(f"it takes longer than {_MAX_COMPILE_S:g} s to prepare")
        grammar = Grammar(made[0], tokenizer, self._ends)
        if made[0].is_error():
            raise GrammarRefused(grammar.problem or "no answer fits it")
        return grammar

    def _read_vocabulary(self) -> None:
        from llguidance import LLTokenizer, TokenizerWrapper

        controls = self._model.control_tokens
        ends = sorted(token for token in controls if self._model.is_end(token))
        self._ends = frozenset(ends)
        words = TokenizerWrapper(_Words(self._model, ends[0], controls))
        size = self._model.vocabulary_size
        self._tokenizer = LLTokenizer(words, size, ends, LLTokenizer.json_slices())


class _Words:
    """The vocabulary in the form that llguidance reads."""

    bos_token_id = None

    def __init__(self, model: Vocabulary, end: int, controls: tuple[int, ...]) -> None:
        self._model = model
        self.eos_token_id = end
        self.tokens = model.pieces()
        # Without text, a token cannot be part of an answer.
        empty = (token for token, piece in enumerate(self.tokens) if not piece)
        self.special_token_ids = sorted({*controls, *empty})

    def __call__(self, text: str) -> list[int]:
        return self._model.tokenize(text, parse_special=False)


def _first_line(text: str) -> str:
    lines = [line.strip() for line in text.splitlines()]
    return next((line for line in lines if line and not line.startswith("<")), "")
