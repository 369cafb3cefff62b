"""One loaded GGUF: its weights, its metadata, and the vocabulary that it is read and written in.

Does not know contexts or sequences.
"""

from __future__ import annotations

import ctypes
import os
import re
from collections.abc import Callable
from collections.abc import Sequence as Rows
from pathlib import Path
from typing import Any

import llama_cpp as lib

from tierchat.engine.llama.log import LlamaLog
from tierchat.engine.llama.vocabulary import Vocabulary
from tierchat.errors import DoesNotFit, ModelCorrupt, ModelMissing, says_out_of_memory

_MAX_TEXT_BYTES = 512
_MAX_KEY_BYTES = 512
_MAX_TEXT_VALUE = 1 << 20
_DAMAGED = "the file is damaged or incomplete; fetch it again"
# What llama.cpp says of models that were published after it.
_UNKNOWN = re.compile(r"unknown (?:model architecture|pre-tokenizer|tokenizer)|invalid ggml type")
_TOO_NEW = (
    "this llama.cpp does not know such models, which are newer: "
    "`pip install -U llama-cpp-python`, then try again"
)
MEMORY_HINT = 'set a smaller `context`, or `kv_type = "q8_0"`, for this model in models.toml'


class LlamaModel(Vocabulary):
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
                raise DoesNotFit(f"no memory for {path.name}: {log.last_errors}", MEMORY_HINT)
            raise ModelCorrupt(
                f"{path} does not load: {log.last_errors or 'llama.cpp gave no reason'}",
                _TOO_NEW if _UNKNOWN.search(log.last_errors) else _DAMAGED,
            )
        unknown = self.metadata("tokenizer.ggml.unknown_token_id") or ""
        super().__init__(
            lib.llama_model_get_vocab(self._model), int(unknown) if unknown.isdecimal() else None
        )
        self.trained_context: int = lib.llama_model_n_ctx_train(self._model)
        self.hidden_size: int = lib.llama_model_n_embd(self._model)
        self.head_size: int = self.hidden_size // max(1, lib.llama_model_n_head(self._model))
        self.num_parameters: int = lib.llama_model_n_params(self._model)
        self.is_hybrid: bool = lib.llama_model_is_hybrid(self._model)
        self.is_recurrent: bool = lib.llama_model_is_recurrent(self._model)
        self.size_bytes: int = lib.llama_model_size(self._model)

    @property
    def handle(self) -> Any:
        """llama.cpp's pointer, for `LlamaContext` alone."""
        return self._model

    def metadata(self, key: str) -> str | None:
        """Return one GGUF value as text, or None."""
        size = _MAX_TEXT_BYTES
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

    def close(self) -> None:
        """Free the weights; all contexts must be closed before."""
        if self._model:
            lib.llama_model_free(self._model)
            self._model = None


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
