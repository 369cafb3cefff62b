"""Which GPU drivers this machine has, and how to install llama.cpp so that it uses them.

Does not load a driver.
"""

from __future__ import annotations

import platform
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tierchat.models.placement.hardware import nvidia_driver

_WHEELS = "https://abetlen.github.io/llama-cpp-python/whl"
_AMD = Path("/sys/module/amdgpu/version")
_VULKAN = (Path("/usr/share/vulkan/icd.d"), Path("/etc/vulkan/icd.d"))
# Mesa's Vulkan device that computes on the CPU.
_SOFTWARE = "lvp_"


@dataclass(frozen=True)
class Driver:
    """A driver, and the backends of llama.cpp that can use it, the best first."""

    name: str
    backends: tuple[str, ...]


# For each backend: the CMAKE_ARGS that build it, and the folder of ready-made wheels, if any.
_BUILDS = {
    "CUDA": ("-DGGML_CUDA=on", "cu125"),
    "Metal": ("-DGGML_METAL=on", "metal"),
    "ROCm": ("-DGGML_HIP=on", ""),
    "Vulkan": ("-DGGML_VULKAN=on", "vulkan"),
}


def gpu_drivers() -> list[Driver]:
    """List the installed drivers."""
    return list(_found())


def install_line(driver: Driver) -> str:
    """Return the command that installs llama.cpp with the best backend for a driver."""
    cmake, wheels = _BUILDS[driver.backends[0]]
    build = (
        f'CMAKE_ARGS="{cmake}" {sys.executable} -m pip install --force-reinstall '
        "--no-cache-dir --no-deps llama-cpp-python"
    )
    if not wheels:
        return build
    return f"{build}   (ready-made, where there is one: pip install --only-binary " + (
        f"llama-cpp-python --extra-index-url {_WHEELS}/{wheels} llama-cpp-python)"
    )


def _found() -> Iterator[Driver]:
    version = nvidia_driver()
    if version:
        yield Driver(f"NVIDIA {version}", ("CUDA", "Vulkan"))
    if sys.platform == "darwin" and platform.machine() == "arm64":
        yield Driver("Apple Metal", ("Metal", "MTL"))
    if _AMD.exists():
        yield Driver(f"AMD {_AMD.read_text().strip()}", ("ROCm", "Vulkan"))
    elif not version and any(_vulkan_drivers()):
        yield Driver(f"Vulkan ({', '.join(_vulkan_drivers())})", ("Vulkan",))


def _vulkan_drivers() -> list[str]:
    names = {file.stem for folder in _VULKAN for file in folder.glob("*.json")}
    return sorted(name for name in names if not name.startswith(_SOFTWARE))
