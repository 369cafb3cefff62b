"""The vocabulary of a model: text to tokens and back, and what kind of token each one is.

Does not know weights, chat templates or what a token means to a chat.
"""

from __future__ import annotations

import ctypes
import operator
from collections.abc import Sequence as Rows
from functools import cached_property, reduce
from typing import Any

import llama_cpp as lib

from tierchat.engine.control_tokens import ControlToken, ControlTokens
from tierchat.engine.token_bound import TokenBound
from tierchat.errors import EngineCrashed

_MAX_PIECE_BYTES = 512
# Tokens that llama.cpp makes from their text only where `parse_special` is set.
_MADE_BY_SPECIAL_TEXT = lib.LLAMA_TOKEN_ATTR_CONTROL | lib.LLAMA_TOKEN_ATTR_UNKNOWN
# Their tokens spell every byte of a text; those of other kinds lower case, or drop accents.
_LOSSLESS_VOCABULARIES = (lib.LLAMA_VOCAB_TYPE_SPM, lib.LLAMA_VOCAB_TYPE_BPE)
# Tokens that swallow the blanks beside them.
_STRIPS = lib.LLAMA_TOKEN_ATTR_LSTRIP | lib.LLAMA_TOKEN_ATTR_RSTRIP


class Vocabulary:
    """The tokens of one loaded model. Owned by one thread, if a method does not say otherwise."""

    def __init__(self, vocab: Any, unknown_token: int | None) -> None:
        """`vocab` is llama.cpp's pointer, valid as long as the model is."""
        self._vocab = vocab
        self._unknown_token = unknown_token
        self.vocabulary_size: int = lib.llama_vocab_n_tokens(vocab)
        self.adds_bos: bool = lib.llama_vocab_get_add_bos(vocab)
        self._adds_eos: bool = lib.llama_vocab_get_add_eos(vocab)
        self.bos_token: int = lib.llama_vocab_bos(vocab)
        self._pieces: dict[int, bytes] = {}
        self._kinds: dict[int, tuple[bool, bool]] = {}

    @property
    def vocab(self) -> Any:
        """llama.cpp's vocabulary pointer, for `Sampler` alone."""
        return self._vocab

    def tokenize(self, text: str, *, parse_special: bool) -> list[int]:
        """Turn text into token ids; only for the text of a template may `parse_special` be set."""
        raw = text.encode("utf-8", "replace")
        room = len(raw) + 8
        tokens = (lib.llama_token * room)()
        num = lib.llama_tokenize(self._vocab, raw, len(raw), tokens, room, False, parse_special)
        if num < 0:
            raise EngineCrashed(f"llama.cpp could not tokenise {len(raw)} bytes of text")
        return list(tokens[:num])

    def with_ends(self, tokens: Rows[int]) -> list[int]:
        """Return the tokens of a text with those that this model wants before and after them."""
        ends = ([self.bos_token] if self.adds_bos else [], [lib.llama_vocab_eos(self._vocab)])
        return [*ends[0], *tokens, *(ends[1] if self._adds_eos else [])]

    def piece(self, token: int) -> bytes:
        """Return the bytes of one token; a control token has none."""
        found = self._pieces.get(token)
        if found is None:
            found = self._pieces[token] = self._piece(token)
        return found

    def spelled(self, token: int) -> bytes:
        """Return the bytes of one token, for a control token those of its name."""
        return self._piece(token, shows_control=True)

    def pieces(self) -> list[bytes]:
        """Return the bytes of every token, in order."""
        buffer = ctypes.create_string_buffer(_MAX_PIECE_BYTES)
        found = []
        for token in range(self.vocabulary_size):
            num = lib.llama_token_to_piece(self._vocab, token, buffer, len(buffer), 0, False)
            if num < 0:
                buffer = ctypes.create_string_buffer(-num)
                num = lib.llama_token_to_piece(self._vocab, token, buffer, -num, 0, False)
            found.append(buffer.raw[: max(num, 0)])
        return found

    def _piece(self, token: int, *, shows_control: bool = False) -> bytes:
        size = _MAX_PIECE_BYTES
        buffer = ctypes.create_string_buffer(size)
        num = lib.llama_token_to_piece(self._vocab, token, buffer, size, 0, shows_control)
        return buffer.raw[: max(num, 0)]

    def text(self, token: int) -> str:
        """Return the text that stands in the vocabulary for a token, control tokens included."""
        raw: bytes | None = lib.llama_vocab_get_text(self._vocab, token)
        return (raw or b"").decode(errors="replace")

    def shown(self, tokens: Rows[int]) -> str:
        """Return what tokens spell, with the names of control tokens."""
        pieces = (self._piece(token, shows_control=True) for token in tokens)
        return b"".join(pieces).decode(errors="replace")

    def is_end(self, token: int) -> bool:
        """Whether the token ends a turn."""
        return self._kind(token)[0]

    def is_control(self, token: int) -> bool:
        """Whether the token is a control token, which is never shown."""
        return self._kind(token)[1]

    def _kind(self, token: int) -> tuple[bool, bool]:
        kind = self._kinds.get(token)
        if kind is None:
            kind = self._kinds[token] = (
                bool(lib.llama_vocab_is_eog(self._vocab, token)),
                bool(lib.llama_vocab_is_control(self._vocab, token)),
            )
        return kind

    @cached_property
    def control_tokens(self) -> tuple[int, ...]:
        """The tokens that are never shown; each of them ends an answer."""
        tokens = range(self.vocabulary_size)
        return tuple(token for token in tokens if self.is_end(token) or self.is_control(token))

    @cached_property
    def control_texts(self) -> ControlTokens:
        """The tokens that only `parse_special` makes from text; reading them takes 0.1 s or so."""
        found = []
        for token in range(self.vocabulary_size):
            kind = lib.llama_vocab_get_attr(self._vocab, token)
            if kind & _MADE_BY_SPECIAL_TEXT:
                found.append(
                    ControlToken(
                        token,
                        self.text(token),
                        strips_before=bool(kind & lib.LLAMA_TOKEN_ATTR_LSTRIP),
                        strips_after=bool(kind & lib.LLAMA_TOKEN_ATTR_RSTRIP),
                    )
                )
        return ControlTokens(found)

    @cached_property
    def special_texts(self) -> dict[str, str]:
        """The texts of the tokens that templates ask for by name; empty where there is none."""
        tokens = {
            "bos_token": self.bos_token,
            "eos_token": lib.llama_vocab_eos(self._vocab),
            "pad_token": lib.llama_vocab_pad(self._vocab),
            "unk_token": -1 if self._unknown_token is None else self._unknown_token,
        }
        is_known = {name: 0 <= token < self.vocabulary_size for name, token in tokens.items()}
        return {name: self.text(token) if is_known[name] else "" for name, token in tokens.items()}

    @cached_property
    def token_bound(self) -> TokenBound | None:
        """The least number of tokens of texts; None for vocabularies that change a text first.

        Takes 0.1 s or so to make; any thread may do that.
        """
        if lib.llama_vocab_type(self._vocab) not in _LOSSLESS_VOCABULARIES:
            return None
        strips = _STRIPS & reduce(
            operator.or_,
            (lib.llama_vocab_get_attr(self._vocab, t) for t in range(self.vocabulary_size)),
        )
        return TokenBound(self.pieces(), counts_blanks=not strips)
