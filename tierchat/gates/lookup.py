"""Which learned gate a cascade has: found by name, checked against the models it was taught for.

Does not read numbers or decide; a gate that does not fit is left aside with a notice, said once.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tierchat.atomic_file import write_quietly
from tierchat.config.catalogue import CascadeSpec, ModelSpec
from tierchat.gates.files import GateFileBad, GateHead, numbers_file, read_head
from tierchat.models.file_stamp import FileStamp
from tierchat.models.verified_files import VerifiedFiles

# Of the head and of the numbers.
_Stamp = tuple[FileStamp | None, FileStamp | None]


@dataclass(frozen=True)
class FoundGate:
    """A gate file that is for the cascade as it stands."""

    path: Path
    head: GateHead


class GateLookup:
    """Looks gates up in one directory, afresh when a file changes."""

    def __init__(self, directory: Path, files: VerifiedFiles) -> None:
        self._directory = directory
        self._files = files
        self._told: set[str] = set()
        self._known: dict[str, tuple[_Stamp, FoundGate | None]] = {}

    def path(self, cascade: str) -> Path:
        """Say where the gate of a cascade is kept."""
        return self._directory / f"{cascade}.json"

    def has_file(self, cascade: str) -> bool:
        """Tell whether there is a gate to look at: cheap, asked for every prompt."""
        return self.path(cascade).exists()

    def find(
        self, cascade: str, spec: CascadeSpec, models: Mapping[str, ModelSpec]
    ) -> tuple[FoundGate | None, str]:
        """Return the gate, and a notice when one was found but cannot be used.

        May hash model files whose sha256 models.toml does not say; raises ModelMissing.
        """
        path = self.path(cascade)
        stamp = FileStamp.of(path), FileStamp.of(numbers_file(path))
        known = self._known.get(cascade)
        if known and known[0] == stamp:
            return known[1], ""
        found, notice = None, ""
        try:
            head = read_head(path)
            self._check(head, cascade, spec, models)
            found = FoundGate(path, head)
        except GateFileBad as error:
            notice = f"the learned gate of {cascade} is not used: {error.message}"
        self._known[cascade] = (stamp, found)
        return found, notice

    def teaching_hint(self, cascade: str, spec: CascadeSpec) -> str:
        """Say, once and never again, that a cascade which is asked in words could be taught."""
        if all(tier.gate != "command" for tier in spec.tiers[:-1]):
            return ""
        told = self._directory / f"{cascade}.told"
        if cascade in self._told or told.exists():
            return ""
        self._told.add(cascade)
        with contextlib.suppress(OSError):
            self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_quietly(told, b"")
        return (
            f"the tiers of {cascade} are asked in words when to pass a prompt on; "
            f"`tierchat train -m {cascade} --builtin` teaches them better, within 10 minutes"
        )

    def why_not_for(
        self, head: GateHead, spec: CascadeSpec, models: Mapping[str, ModelSpec]
    ) -> str:
        """Say why a gate is not for a cascade as it stands, or nothing."""
        try:
            self._check(head, head.cascade, spec, models)
        except GateFileBad as error:
            return error.message
        return ""

    def _check(
        self, head: GateHead, cascade: str, spec: CascadeSpec, models: Mapping[str, ModelSpec]
    ) -> None:
        names = tuple(tier.name for tier in spec.tiers)
        taught = tuple(tier.name for tier in head.tiers)
        if head.cascade != cascade or taught != names:
            raise GateFileBad(
                f"it was taught for {head.cascade} ({', '.join(taught)}), not {', '.join(names)}"
            )
        if head.hold_back != spec.hold_back:
            raise GateFileBad(f"it was taught with hold_back {head.hold_back}")
        for tier, gate in zip(spec.tiers, head.tiers, strict=True):
            model = models[tier.model]
            if self._files.sha256_of(Path(model.file), model.sha256) != gate.model_sha256:
                raise GateFileBad(f"{tier.name} is another model than the one it was taught for")
