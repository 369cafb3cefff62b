"""What llama.cpp says of its failures.

Does not know models: the lines are those of the whole process.
"""

from __future__ import annotations

import ctypes
from collections import deque

import llama_cpp as lib

_LOG_ERROR = 4


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
