"""The vocabulary of a GGUF: whether llama.cpp accepts it, and a fingerprint of its token table.

Does not know files or tensors. Raises ModelCorrupt with the broken rule.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass

from tierchat.errors import ModelCorrupt
from tierchat.models.gguf.reader import FETCH_AGAIN, TEXT, Number, RawArray

_PREFIX = "tokenizer.ggml."
# Four times the largest published vocabulary.
_MAX_TOKENS = 1 << 20
_I32, _F32 = 5, 6
_NO_VOCABULARY = (b"no_vocab", b"none")
# The tokens that begin or end a turn. llama.cpp ignores other special ids outside the vocabulary,
# which some published files have.
_NEEDED_IDS = tuple(f"{_PREFIX}{name}_token_id" for name in ("bos", "eos", "eot", "eom"))
ESCALATE_ID = "tierchat.escalate_token_id"
_NO_TOKEN = 0xFFFFFFFF

Raw = Mapping[str, Number | bytes | RawArray]


@dataclass(frozen=True)
class Vocabulary:
    """The number of tokens, and a hash of everything that turns text into tokens."""

    size: int
    sha256: str


def check_vocabulary(values: Raw) -> Vocabulary:
    """Check llama.cpp's rules for vocabularies; when some are broken, its process aborts."""
    tokens = _array(values, "tokens", (TEXT,), "a list of texts")
    model = values.get(f"{_PREFIX}model")
    if tokens is None or not tokens.length or not model or model in _NO_VOCABULARY:
        raise ModelCorrupt("it has no vocabulary", "use a GGUF of a whole language model")
    if tokens.length > _MAX_TOKENS:
        raise ModelCorrupt(
            f"its vocabulary has {tokens.length:,} tokens; at most {_MAX_TOKENS:,} are read",
            FETCH_AGAIN,
        )
    _array(values, "merges", (TEXT,), "a list of texts")
    for name, kinds in (("token_type", (_I32,)), ("scores", (_F32, _I32))):
        found = _array(values, name, kinds, "a list of numbers of the right kind")
        if found and found.length != tokens.length:
            raise ModelCorrupt(
                f"{_PREFIX}{name} has {found.length:,} entries for {tokens.length:,} tokens",
                FETCH_AGAIN,
            )
    _check_tokens(tokens)
    _check_special_ids(values, tokens.length)
    return Vocabulary(tokens.length, _fingerprint(values))


def _array(values: Raw, name: str, kinds: tuple[int, ...], what: str) -> RawArray | None:
    value = values.get(_PREFIX + name)
    if value is None or (isinstance(value, RawArray) and value.kind in kinds):
        return value
    raise ModelCorrupt(f"{_PREFIX}{name} is not {what}", FETCH_AGAIN)


def _check_tokens(tokens: RawArray) -> None:
    texts = tokens.texts()
    if b"" in texts:
        # llama.cpp names empty tokens like this; another token may have that name already.
        texts = [text or b"[EMPTY_%d]" % index for index, text in enumerate(texts)]
    if len(set(texts)) == len(texts):
        return
    seen: set[bytes] = set()
    for index, text in enumerate(texts):
        if text in seen:
            shown = text[:40].decode(errors="replace")
            raise ModelCorrupt(
                f"token {index:,} of its vocabulary, {shown!r}, is there twice", FETCH_AGAIN
            )
        seen.add(text)


def _check_special_ids(values: Raw, num_tokens: int) -> None:
    for key in (*_NEEDED_IDS, ESCALATE_ID):
        value = values.get(key)
        if value is None or (value == _NO_TOKEN and key != ESCALATE_ID):
            continue
        if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < num_tokens:
            shown = repr(value) if isinstance(value, int | float) else "no number"
            raise ModelCorrupt(
                f"{key} is {shown}, outside the vocabulary of {num_tokens:,} tokens", FETCH_AGAIN
            )


def _fingerprint(values: Raw) -> str:
    """Hash tokens, types, merges, special ids and switches, in a fixed order."""
    # Byte-pair vocabularies have no scores, or meaningless ones.
    arrays = ["tokens", "token_type", "merges"]
    if values[f"{_PREFIX}model"] != b"gpt2":
        arrays.append("scores")
    digest = hashlib.sha256()
    for key in sorted(values):
        value = values[key]
        if not key.startswith(_PREFIX):
            continue
        if not isinstance(value, RawArray):
            digest.update(f"{key}={value!r}\n".encode())
        elif key.removeprefix(_PREFIX) in arrays:
            digest.update(f"{key}={value.kind} {value.length} {len(value.data)}\n".encode())
            digest.update(value.data)
    return digest.hexdigest()
