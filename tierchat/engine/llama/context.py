"""A context of llama.cpp: the KV cache that sequences share, and the decode call.

Does not know sequences, scheduling or text.
"""

from __future__ import annotations

import ctypes
from collections.abc import Sequence as Rows
from functools import cached_property
from typing import Any

import llama_cpp as lib
import numpy as np
import numpy.typing as npt

from tierchat.engine.checkpoints import State
from tierchat.engine.llama.model import MEMORY_HINT, LlamaModel
from tierchat.errors import DoesNotFit, EngineCrashed
from tierchat.types import KvType

Floats = npt.NDArray[np.float32]
_MAX_SEQUENCES = 256
_KV_TYPES: dict[KvType, int] = {"f16": lib.GGML_TYPE_F16, "q8_0": lib.GGML_TYPE_Q8_0}
NO_KV_SLOT = 1
_ABORTED = 2
_DECODE_FAILURES = {-2: "llama_decode ran out of memory"}
# Saves all but the attention cells, which stay in place.
_STATE_FLAGS = lib.LLAMA_STATE_SEQ_FLAGS_PARTIAL_ONLY
_NUM_PROBED_TOKENS = 4


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
            raise DoesNotFit(f"no memory for a context of {num_cells} tokens", MEMORY_HINT)
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


def _pointer(array: npt.NDArray[Any], kind: Any) -> Any:
    return ctypes.cast(array.ctypes.data, ctypes.POINTER(kind))
