"""What this machine taught us about its llama.cpp build, in a small JSON file.

Does not know models or workers.
"""

from __future__ import annotations

from pathlib import Path

import msgspec

from tierchat.atomic_file import write_quietly


class MachineQuirks:
    """What this machine taught us, in a small JSON file."""

    def __init__(self, path: Path) -> None:
        self._path = path

    @property
    def uses_extra_buffer_types(self) -> bool:
        """False once a worker has died of llama.cpp's repacked-weights kernels here."""
        try:
            known = msgspec.json.decode(self._path.read_bytes(), type=dict[str, bool])
        except (OSError, ValueError):
            return True
        return known.get("uses_extra_buffer_types", True)

    def forbid_extra_buffer_types(self) -> None:
        """Remember the choice for every later start."""
        write_quietly(self._path, msgspec.json.encode({"uses_extra_buffer_types": False}))
