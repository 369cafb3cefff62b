"""A build of llama.cpp whose AMX kernels trap: processes with this folder on PYTHONPATH have one.

Every engine that loaded quantised weights with llama.cpp's extra buffer types dies of SIGILL at
its first batch of more than one token, as it does on an Intel Sapphire Rapids under a build by
GCC 12. With TRAPS_ALWAYS set, weights that are not quantised trap, too.
"""

from __future__ import annotations

import importlib.machinery
import os
import signal
import sys
from types import ModuleType

_PLAIN_FILE_TYPES = {"0", "1"}


def _make_trap(engine: ModuleType) -> None:
    step = engine.Engine.step

    def trapping_step(self):  # type: ignore[no-untyped-def]
        is_plain = self.model.metadata("general.file_type") in _PLAIN_FILE_TYPES
        if self.model.uses_extra_buffer_types and ("TRAPS_ALWAYS" in os.environ or not is_plain):
            os.kill(os.getpid(), signal.SIGILL)
        return step(self)

    engine.Engine.step = trapping_step


def _remember_how_it_was_loaded(llama: ModuleType) -> None:
    init = llama.LlamaModel.__init__

    def remembering_init(self, *args, use_extra_buffer_types=True, **others):  # type: ignore[no-untyped-def]
        self.uses_extra_buffer_types = use_extra_buffer_types
        init(self, *args, use_extra_buffer_types=use_extra_buffer_types, **others)

    llama.LlamaModel.__init__ = remembering_init


_CHANGES = {
    "tierchat.engine.engine": _make_trap,
    "tierchat.engine.llama.model": _remember_how_it_was_loaded,
}


class _ChangesAfterImport:
    """Changes our two modules when they have been imported; imports nothing by itself."""

    def find_spec(self, name, path=None, target=None):  # type: ignore[no-untyped-def]
        if name not in _CHANGES:
            return None
        spec = importlib.machinery.PathFinder.find_spec(name, path)
        if spec is None or spec.loader is None:
            return None
        execute = spec.loader.exec_module

        def execute_and_change(module: ModuleType) -> None:
            execute(module)
            _CHANGES[name](module)

        spec.loader.exec_module = execute_and_change  # type: ignore[method-assign]
        return spec


sys.meta_path.insert(0, _ChangesAfterImport())
