"""Finds the learned gate of a cascade by name, and checks which models it was taught for.

Does not read numbers or decide. A gate for other models is not used; one notice says so.
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

SHIPPED = Path(__file__).with_name("shipped")


@dataclass(frozen=True)
class _Checked:
    """What a verdict on a gate depends on: the cascade, its models, and the files as they were.

    The files are the head, the numbers, and the models whose sha256 the catalogue does not give.
    """

    spec: CascadeSpec
    models: tuple[ModelSpec, ...]
    files: tuple[FileStamp | None, ...]


@dataclass(frozen=True)
class FoundGate:
    """A gate file that was taught for the cascade in its present form."""

    path: Path
    head: GateHead


class GateLookup:
    """Looks gates up in a user's directory, else among those that tierchat comes with.

    A file is looked at again when it or the cascade has changed.
    """

    def __init__(self, directory: Path, files: VerifiedFiles, shipped: Path = SHIPPED) -> None:
        self._directory, self._shipped = directory, shipped
        self._files = files
        self._told: set[str] = set()
        self._known: dict[str, tuple[_Checked, FoundGate | None]] = {}

    def path(self, cascade: str) -> Path:
        """Return the path of a user's gate for a cascade, whether or not there is one."""
        return self._directory / f"{cascade}.json"

    def file(self, cascade: str) -> Path | None:
        """Return the gate file of a cascade, the user's before a shipped one.

        Cheap: called for every prompt.
        """
        files = (self.path(cascade), self._shipped / f"{cascade}.json")
        return next((file for file in files if file.exists()), None)

    def is_shipped(self, cascade: str) -> bool:
        """Whether a cascade's gate file is one that tierchat comes with."""
        file = self.file(cascade)
        return file is not None and file.parent == self._shipped

    def names(self) -> list[str]:
        """Return the cascades with a gate file."""
        files = (*self._directory.glob("*.json"), *self._shipped.glob("*.json"))
        return sorted({file.stem for file in files})

    def find(
        self, cascade: str, spec: CascadeSpec, models: Mapping[str, ModelSpec]
    ) -> tuple[FoundGate | None, str]:
        """Return the gate, or a notice why the file that was found is not used.

        May hash model files whose sha256 models.toml does not give. Raises ModelMissing.
        """
        path = self.file(cascade) or self.path(cascade)
        checked = _to_check(path, spec, models)
        known = self._known.get(cascade)
        if known and known[0] == checked:
            return known[1], ""
        found, notice = None, ""
        try:
            head = read_head(path)
            self._check(head, cascade, spec, models)
            found = FoundGate(path, head)
        except GateFileBad as error:
            if not self.is_shipped(cascade):
                # Somebody's own cascade may have the name of one that a gate is shipped for.
                notice = f"the learned gate of {cascade} is not used: {error.message}"
        self._known[cascade] = (checked, found)
        return found, notice

    def teaching_hint(self, cascade: str, spec: CascadeSpec) -> str:
        """Return, only once, a hint that a cascade can be taught."""
        if all(tier.gate != "untaught" for tier in spec.tiers[:-1]):
            return ""
        told = self._directory / f"{cascade}.told"
        if cascade in self._told or told.exists():
            return ""
        self._told.add(cascade)
        with contextlib.suppress(OSError):
            self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_quietly(told, b"")
        return (
            f"the tiers of {cascade} were not taught yet: which one answers is guessed from the "
            f"prompt and their sizes; `tierchat train -m {cascade} --builtin` teaches them"
        )

    def why_not_for(
        self, head: GateHead, spec: CascadeSpec, models: Mapping[str, ModelSpec]
    ) -> str:
        """Return why a gate is not for a cascade in its present form; empty if it is."""
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
            if self._files.sha256_of_model(model.files) != gate.model_sha256:
                raise GateFileBad(f"{tier.name} is another model than the one it was taught for")


def _to_check(path: Path, spec: CascadeSpec, models: Mapping[str, ModelSpec]) -> _Checked:
    """Look at what a verdict depends on; cheap, as nothing is read."""
    used = tuple(models[tier.model] for tier in spec.tiers)
    unknown = (Path(f.file) for model in used for f in model.files if not f.sha256)
    files = (path, numbers_file(path), *unknown)
    return _Checked(spec, used, tuple(FileStamp.of(file) for file in files))
