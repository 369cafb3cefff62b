"""The seam to llama.cpp: model and context over its low-level C API.

Does not know sequences, scheduling or text rules. Beside `sampler.py`, no other file imports
`llama_cpp`.
"""

from __future__ import annotations

import ctypes
import operator
import os
import re
from collections import deque
from collections.abc import Callable
from collections.abc import Sequence as Rows
from functools import cached_property, reduce
from pathlib import Path
from typing import Any

import llama_cpp as lib
import numpy as np
import numpy.typing as npt

from tierchat.engine.checkpoints import State
from tierchat.engine.control_tokens import ControlToken, ControlTokens
from tierchat.engine.token_bound import TokenBound
from tierchat.errors import (
    DoesNotFit,
    EngineCrashed,
    ModelCorrupt,
    ModelMissing,
    says_out_of_memory,
)
from tierchat.types import KvType

Floats = npt.NDArray[np.float32]
_LOG_ERROR = 4
_MAX_PIECE_BYTES = 512
_MAX_KEY_BYTES = 512
_MAX_TEXT_VALUE = 1 << 20
_MAX_SEQUENCES = 256
_KV_TYPES: dict[KvType, int] = {"f16": lib.GGML_TYPE_F16, "q8_0": lib.GGML_TYPE_Q8_0}
# Tokens that llama.cpp makes from their text only where `parse_special` is set.
_MADE_BY_SPECIAL_TEXT = lib.LLAMA_TOKEN_ATTR_CONTROL | lib.LLAMA_TOKEN_ATTR_UNKNOWN
NO_KV_SLOT = 1
# Their tokens spell every byte of a text; those of other kinds lower case, or drop accents.
_LOSSLESS_VOCABULARIES = (lib.LLAMA_VOCAB_TYPE_SPM, lib.LLAMA_VOCAB_TYPE_BPE)
# Tokens that swallow the blanks beside them.
_STRIPS = lib.LLAMA_TOKEN_ATTR_LSTRIP | lib.LLAMA_TOKEN_ATTR_RSTRIP
_ABORTED = 2
_DECODE_FAILURES = {-2: "llama_decode ran out of memory"}
_DAMAGED = "the file is damaged or incomplete; fetch it again"
# What llama.cpp says of models that were published after it.
_UNKNOWN = re.compile(r"unknown (?:model architecture|pre-tokenizer|tokenizer)|invalid ggml type")
_TOO_NEW = (
    "this llama.cpp does not know such models, which are newer: "
    "`pip install -U llama-cpp-python`, then try again"
)
_MEMORY_HINT = 'set a smaller `context`, or `kv_type = "q8_0"`, for this model in models.toml'
# Saves all but the attention cells, which stay in place.
_STATE_FLAGS = lib.LLAMA_STATE_SEQ_FLAGS_PARTIAL_ONLY
_NUM_PROBED_TOKENS = 4


class LlamaLog:
    """Keeps the last error lines of llama.cpp, whose functions only return that they failed.

    The callback is process-wide: a later LlamaLog gets the lines instead of an earlier one.
    """

    def __init__(self) -> None:
        self._lines: deque[str] = deque(maxlen=8)
        callback = lib.llama_log_callback(self._receive)
        # llama.cpp keeps the pointer until the process ends, so the callback must never be freed.
        ctypes.pythonapi.Py_IncRef(ctypes.py_object(callback))
        lib.llama_log_set(callback, ctypes.c_void_p(0))

    def _receive(self, level: int, text: bytes, _data: object) -> None:
        if level == _LOG_ERROR:
            self._lines.append(text.decode(errors="replace").strip())

    @property
    def last_errors(self) -> str:
        return "; ".join(line for line in self._lines if line)


class LlamaModel:
    """One loaded GGUF: weights, vocabulary and metadata. Owned by one thread."""

    def __init__(
        self,
        path: Path,
        log: LlamaLog,
        *,
        gpu_layers: int = -1,
        gpu_shares: Rows[float] = (),
        use_extra_buffer_types: bool = True,
        on_progress: Callable[[float], None] | None = None,
    ) -> None:
        """Load `path`; raises ModelMissing, DoesNotFit or ModelCorrupt.

        A bad file may abort the process. `on_progress` gets the share of the weights read so far,
        0..1. `gpu_shares` divides the offloaded layers between GPUs.
        """
        if not path.is_file():
            raise ModelMissing(f"no model file at {path}", "check the path in models.toml")
        lib.llama_backend_init()
        params = lib.llama_model_default_params()
        params.n_gpu_layers = gpu_layers
        params.use_extra_bufts = use_extra_buffer_types
        # If the file were mapped, weights that kernels need in another order would be in memory
        # twice, and a file that shrinks would end this process.
        params.load_mode = lib.LLAMA_LOAD_MODE_NONE
        if gpu_layers:
            _divide(params, gpu_shares)
        else:
            # Otherwise llama.cpp opens every GPU all the same, and computes long prompts there.
            no_devices = (ctypes.c_void_p * 1)(None)
            params.devices = ctypes.addressof(no_devices)
        if on_progress:
            params.progress_callback = _progress_callback(on_progress)
        self._model: Any = lib.llama_model_load_from_file(os.fsencode(path), params)
        if not self._model:
            if says_out_of_memory(log.last_errors):
                raise DoesNotFit(f"no memory for {path.name}: {log.last_errors}", _MEMORY_HINT)
            raise ModelCorrupt(
                f"{path} does not load: {log.last_errors or 'llama.cpp gave no reason'}",
                _TOO_NEW if _UNKNOWN.search(log.last_errors) else _DAMAGED,
            )
        self._vocab: Any = lib.llama_model_get_vocab(self._model)
        self.vocabulary_size: int = lib.llama_vocab_n_tokens(self._vocab)
        self.trained_context: int = lib.llama_model_n_ctx_train(self._model)
        self.hidden_size: int = lib.llama_model_n_embd(self._model)
        self.head_size: int = self.hidden_size // max(1, lib.llama_model_n_head(self._model))
        self.num_parameters: int = lib.llama_model_n_params(self._model)
        self.is_hybrid: bool = lib.llama_model_is_hybrid(self._model)
        self.is_recurrent: bool = lib.llama_model_is_recurrent(self._model)
        self.size_bytes: int = lib.llama_model_size(self._model)
        self.adds_bos: bool = lib.llama_vocab_get_add_bos(self._vocab)
        self.bos_token: int = lib.llama_vocab_bos(self._vocab)
        self._pieces: dict[int, bytes] = {}
        self._kinds: dict[int, tuple[bool, bool]] = {}

    @property
    def handle(self) -> Any:
        """llama.cpp's pointer, for `LlamaContext` alone."""
        return self._model

    @property
    def vocab(self) -> Any:
        """llama.cpp's vocabulary pointer, for `Sampler` alone."""
        return self._vocab

    def metadata(self, key: str) -> str | None:
        """Return one GGUF value as text, or None."""
        size = _MAX_PIECE_BYTES
        while size <= _MAX_TEXT_VALUE:
            buffer = ctypes.create_string_buffer(size)
            needed = lib.llama_model_meta_val_str(self._model, key.encode(), buffer, size)
            if needed < 0:
                return None
            if needed < size:
                return buffer.value.decode(errors="replace")
            size = needed + 1
        raise ModelCorrupt(f"the GGUF value {key} is longer than {_MAX_TEXT_VALUE} bytes")

    def metadata_keys(self) -> list[str]:
        """Return the keys of all GGUF values, in the order of the file."""
        buffer = ctypes.create_string_buffer(_MAX_KEY_BYTES)
        found = []
        for index in range(lib.llama_model_meta_count(self._model)):
            lib.llama_model_meta_key_by_index(self._model, index, buffer, _MAX_KEY_BYTES)
            found.append(buffer.value.decode(errors="replace"))
        return found

    def tokenize(self, text: str, *, parse_special: bool) -> list[int]:
        """Turn text into token ids; only for the text of a template may `parse_special` be set."""
        raw = text.encode("utf-8", "replace")
        room = len(raw) + 8
        tokens = (lib.llama_token * room)()
        num = lib.llama_tokenize(self._vocab, raw, len(raw), tokens, room, False, parse_special)
        if num < 0:
            raise EngineCrashed(f"llama.cpp could not tokenise {len(raw)} bytes of text")
        return list(tokens[:num])

    def piece(self, token: int) -> bytes:
        """Return the bytes of one token; a control token has none."""
        found = self._pieces.get(token)
        if found is None:
            found = self._pieces[token] = self._piece(token)
        return found

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

    def is_end(self, token: int) -> bool:
        """Whether the token ends a turn."""
        return self._kind(token)[0]

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

    def text(self, token: int) -> str:
        """Return the text that stands in the vocabulary for a token, control tokens included."""
        raw: bytes | None = lib.llama_vocab_get_text(self._vocab, token)
        return (raw or b"").decode(errors="replace")

    def shown(self, tokens: Rows[int]) -> str:
        """Return what tokens spell, with the names of control tokens."""
        pieces = (self._piece(token, shows_control=True) for token in tokens)
        return b"".join(pieces).decode(errors="replace")

    @cached_property
    def special_texts(self) -> dict[str, str]:
        """The texts of the tokens that templates ask for by name; empty where there is none."""
        unknown = self.metadata("tokenizer.ggml.unknown_token_id") or ""
        tokens = {
            "bos_token": self.bos_token,
            "eos_token": lib.llama_vocab_eos(self._vocab),
            "pad_token": lib.llama_vocab_pad(self._vocab),
            "unk_token": int(unknown) if unknown.isdecimal() else -1,
        }
        is_known = {name: 0 <= token < self.vocabulary_size for name, token in tokens.items()}
        return {name: self.text(token) if is_known[name] else "" for name, token in tokens.items()}

    @cached_property
    def control_tokens(self) -> tuple[int, ...]:
        """The tokens that are never shown; each of them ends an answer."""
        tokens = range(self.vocabulary_size)
        return tuple(token for token in tokens if self.is_end(token) or self.is_control(token))

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

    def close(self) -> None:
        """Free the weights; all contexts must be closed before."""
        if self._model:
            lib.llama_model_free(self._model)
            self._model = None


class Interrupted(Exception):
    """A decode was ended before it was done, by `LlamaContext.interrupt`."""


class LlamaContext:
    """A KV cache that many sequences share, and the decode call. Owned by the engine thread."""

    def __init__(
        self,
        model: LlamaModel,
        *,
        num_cells: int,
        batch_size: int,
        max_sequences: int,
        num_threads: int,
        kv_type: KvType = "f16",
        max_outputs: int = 0,
    ) -> None:
        if not 0 < max_sequences <= _MAX_SEQUENCES:
            raise ValueError(f"max_sequences must be 1..{_MAX_SEQUENCES}, got {max_sequences}")
        params = lib.llama_context_default_params()
        params.n_ctx = num_cells
        params.n_batch = params.n_ubatch = batch_size
        params.n_seq_max = max_sequences
        params.n_outputs_max = max_outputs
        params.kv_unified = True
        params.type_k = params.type_v = _KV_TYPES[kv_type]
        params.n_threads = params.n_threads_batch = num_threads
        params.no_perf = True
        params.pooling_type = lib.LLAMA_POOLING_TYPE_NONE
        # llama.cpp asks between all operations of a decode on the CPU whether to go on. `strlen` of
        # this text answers, because Python would take longer than many of these operations.
        self._stop_sign = ctypes.create_string_buffer(2)
        params.abort_callback = ctypes.cast(ctypes.CDLL(None).strlen, lib.ggml_abort_callback)
        params.abort_callback_data = ctypes.cast(self._stop_sign, ctypes.c_void_p)
        self._context: Any = lib.llama_init_from_model(model.handle, params)
        if not self._context:
            raise DoesNotFit(f"no memory for a context of {num_cells} tokens", _MEMORY_HINT)
        self._memory: Any = lib.llama_get_memory(self._context)
        self._vocabulary_size = model.vocabulary_size
        self._hidden_size = model.hidden_size
        self._is_recurrent = model.is_recurrent or model.is_hybrid
        self.num_cells: int = lib.llama_n_ctx(self._context)
        self.batch_size = batch_size
        self._num_threads = num_threads
        self._allocate_batch(batch_size)

    def _allocate_batch(self, size: int) -> None:
        # The arrays belong to numpy, so a batch is filled without a Python loop over its tokens.
        self._tokens = np.zeros(size, np.int32)
        self._positions = np.zeros(size, np.int32)
        self._slots = np.zeros(size, np.int32)
        self._outputs = np.zeros(size, np.int8)
        self._ones = np.ones(size, np.int32)
        start = self._slots.ctypes.data
        self._slot_pointers = (start + 4 * np.arange(size)).astype(np.uintp)
        self._batch = lib.llama_batch(
            n_tokens=0,
            token=_pointer(self._tokens, lib.llama_token),
            embd=None,
            pos=_pointer(self._positions, lib.llama_pos),
            n_seq_id=_pointer(self._ones, ctypes.c_int32),
            seq_id=ctypes.cast(
                self._slot_pointers.ctypes.data,
                ctypes.POINTER(ctypes.POINTER(lib.llama_seq_id)),
            ),
            logits=_pointer(self._outputs, ctypes.c_int8),
        )

    def set_threads(self, num_threads: int) -> None:
        """Compute with so many threads from the next decode on; costs nothing."""
        if num_threads != self._num_threads:
            lib.llama_set_n_threads(self._context, num_threads, num_threads)
            self._num_threads = num_threads

    def decode(
        self,
        tokens: Rows[int],
        positions: Rows[int],
        slots: Rows[int],
        outputs: Rows[bool],
        *,
        wants_hidden_state: bool = False,
    ) -> bool:
        """Run one batch; False when the KV cache has no room.

        Raises Interrupted, after which the memory is as it was before where it can roll back, and
        EngineCrashed on failure.
        """
        num = len(tokens)
        self._tokens[:num] = tokens
        self._positions[:num] = positions
        self._slots[:num] = slots
        self._outputs[:num] = outputs
        self._batch.n_tokens = num
        if wants_hidden_state:
            lib.llama_set_embeddings(self._context, True)
        status = lib.llama_decode(self._context, self._batch)
        if wants_hidden_state:
            lib.llama_set_embeddings(self._context, False)
        if status == _ABORTED:
            raise Interrupted
        if status not in (0, NO_KV_SLOT):
            raise EngineCrashed(_DECODE_FAILURES.get(status) or f"llama_decode failed: {status}")
        return bool(status == 0)

    def interrupt(self) -> None:
        """End the decode under way, and every later one until `go_on`; any thread may call this."""
        self._stop_sign[0] = b"!"

    def go_on(self) -> None:
        """Let decodes run to their end again."""
        self._stop_sign[0] = b"\0"

    @property
    def handle(self) -> Any:
        """llama.cpp's pointer, for `Sampler` alone."""
        return self._context

    def logits(self, row: int) -> Floats:
        """View the logits of batch row `row`, shape (vocabulary,), valid until the next decode."""
        pointer = lib.llama_get_logits_ith(self._context, row)
        return np.ctypeslib.as_array(pointer, (self._vocabulary_size,))

    def logit(self, row: int, token: int) -> float:
        """Return one logit of batch row `row`."""
        return float(lib.llama_get_logits_ith(self._context, row)[token])

    def hidden_state(self, row: int) -> Floats:
        """Copy the final normalised hidden state of batch row `row`, shape (hidden,)."""
        pointer = lib.llama_get_embeddings_ith(self._context, row)
        return np.ctypeslib.as_array(pointer, (self._hidden_size,)).copy()

    @cached_property
    def can_roll_back(self) -> bool:
        """Whether sequences can forget their end: tried out, so read it first with empty memory."""
        num = min(_NUM_PROBED_TOKENS, self.batch_size)
        self.decode([0] * num, range(num), [0] * num, [False] * num)
        was_rolled_back = self.forget(0, 1)
        self.forget(0, 0)
        # A recurrent memory may go back a few tokens, to its own snapshots, but not to any token.
        return was_rolled_back and not self._is_recurrent

    def forget(self, slot: int, start: int) -> bool:
        """Drop the cells of `slot` from position `start` on; False if the memory cannot."""
        return bool(lib.llama_memory_seq_rm(self._memory, slot, start, -1))

    def share(self, source: int, target: int, num_tokens: int) -> None:
        """Let `target` see the first `num_tokens` cells of `source`, without a copy.

        Where the memory cannot roll back, these are all cells and the state after the last one.
        """
        end = num_tokens if self.can_roll_back else -1
        lib.llama_memory_seq_cp(self._memory, source, target, 0, end)

    def save_state(self, slot: int) -> State:
        """Return a copy of the memory of `slot` without its attention cells."""
        size = lib.llama_state_seq_get_size_ext(self._context, slot, _STATE_FLAGS)
        state = np.empty(size, np.uint8)
        data = _pointer(state, ctypes.c_uint8)
        if lib.llama_state_seq_get_data_ext(self._context, data, size, slot, _STATE_FLAGS) != size:
            raise EngineCrashed(f"llama.cpp did not save a state of {size} bytes")
        return state

    def restore_state(self, slot: int, state: State) -> bool:
        """Put a saved state back; False on failure. The caller then forgets the cells after it."""
        data, size = _pointer(state, ctypes.c_uint8), state.size
        done = lib.llama_state_seq_set_data_ext(self._context, data, size, slot, _STATE_FLAGS)
        return bool(done == size)

    def close(self) -> None:
        """Free the KV cache and compute buffers."""
        if self._context:
            lib.llama_free(self._context)
            self._context = None


def _progress_callback(report: Callable[[float], None]) -> Any:
    def call(share: float, _data: object) -> bool:
        report(share)
        # False would end the loading.
        return True

    return lib.llama_progress_callback(call)


def _divide(params: Any, shares: Rows[float]) -> None:
    """Set which GPU takes which share of the layers."""
    used = [gpu for gpu, share in enumerate(shares) if share]
    if len(used) == 1:
        # This mode does not even open the other GPUs.
        params.split_mode, params.main_gpu = lib.LLAMA_SPLIT_MODE_NONE, used[0]
    elif used:
        params.split_mode = lib.LLAMA_SPLIT_MODE_LAYER
        padded = (ctypes.c_float * lib.llama_max_devices())(*shares)
        params.tensor_split = padded


def ggml() -> ctypes.CDLL:
    """Initialise the backends and return the library, for functions the bindings leave out."""
    lib.llama_backend_init()
    library: ctypes.CDLL = lib.llama_cpp._lib
    return library


def can_offload() -> bool:
    """Whether the installed llama.cpp was built with a GPU backend."""
    return bool(lib.llama_supports_gpu_offload())


def _pointer(array: npt.NDArray[Any], kind: Any) -> Any:
    return ctypes.cast(array.ctypes.data, ctypes.POINTER(kind))
