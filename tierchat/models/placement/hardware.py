"""The hardware of this machine: GPUs as llama.cpp lists them, memory, cores.

Does not know models. A child process asks llama.cpp, so that a broken driver cannot end ours.
"""

from __future__ import annotations

import importlib.util
import os
import re
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

import msgspec

from tierchat.errors import EngineCrashed
from tierchat.types import DeviceInfo, Frozen

_TIMEOUT_S = 60
_COMMAND = (sys.executable, "-m", "tierchat.engine.devices")
_CGROUP_LIMITS = ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes")
_CGROUP_USAGE = ("/sys/fs/cgroup/memory.current", "/sys/fs/cgroup/memory/memory.usage_in_bytes")
_CGROUP_STAT = ("/sys/fs/cgroup/memory.stat", "/sys/fs/cgroup/memory/memory.stat")
_CGROUP_CPU = Path("/sys/fs/cgroup/cpu.max")
_SIBLINGS = "/sys/devices/system/cpu/cpu{}/topology/thread_siblings_list"
_NVIDIA = Path("/proc/driver/nvidia/version")
_PAGE_BYTES = 4096


class Machine(Frozen, frozen=True):
    """GPUs, RAM in bytes, and usable cores (the hyper-threads of one core count once)."""

    gpus: tuple[DeviceInfo, ...] = ()
    ram_total_bytes: int = 0
    ram_free_bytes: int = 0
    num_cores: int = 1
    backends: tuple[str, ...] = ()


def look() -> Machine:
    """Measure the machine now; raises EngineCrashed when llama.cpp cannot list devices."""
    devices = list_devices() if has_gpu_library() else ()
    total, free = ram()
    return Machine(
        gpus=tuple(device for device in devices if device.kind == "gpu"),
        ram_total_bytes=total,
        ram_free_bytes=free,
        num_cores=num_cores(),
        backends=tuple(dict.fromkeys(device.backend for device in devices)) or ("CPU",),
    )


def has_gpu_library() -> bool:
    """Whether llama.cpp was installed with a library for GPUs."""
    names = [path.name for path in llama_cpp_libraries()]
    return any(not re.search("ggml-(base|cpu|blas)", name) for name in names)


def llama_cpp_libraries() -> list[Path]:
    """List the ggml libraries of the installed llama.cpp, without loading one."""
    # The package is found, not imported: a broken build would end this process.
    package = importlib.util.find_spec("llama_cpp")
    if package is None or package.origin is None:
        return []
    return sorted((Path(package.origin).parent / "lib").glob("*ggml-*"))


def list_devices() -> tuple[DeviceInfo, ...]:
    """Ask llama.cpp, in a child process, for its devices and their free memory.

    Raises EngineCrashed.
    """
    try:
        found = subprocess.run(
            _COMMAND, capture_output=True, timeout=_TIMEOUT_S, check=True, stdin=subprocess.DEVNULL
        )
        return msgspec.json.decode(found.stdout, type=tuple[DeviceInfo, ...])
    except subprocess.TimeoutExpired as error:
        raise EngineCrashed(
            f"llama.cpp did not list its devices within {_TIMEOUT_S} s", "is the driver stuck?"
        ) from error
    except subprocess.CalledProcessError as error:
        last = error.stderr.decode(errors="replace").strip().splitlines()[-1:]
        raise EngineCrashed(
            f"llama.cpp does not load: {''.join(last) or f'exit code {error.returncode}'}",
            "reinstall llama-cpp-python; `tierchat doctor` checks more",
        ) from error
    except msgspec.DecodeError as error:
        raise EngineCrashed("the list of devices from llama.cpp cannot be read") from error


def ram() -> tuple[int, int]:
    """Return the total and free bytes of RAM, within the limit of a container.

    Memory that only caches files counts as free.
    """
    total, free = _system_ram()
    limit, usage = _first_number(_CGROUP_LIMITS), _first_number(_CGROUP_USAGE)
    if limit is not None and limit < total:
        cached = _inactive_file_bytes()
        return limit, max(0, min(free, limit - (usage or 0) + cached))
    return total, free


def num_cores() -> int:
    """Return the number of usable cores, within affinity and a container's quota.

    The hyper-threads of one core count once.
    """
    if hasattr(os, "sched_getaffinity"):
        allowed: Iterable[int] = os.sched_getaffinity(0)
    else:
        allowed = range(os.cpu_count() or 1)
    cores = {_read(_SIBLINGS.format(cpu)) or str(cpu) for cpu in allowed}
    quota = re.fullmatch(r"(\d+) (\d+)\s*", _read(_CGROUP_CPU) or "")
    most = max(1, round(int(quota[1]) / int(quota[2]))) if quota else len(cores)
    return max(1, min(len(cores), most))


def num_oom_kills() -> int:
    """Return how many processes Linux has killed for want of memory since it booted."""
    match = re.search(r"^oom_kill (\d+)$", _read("/proc/vmstat") or "", re.MULTILINE)
    return int(match[1]) if match else 0


def nvidia_driver() -> str:
    """Return the version of the NVIDIA driver, or an empty text."""
    match = re.search(r"Kernel Module\s+(?:for \S+\s+)?([\d.]+)", _read(_NVIDIA) or "")
    return match[1] if match else ""


def _system_ram() -> tuple[int, int]:
    lines = re.findall(r"(\w+):\s+(\d+) kB", _read("/proc/meminfo") or "")
    sizes = {name: int(number) * 1024 for name, number in lines}
    if "MemTotal" in sizes:
        return sizes["MemTotal"], sizes.get("MemAvailable", sizes.get("MemFree", 0))
    # macOS gives the total this way, but not how much memory its file cache would release.
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return total, int(total * 0.7)


def _inactive_file_bytes() -> int:
    for path in _CGROUP_STAT:
        match = re.search(r"^(?:total_)?inactive_file (\d+)$", _read(path) or "", re.MULTILINE)
        if match:
            return int(match[1])
    return 0


def _first_number(paths: Iterable[str]) -> int | None:
    for path in paths:
        text = (_read(path) or "").strip()
        if text.isdecimal():
            return int(text)
    return None


def _read(path: str | Path) -> str | None:
    try:
        return Path(path).read_text()
    except OSError:
        return None


def resident_bytes(pid: int) -> int | None:
    """Return the resident memory of a process; None where /proc does not give it."""
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * _PAGE_BYTES
    except (OSError, IndexError, ValueError):
        return None


def cpu_flags() -> frozenset[str]:
    """Return the processor's instruction sets as Linux names them; empty on other systems."""
    try:
        text = Path("/proc/cpuinfo").read_text()
    except OSError:
        return frozenset()
    lines = (line.partition(":") for line in text.splitlines())
    return frozenset(next((flags for key, _, flags in lines if key.strip() == "flags"), "").split())
