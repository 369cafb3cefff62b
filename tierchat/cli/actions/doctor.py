"""Checks of an installation, each with what to do when it fails.

Does not know printing. llama.cpp is asked in a child process, so that a crash is a finding.
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib import metadata

from tierchat import __version__
from tierchat.config.catalogue import Catalogue
from tierchat.config.home import Home
from tierchat.config.settings import BUNDLED, setting_sources
from tierchat.errors import TierchatError
from tierchat.events import Done
from tierchat.models.on_disk import is_here
from tierchat.models.placement import hardware
from tierchat.models.placement.gpu_drivers import gpu_drivers, install_line
from tierchat.models.placement.hardware import list_devices
from tierchat.models.verified_files import VerifiedFiles
from tierchat.paths import Paths, make_private
from tierchat.service.client import Client
from tierchat.terminal.units import memory_text
from tierchat.types import DeviceInfo, Message, Prompt
from tierchat.workers.build_pool import build_pool
from tierchat.workers.quirks import MachineQuirks, compiler_of_build, rebuild_line


@dataclass(frozen=True)
class Finding:
    """One check: what was looked at, how it stands, what to do."""

    name: str
    is_good: bool
    detail: str
    advice: str = ""


def examine(home: Home) -> Iterator[Finding]:
    """Run every check, the cheapest first; one that fails does not keep the rest from running."""
    yield Finding("tierchat", True, f"{__version__}, Python {sys.version.split()[0]}")
    checks: tuple[Callable[[Home], Iterator[Finding]], ...] = (
        _llama_cpp,
        _cpu,
        _ram,
        _directories,
        _catalogue,
        _generation,
    )
    for check in checks:
        try:
            yield from check(home)
        except TierchatError as error:
            yield Finding(check.__name__.strip("_"), False, error.message, error.hint)


def _llama_cpp(_home: Home) -> Iterator[Finding]:
    try:
        version = metadata.version("llama-cpp-python")
        devices = list_devices()
    except (metadata.PackageNotFoundError, TierchatError) as error:
        yield Finding("llama.cpp", False, f"does not load: {error}", "reinstall llama-cpp-python")
        return
    backends = ", ".join(dict.fromkeys(device.backend for device in devices))
    yield Finding("llama.cpp", True, f"llama-cpp-python {version}, backends: {backends}")
    gpus = [device for device in devices if device.kind == "gpu"]
    for gpu in gpus:
        detail = f"{gpu.description}: {memory_text(gpu.free_bytes)} of "
        yield Finding("GPU", True, f"{detail}{memory_text(gpu.total_bytes)} free ({gpu.backend})")
    yield from _drivers(gpus)


def _drivers(gpus: list[DeviceInfo]) -> Iterator[Finding]:
    """Say which GPU drivers there are, and the install line that would make use of them."""
    backends = {gpu.backend for gpu in gpus}
    found = gpu_drivers()
    if not found:
        yield Finding("GPU driver", True, "none found: models run on the CPU")
    for driver in found:
        is_used = bool(backends & set(driver.backends))
        detail = driver.name if is_used else f"{driver.name}, which llama.cpp here does not use"
        yield Finding("GPU driver", True, detail, "" if is_used else install_line(driver))


def _cpu(home: Home) -> Iterator[Finding]:
    quirks = MachineQuirks(home.paths.machine_file)
    has_amx = "amx_int8" in hardware.cpu_flags()
    if has_amx and quirks.uses_extra_buffer_types:
        # Whether the AMX kernels trap shows when quantised weights meet them.
        asyncio.run(_load_quantised(home))
    cores = f"{hardware.num_cores()} cores"
    if quirks.uses_extra_buffer_types:
        yield Finding("CPU", True, f"{cores}, AMX in use" if has_amx else f"{cores}, no known trap")
    else:
        kernels = "AMX kernels" if has_amx else "kernels for repacked weights"
        build = f"this build of llama.cpp{f' (by {by})' if (by := compiler_of_build()) else ''}"
        detail = f"{cores}; {build} traps in its {kernels}, so workers do without them"
        advice = f"build it without the trap, up to four times as fast: {rebuild_line()}"
        yield Finding("CPU", True, detail, advice)


def _ram(_home: Home) -> Iterator[Finding]:
    total, free = hardware.ram()
    yield Finding("RAM", True, f"{memory_text(free)} of {memory_text(total)} free")


async def _load_quantised(home: Home) -> None:
    """Load the largest bundled model once; a trap is healed and remembered by the way."""
    pool = build_pool(home.catalogue, BUNDLED, home.paths, home.settings, keepalive_s=0)
    try:
        await pool.load(home.catalogue.find(BUNDLED).models[-1])
    finally:
        await pool.close()


def _directories(home: Home) -> Iterator[Finding]:
    paths = home.paths
    for directory in (paths.config_dir, paths.state_dir, paths.runtime_dir):
        make_private(directory)
        is_writable = os.access(directory, os.W_OK)
        advice = "" if is_writable else "set TIERCHAT_HOME to a directory you own"
        yield Finding("directory", is_writable, str(directory), advice)


def _catalogue(home: Home) -> Iterator[Finding]:
    settings, catalogue = home.settings, home.catalogue
    catalogue.check_default(settings.cascade, setting_sources(home.paths, home.env)["cascade"])
    absent = [s for s in catalogue.models.values() if s.repo and not is_here(s)]
    detail = f"{len(catalogue.models)} models, {len(absent)} of them to be pulled when wanted"
    yield Finding("models.toml", True, detail)
    models = catalogue.cascades[settings.cascade].models
    missing = [name for name in models if not is_here(catalogue.models[name])]
    state = f"{settings.cascade}: {', '.join(missing)} not here" if missing else settings.cascade
    advice = f"tierchat pull {settings.cascade}" if missing else ""
    yield Finding("cascade", not missing, state, advice)
    yield from _models(catalogue, home.paths)


def _models(catalogue: Catalogue, paths: Paths) -> Iterator[Finding]:
    files = VerifiedFiles(paths.verified_file)
    for name, spec in catalogue.models.items():
        if spec.repo and not is_here(spec):
            continue
        try:
            files.check_all(spec.files)
        except TierchatError as error:
            yield Finding("model", False, f"{name}: {error.message}", error.hint)
        else:
            is_published = all(file.sha256 for file in spec.files)
            yield Finding("model", True, f"{name}: {'sha256 right' if is_published else 'present'}")


def _generation(home: Home) -> Iterator[Finding]:
    prompt = Prompt(messages=(Message(role="user", content="2+2"),))
    for event in Client(home.paths).ask(prompt):
        if isinstance(event, Done):
            outcome = event.outcome
            said = f"{outcome.answer!r} from {outcome.tier} in {outcome.seconds:.2f} s"
            # Such as a build that traps, met just now.
            notices = "; ".join(outcome.notices)
            yield Finding("generation", bool(outcome.tier), f'"2+2" gave {said}', notices)
