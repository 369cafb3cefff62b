"""Checks of an installation, each with what to do when it fails.

Does not know printing. llama.cpp is asked in a child process, so that a crash is a finding.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from tierchat import __version__
from tierchat.client import Client
from tierchat.config import Catalogue, load_catalogue, load_settings
from tierchat.errors import TierchatError
from tierchat.model_files import VerifiedFiles
from tierchat.paths import Paths, make_private
from tierchat.pool import MachineMemory
from tierchat.types import Done, Message, Prompt

_LLAMA_TIMEOUT_S = 60
_ASK_LLAMA = "from tierchat.engine.llama import can_offload; print(can_offload())"


@dataclass(frozen=True)
class Finding:
    """One check: what was looked at, how it stands, what to do."""

    name: str
    is_good: bool
    detail: str
    advice: str = ""


def examine(paths: Paths) -> Iterator[Finding]:
    """Run every check, the cheapest first; one that fails does not keep the rest from running."""
    yield Finding("tierchat", True, f"{__version__}, Python {sys.version.split()[0]}")
    checks: tuple[Callable[[Paths], Iterator[Finding]], ...] = (
        _llama_cpp,
        _cpu,
        _directories,
        _catalogue,
        _generation,
    )
    for check in checks:
        try:
            yield from check(paths)
        except TierchatError as error:
            yield Finding(check.__name__.strip("_"), False, error.message, error.hint)


def _llama_cpp(_paths: Paths) -> Iterator[Finding]:
    try:
        version = metadata.version("llama-cpp-python")
        found = subprocess.run(
            [sys.executable, "-c", _ASK_LLAMA],
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_LLAMA_TIMEOUT_S,
        )
    except (metadata.PackageNotFoundError, subprocess.TimeoutExpired) as error:
        yield Finding("llama.cpp", False, f"does not load: {error}", "reinstall llama-cpp-python")
        return
    if found.returncode:
        last = found.stderr.strip().splitlines()[-1:] or [f"exit code {found.returncode}"]
        yield Finding(
            "llama.cpp", False, f"{version} does not load: {last[0]}", "reinstall llama-cpp-python"
        )
        return
    yield Finding("llama.cpp", True, f"llama-cpp-python {version}")
    has_gpu = found.stdout.strip() == "True"
    yield Finding(
        "GPU offload",
        True,
        "compiled in" if has_gpu else "not compiled in: models run on the CPU",
        ""
        if has_gpu
        else 'for CUDA: CMAKE_ARGS="-DGGML_CUDA=on" pip install --force-reinstall '
        "--no-cache-dir llama-cpp-python",
    )


def _cpu(paths: Paths) -> Iterator[Finding]:
    info = Path("/proc/cpuinfo")
    flags = set(info.read_text().split()) if info.exists() else set()
    is_trap = {"amx_int8", "hypervisor"} <= flags
    detail = "no known trap"
    if not MachineMemory(paths.machine_file).uses_extra_buffer_types:
        detail = "repacked weights are switched off: their kernels crashed here once"
    elif is_trap:
        detail = "AMX on a virtual machine: the first crash of its kernels switches them off"
    yield Finding("CPU", True, detail)


def _directories(paths: Paths) -> Iterator[Finding]:
    for directory in (paths.config_dir, paths.state_dir, paths.runtime_dir):
        make_private(directory)
        is_writable = os.access(directory, os.W_OK)
        advice = "" if is_writable else "set TIERCHAT_HOME to a directory you own"
        yield Finding("directory", is_writable, str(directory), advice)


def _catalogue(paths: Paths) -> Iterator[Finding]:
    load_settings(paths, os.environ)
    catalogue = load_catalogue(paths)
    yield Finding("models.toml", True, f"{len(catalogue.models)} models")
    yield from _models(catalogue, paths)


def _models(catalogue: Catalogue, paths: Paths) -> Iterator[Finding]:
    files = VerifiedFiles(paths.verified_file)
    for name, spec in catalogue.models.items():
        try:
            files.check(Path(spec.file), spec.sha256)
        except TierchatError as error:
            yield Finding("model", False, f"{name}: {error.message}", error.hint)
        else:
            yield Finding("model", True, f"{name}: {'sha256 right' if spec.sha256 else 'present'}")


def _generation(paths: Paths) -> Iterator[Finding]:
    prompt = Prompt(messages=(Message(role="user", content="2+2"),))
    for event in Client(paths).ask(prompt):
        if isinstance(event, Done):
            outcome = event.outcome
            said = f"{outcome.answer!r} from {outcome.tier} in {outcome.seconds:.2f} s"
            yield Finding("generation", bool(outcome.tier), f'"2+2" gave {said}')
