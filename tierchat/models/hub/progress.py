"""The progress of a download, told for a whole model where the model has several files.

Does not know terminals or the network.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from tierchat.models.hub.names import HubFile, whole_name
from tierchat.models.hub.part_file import missing_bytes


class ModelProgress:
    """Adds up the bytes of a model's parts; `tell` gets a name, the bytes done and the total."""

    def __init__(self, tell: Callable[[str, int, int], None]) -> None:
        self._tell = tell
        self._done: dict[Path, int] = {}
        self._total: dict[Path, int] = {}
        self._models: dict[Path, tuple[Path, ...]] = {}

    def expect(self, files: Sequence[HubFile]) -> None:
        """Say which files belong to one model; what is here already counts as done."""
        targets = tuple(file.target for file in files)
        for file in files:
            size_bytes = file.size_bytes or 0
            missing = 0 if file.is_here else missing_bytes(file.target, size_bytes)
            self._done[file.target] = size_bytes - missing
            self._total[file.target] = size_bytes
            self._models[file.target] = targets

    def __call__(self, file: HubFile, done: int, total: int) -> None:
        """Take the progress of one file and tell that of its model."""
        targets = self._models.get(file.target, (file.target,))
        self._done[file.target], self._total[file.target] = done, total
        name = file.target.name
        if len(targets) > 1:
            name = f"{whole_name(name)} ({len(targets)} parts)"
        self._tell(
            name,
            sum(self._done[target] for target in targets),
            sum(self._total[target] for target in targets),
        )
