"""Builds of llama.cpp whose AMX kernels trap: one to simulate, and whether ours is one."""

from __future__ import annotations

import asyncio
import functools
import os
import tempfile
from pathlib import Path

import tierchat
from tierchat.config.catalogue import ModelSpec
from tierchat.models.verified_files import VerifiedFiles
from tierchat.workers.crashes import Crashes
from tierchat.workers.quirks import MachineQuirks
from tierchat.workers.starter import Starter

_QUANTISED = Path(tierchat.__file__).parent / "pocket" / "models" / "pocket-m.gguf"


def trapping_env(*, always: bool = False) -> dict[str, str]:
    """Return what to add to an environment so that workers in it trap (see sitecustomize.py)."""
    paths = [str(Path(__file__).parent), os.environ.get("PYTHONPATH", "")]
    env = {"PYTHONPATH": os.pathsep.join(path for path in paths if path)}
    return {**env, "TRAPS_ALWAYS": "1"} if always else env


def quirks_here(path: Path) -> MachineQuirks:
    """Make a memory that already knows whether this machine's build traps."""
    quirks = MachineQuirks(path)
    if _traps_here():
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        quirks.forbid_extra_buffer_types()
    return quirks


@functools.cache
def _traps_here() -> bool:
    with tempfile.TemporaryDirectory() as directory:
        quirks = MachineQuirks(Path(directory, "machine.json"))
        starter = Starter(VerifiedFiles(Path(directory, "verified.json")), quirks)

        async def start_once() -> None:
            spec = ModelSpec(file=str(_QUANTISED))
            started = await starter.start("pocket-m", spec, Crashes())
            await started.worker.stop()

        asyncio.run(start_once())
        return not quirks.uses_extra_buffer_types
