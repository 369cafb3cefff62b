"""The settings and the catalogue of models and cascades, read from TOML and checked.

Does not know workers or commands; `Catalogue` and `Settings` are plain values.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, TypeVar

import msgspec

import tierchat
from tierchat.errors import ConfigError, UsageError
from tierchat.paths import Paths
from tierchat.types import Frozen, GateKind, Sampling

_UNITS_S = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86_400.0}
_PREFIX = "TIERCHAT_"
_Value = TypeVar("_Value")
Name = Annotated[str, msgspec.Meta(min_length=1, max_length=64, pattern=r"^[^\s/\x00-\x1f]+$")]
Sha256 = Annotated[str, msgspec.Meta(pattern="^[0-9a-fA-F]{64}$")]
Count = Annotated[int, msgspec.Meta(ge=0)]


class ModelSpec(Frozen, frozen=True):
    """One GGUF. `context` 0 is the model's own; `parameters` serves the ledger before it is
    loaded; `gpu_layers` -1 offloads all that fit a GPU build.
    """

    file: str
    sha256: Sha256 | None = None
    license: str = ""
    description: str = ""
    parameters: Count = 0
    context: Count = 0
    max_sequences: Annotated[int, msgspec.Meta(ge=1, le=256)] = 16
    gpu_layers: Annotated[int, msgspec.Meta(ge=-1)] = -1


class TierSpec(Frozen, frozen=True):
    """One rung: a model and how hard it may try."""

    name: Name
    model: str
    gate: GateKind = "none"
    think: bool | None = None
    escalate_threshold: Annotated[float, msgspec.Meta(ge=0, le=1)] | None = None
    answer_threshold: Annotated[float, msgspec.Meta(le=0)] | None = None
    sampling: Sampling = Sampling()


class CascadeSpec(Frozen, frozen=True):
    """Ordered tiers, cheapest first.

    `knows` and `advice` are what a person is told when nobody can answer.
    """

    tiers: Annotated[tuple[TierSpec, ...], msgspec.Meta(min_length=1)]
    hold_back: Annotated[int, msgspec.Meta(ge=1, le=256)] = 8
    knows: str = ""
    advice: str = ""


class Catalogue(Frozen, frozen=True):
    """All models and cascades by name; files are absolute paths."""

    models: dict[str, ModelSpec] = msgspec.field(default_factory=dict)
    cascades: dict[str, CascadeSpec] = msgspec.field(default_factory=dict)


class Settings(Frozen, frozen=True):
    """How the daemon and the commands behave; every key is also TIERCHAT_<KEY>."""

    cascade: str = "pocket"
    keepalive: str = "30m"
    num_threads: Count = 0
    max_active: Annotated[int, msgspec.Meta(ge=1, le=256)] = 16
    max_waiting: Annotated[int, msgspec.Meta(ge=0, le=10_000)] = 64
    timeout_s: Annotated[float, msgspec.Meta(gt=0, le=86_400)] | None = None
    hide_reasoning: bool = False


def load_catalogue(paths: Paths) -> Catalogue:
    """Read the shipped models.toml and the user's; the user's entries win by name.

    Raises ConfigError with file, line and the nearest known key.
    """
    shipped = _read_catalogue(shipped_models_file(), Path(tierchat.__file__).parent)
    own = Catalogue()
    if paths.models_file.exists():
        _refuse_world_writable(paths.models_file)
        own = _read_catalogue(paths.models_file, paths.models_file.parent)
    merged = Catalogue(
        models={**shipped.models, **own.models}, cascades={**shipped.cascades, **own.cascades}
    )
    for name, spec in own.cascades.items():
        _check_cascade(paths.models_file, name, spec, merged.models)
    for name, spec in shipped.cascades.items():
        _check_cascade(shipped_models_file(), name, spec, merged.models)
    return merged


def load_settings(paths: Paths, env: Mapping[str, str]) -> Settings:
    """Read config.toml, then TIERCHAT_<KEY>; raises ConfigError naming the place of a mistake."""
    found: dict[str, Any] = {}
    if paths.config_file.exists():
        _refuse_world_writable(paths.config_file)
        text = _read(paths.config_file)
        found = msgspec.to_builtins(_decode(text, paths.config_file, Settings))
    for key in Settings.__struct_fields__:
        value = env.get(_PREFIX + key.upper())
        if value is not None:
            found[key] = value
    try:
        settings = msgspec.convert(found, Settings, strict=False)
    except msgspec.ValidationError as error:
        raise ConfigError(
            f"an environment variable {_PREFIX}<KEY> is wrong: {error}", "unset it or correct it"
        ) from error
    parse_keepalive(settings.keepalive)
    return settings


def setting_sources(paths: Paths, env: Mapping[str, str]) -> dict[str, str]:
    """Say for every setting where its value comes from."""
    in_file: set[str] = set()
    if paths.config_file.exists():
        import tomllib

        in_file = set(tomllib.loads(_read(paths.config_file)))
    return {
        key: f"{_PREFIX}{key.upper()}"
        if _PREFIX + key.upper() in env
        else str(paths.config_file)
        if key in in_file
        else "default"
        for key in Settings.__struct_fields__
    }


def parse_keepalive(text: str) -> float:
    """Turn `10m`, `1h30m`, a number of seconds, negative (for ever) or 0 (unload) to seconds."""
    bare = text.strip()
    if re.fullmatch(r"-?[0-9]+(\.[0-9]+)?", bare):
        return float(bare)
    if not re.fullmatch(r"-?([0-9]+(\.[0-9]+)?[smhd])+", bare):
        raise UsageError(
            f"keepalive {text!r} is not a duration",
            "use 10m, 1h30m, a number of seconds, -1 for ever, or 0 to unload after the answer",
        )
    parts = re.findall(r"([0-9.]+)([smhd])", bare)
    total = sum(float(number) * _UNITS_S[unit] for number, unit in parts)
    return -total if bare.startswith("-") else total


def shipped_models_file() -> Path:
    """Find models.toml inside the wheel, or beside the package in a source tree."""
    inside = Path(tierchat.__file__).parent / "models.toml"
    return inside if inside.exists() else inside.parent.parent / "models.toml"


def _read_catalogue(file: Path, base: Path) -> Catalogue:
    catalogue = _decode(_read(file), file, Catalogue)
    return Catalogue(
        models={
            name: msgspec.structs.replace(spec, file=str(base / Path(spec.file).expanduser()))
            for name, spec in catalogue.models.items()
        },
        cascades=catalogue.cascades,
    )


def _check_cascade(
    file: Path, name: str, spec: CascadeSpec, models: Mapping[str, ModelSpec]
) -> None:
    from tierchat.toml_places import find_line

    seen: set[str] = set()
    for tier in spec.tiers:
        where = f"{file}, line {find_line(_read(file), ('cascades', name), tier.name)}"
        if tier.model not in models:
            hint = f"known models: {', '.join(models)}"
            raise ConfigError(f"{where}: tier {tier.name} has no model {tier.model!r}", hint)
        if tier.name.casefold() in seen:
            raise ConfigError(f"{where}: two tiers of cascade {name} are named {tier.name}")
        seen.add(tier.name.casefold())


def _read(file: Path) -> str:
    try:
        return file.read_text("utf-8")
    except UnicodeDecodeError as error:
        raise ConfigError(f"{file} is not UTF-8 text (byte {error.start})") from error
    except OSError as error:
        raise ConfigError(f"cannot read {file}: {error.strerror}") from error


def _decode(text: str, file: Path, kind: type[_Value]) -> _Value:
    # Most commands run without a file of settings, and pay for no parser.
    import tomllib

    from tierchat.toml_places import explain

    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{file} is not valid TOML: {error}", "correct that line") from error
    except RecursionError as error:
        raise ConfigError(f"{file} is nested too deeply") from error
    try:
        return msgspec.convert(data, kind)
    except msgspec.ValidationError as error:
        message, hint = explain(str(error), text, data, kind)
        raise ConfigError(f"{file}{message}", hint) from error


def _refuse_world_writable(file: Path) -> None:
    if file.stat().st_mode & 0o002:
        raise ConfigError(
            f"{file} can be changed by every user of this machine", f"run: chmod o-w {file}"
        )
