"""What this machine taught us about its build of llama.cpp, in a small JSON file.

Does not know models or workers.

A build by GCC 11 or 12 for an Intel processor with AMX (Sapphire Rapids and later) dies of SIGILL
at the first batch of quantised weights: the compiler's `_tile_loadconfig` claims to read 8 bytes,
so the rows and columns of ggml's tiles are dropped as dead stores (llama.cpp pull request 26954).
Such a build works without llama.cpp's extra buffer types, which repack weights for these kernels.
"""

from __future__ import annotations

import importlib.util
from pathlib import Path

import msgspec

from tierchat.atomic_file import write_quietly

# Builds llama.cpp again without the trap, and with kernels up to four times as fast.
REBUILD = (
    'CXXFLAGS="-fno-tree-dse -fno-dse" '
    "pip install --force-reinstall --no-deps --no-cache-dir llama-cpp-python"
)


class _Known(msgspec.Struct):
    """`llama_cpp` is the build of which this was learned."""

    uses_extra_buffer_types: bool = True
    llama_cpp: str = ""


class MachineQuirks:
    """What workers have to leave out here; another build of llama.cpp begins with no quirks."""

    def __init__(self, path: Path) -> None:
        self._path = path

    @property
    def uses_extra_buffer_types(self) -> bool:
        """False once a worker of this build has died of the kernels behind them."""
        try:
            known = msgspec.json.decode(self._path.read_bytes(), type=_Known)
        except (OSError, ValueError):
            return True
        return known.uses_extra_buffer_types or known.llama_cpp != installed_build()

    def forbid_extra_buffer_types(self) -> None:
        """Remember the choice for every later start of this build."""
        known = _Known(uses_extra_buffer_types=False, llama_cpp=installed_build())
        write_quietly(self._path, msgspec.json.encode(known))


def installed_build() -> str:
    """Name the installed build of llama.cpp by its CPU libraries; empty if there are none.

    Does not import llama_cpp, which a broken build would not survive.
    """
    package = importlib.util.find_spec("llama_cpp")
    if package is None or package.origin is None:
        return ""
    libraries = (Path(package.origin).parent / "lib").glob("*ggml-cpu*")
    stats = {(stat.st_size, stat.st_mtime_ns) for stat in (file.stat() for file in libraries)}
    return " ".join(f"{size}@{time_ns}" for size, time_ns in sorted(stats))
