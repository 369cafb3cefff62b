"""The devices that llama.cpp can use, with their free memory.

`python -m tierchat.engine.devices` prints them as a JSON list. Does not know models.
"""

from __future__ import annotations

import ctypes
from typing import Any

import msgspec

from tierchat.engine.llama.library import ggml
from tierchat.types import DeviceInfo

_CPU, _GPU, _INTEGRATED_GPU = 0, 1, 2


def devices() -> tuple[DeviceInfo, ...]:
    """List the GPUs, numbered as llama.cpp numbers them, and the CPU, with their current sizes."""
    library = _typed(ggml())
    listed = (_device(library, index) for index in range(library.ggml_backend_dev_count()))
    return tuple(device for device in listed if device)


def gpu_free_bytes() -> int:
    """Return the free memory of all GPUs together."""
    return sum(device.free_bytes for device in devices() if device.kind == "gpu")


def _device(library: Any, index: int) -> DeviceInfo | None:
    handle = library.ggml_backend_dev_get(index)
    kind = library.ggml_backend_dev_type(handle)
    if kind not in (_CPU, _GPU, _INTEGRATED_GPU):
        return None
    free, total = ctypes.c_size_t(), ctypes.c_size_t()
    library.ggml_backend_dev_memory(handle, ctypes.byref(free), ctypes.byref(total))
    registered = library.ggml_backend_dev_backend_reg(handle)
    return DeviceInfo(
        name=_text(library.ggml_backend_dev_name(handle)),
        description=_text(library.ggml_backend_dev_description(handle)),
        kind="cpu" if kind == _CPU else "gpu",
        backend=_text(library.ggml_backend_reg_name(registered)),
        total_bytes=total.value,
        free_bytes=free.value,
    )


def _text(raw: bytes | None) -> str:
    return (raw or b"").decode(errors="replace")


def _typed(library: Any) -> Any:
    pointer, text, size = ctypes.c_void_p, ctypes.c_char_p, ctypes.c_size_t
    sizes = ctypes.POINTER(ctypes.c_size_t)
    for name, result, arguments in (
        ("ggml_backend_dev_count", size, ()),
        ("ggml_backend_dev_get", pointer, (size,)),
        ("ggml_backend_dev_type", ctypes.c_int, (pointer,)),
        ("ggml_backend_dev_name", text, (pointer,)),
        ("ggml_backend_dev_description", text, (pointer,)),
        ("ggml_backend_dev_memory", None, (pointer, sizes, sizes)),
        ("ggml_backend_dev_backend_reg", pointer, (pointer,)),
        ("ggml_backend_reg_name", text, (pointer,)),
    ):
        function = getattr(library, name)
        function.restype, function.argtypes = result, arguments
    return library


if __name__ == "__main__":
    print(msgspec.json.encode(devices()).decode())
