"""What this machine taught us about its build of llama.cpp, in a small JSON file.

Does not know models or workers.

A build by GCC 11 or 12 for an Intel processor with AMX (Sapphire Rapids and later) dies of SIGILL
at the first batch of quantised weights: the compiler's `_tile_loadconfig` claims to read 8 bytes,
so the rows and columns of ggml's tiles are dropped as dead stores (llama.cpp pull request 26954).
Such a build works without llama.cpp's extra buffer types, which repack weights for these kernels.
"""

from __future__ import annotations

import contextlib
import re
import sys
from pathlib import Path

import msgspec

from tierchat.atomic_file import write_quietly
from tierchat.models.placement.hardware import llama_cpp_libraries


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
    """Name the installed build of llama.cpp by its CPU libraries; empty if there are none."""
    stats = [library.stat() for library in _cpu_libraries()]
    names = {f"{stat.st_size}@{stat.st_mtime_ns}" for stat in stats}
    return " ".join(sorted(names))


def compiler_of_build() -> str:
    """Name the compiler of the installed llama.cpp, such as GCC 12.2.0; empty if unknown."""
    for library in _cpu_libraries():
        if found := re.search(rb"GCC: \([^)]*\) (\d[\d.]*)", library.read_bytes()):
            return f"GCC {found[1].decode()}"
    return ""


def rebuild_line() -> str:
    """Give the command that builds the installed llama.cpp again, without the trap."""
    # Only doctor needs it; importing it takes longer than reading machine.json ever does.
    from importlib import metadata

    package = "llama-cpp-python"
    with contextlib.suppress(metadata.PackageNotFoundError):
        package = f"{package}=={metadata.version(package)}"
    return (
        f'CXXFLAGS="-fno-tree-dse -fno-dse" {sys.executable} -m pip install --force-reinstall '
        f"--no-cache-dir --no-deps --no-binary llama-cpp-python {package}"
    )


def _cpu_libraries() -> list[Path]:
    return [path for path in llama_cpp_libraries() if "ggml-cpu" in path.name]
