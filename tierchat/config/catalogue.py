"""The models and cascades as values: what models.toml may say of each, and how they are found.

Does not know files, downloads or workers; `catalogue_files.py` reads them.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import msgspec

from tierchat.config.model_parts import Count, FileName, ModelFile, Sha256, part_names
from tierchat.errors import ConfigError, UnknownModel, did_you_mean
from tierchat.types import Frozen, GateKind, KvType, Sampling

Name = Annotated[str, msgspec.Meta(min_length=1, max_length=64, pattern=r"^[^\s/\x00-\x1f]+$")]
# llama.cpp takes a C int.
CInt = Annotated[int, msgspec.Meta(ge=0, le=2**31 - 1)]
Repo = Annotated[str, msgspec.Meta(pattern=r"^([\w.-]+/[\w.-]+)?$", max_length=200)]
Revision = Annotated[str, msgspec.Meta(pattern=r"^[\w.-]*$", max_length=100)]


class ModelSpec(Frozen, frozen=True):
    """One GGUF: a local file, or `file` of a `repo` at `revision`, to be pulled.

    `bytes` and `sha256` are those of the published file. A model that was split into several files
    has `parts` instead, with the bytes and sha256 of each; `file` is the first, and the parts of a
    local model are also found by their names. Memory is planned before the file is
    here from `parameters`, `active_parameters` (those used per token by a mixture of experts),
    `max_context`, `kv_bytes_per_token` (fp16) and, for hybrid models, `state_bytes_per_sequence`.
    `context` and `max_sequences` 0, `gpu_layers` -1 and a missing `kv_type` leave the choice to the
    planner.
    `sampling` and `think_sampling` (when it thinks) are what the model's publisher recommends;
    `has_think_switch`: the template takes `enable_thinking`. `template` is used instead of the chat
    template in the GGUF: a name of `chat_formats.py`, or the path of a Jinja file.
    """

    file: FileName = ""
    repo: Repo = ""
    revision: Revision = ""
    bytes: Count = 0
    sha256: Sha256 | None = None
    parts: tuple[ModelFile, ...] = ()
    license: str = ""
    description: str = ""
    parameters: Count = 0
    active_parameters: Count = 0
    max_context: CInt = 0
    kv_bytes_per_token: Count = 0
    state_bytes_per_sequence: Count = 0
    has_think_switch: bool = False
    template: FileName = ""
    sampling: Sampling = Sampling()
    think_sampling: Sampling = Sampling()
    context: CInt = 0
    max_sequences: Annotated[int, msgspec.Meta(ge=0, le=256)] = 0
    gpu_layers: Annotated[int, msgspec.Meta(ge=-1, le=2**31 - 1)] = -1
    kv_type: KvType | None = None

    @property
    def files(self) -> tuple[ModelFile, ...]:
        """All files of the model, the one that llama.cpp is given first."""
        if self.parts:
            return self.parts
        names = part_names(self.file)
        if len(names) > 1:
            return tuple(ModelFile(name) for name in names)
        return (ModelFile(self.file, self.bytes, self.sha256),)

    @property
    def paths(self) -> tuple[Path, ...]:
        """The paths of all files of the model."""
        return tuple(Path(each.file) for each in self.files)


class FamilySpec(Frozen, frozen=True):
    """How to draw tokens from models of a family that are not in the catalogue.

    A model belongs to it by a name in its header or its file, or by its architecture. `source` is
    the page on which the publisher recommends these values.
    """

    names: tuple[str, ...] = ()
    architectures: tuple[str, ...] = ()
    source: str = ""
    sampling: Sampling = Sampling()
    think_sampling: Sampling = Sampling()


class TierSpec(Frozen, frozen=True):
    """One rung: a model and how hard it may try.

    `gate` decides until `tierchat train` has taught a better one: `token` reads the escalate
    token that a model was trained with, `untaught` guesses from the prompt and the models' sizes.
    """

    name: Name
    model: str
    gate: GateKind = "untaught"
    think: bool | None = None
    escalate_threshold: Annotated[float, msgspec.Meta(ge=0, le=1)] | None = None
    answer_threshold: Annotated[float, msgspec.Meta(le=0)] | None = None
    sampling: Sampling = Sampling()


class CascadeSpec(Frozen, frozen=True):
    """Ordered tiers, cheapest first.

    `knows` and `advice` are shown when no tier can answer.
    """

    tiers: tuple[TierSpec, ...] = ()
    description: str = ""
    hold_back: Annotated[int, msgspec.Meta(ge=1, le=256)] = 8
    knows: str = ""
    advice: str = ""

    @property
    def models(self) -> tuple[str, ...]:
        """Name the models, each once, cheapest first."""
        return tuple(dict.fromkeys(tier.model for tier in self.tiers))


class Catalogue(Frozen, frozen=True):
    """All models, cascades and families by name; files are absolute paths."""

    models: dict[str, ModelSpec] = msgspec.field(default_factory=dict)
    cascades: dict[str, CascadeSpec] = msgspec.field(default_factory=dict)
    families: dict[str, FamilySpec] = msgspec.field(default_factory=dict)

    def find(self, cascade: str) -> CascadeSpec:
        """Return a cascade by name; raises UnknownModel with the known names."""
        if cascade in self.cascades:
            return self.cascades[cascade]
        users = [name for name, spec in self.cascades.items() if cascade in spec.models]
        if cascade in self.models:
            raise UnknownModel(
                f"{cascade} is a model, not a cascade",
                f"cascades with it: {', '.join(users)}"
                if users
                else "models.toml can make one of it",
            )
        known = f"known: {', '.join(self.cascades)}"
        raise UnknownModel(
            f"no cascade named {cascade!r}", did_you_mean(cascade, self.cascades, known)
        )

    def unknown(self, name: str) -> UnknownModel:
        """Return the error about a name that neither a model nor a cascade has."""
        known = (*self.models, *self.cascades)
        hint = did_you_mean(name, known, "`tierchat ls` lists all models")
        return UnknownModel(f"no model or cascade named {name!r}", hint)

    def check_default(self, cascade: str, source: str) -> None:
        """Raise ConfigError if the cascade that `source` chose does not exist."""
        if cascade not in self.cascades:
            raise ConfigError(
                f"cascade = {cascade!r} ({source}): no cascade has that name",
                did_you_mean(cascade, self.cascades, f"known: {', '.join(self.cascades)};")
                + " `tierchat pull NAME` chooses one",
            )

    def effective(self, cascade: str, think: bool | None = None) -> CascadeSpec:
        """Return a cascade with the open settings of its tiers filled in from their models.

        `think` overrides that of every tier. Raises UnknownModel with the known names.
        """
        spec = self.find(cascade)
        tiers = tuple(self._effective(tier, think) for tier in spec.tiers)
        return msgspec.structs.replace(spec, tiers=tiers)

    def _effective(self, tier: TierSpec, think: bool | None) -> TierSpec:
        model = self.models[tier.model]
        think = tier.think if think is None else think
        if think is None and model.has_think_switch:
            # The model's own default differs by size within one family, so it is always set.
            think = False
        advice = model.think_sampling if think else model.sampling
        return msgspec.structs.replace(tier, think=think, sampling=tier.sampling.filled(advice))
