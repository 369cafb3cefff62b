"""The installed llama.cpp itself: its backends, and its functions that the bindings leave out.

Does not know models.
"""

from __future__ import annotations

import ctypes

import llama_cpp as lib


def ggml() -> ctypes.CDLL:
    """Initialise the backends and return the library, for functions the bindings leave out."""
    lib.llama_backend_init()
    library: ctypes.CDLL = lib.llama_cpp._lib
    return library


def can_offload() -> bool:
    """Whether the installed llama.cpp was built with a GPU backend."""
    return bool(lib.llama_supports_gpu_offload())
