"""The settings and the catalogue of models and cascades, read from TOML and checked.

Does not know workers or commands; `Catalogue` and `Settings` are plain values.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

import msgspec

import tierchat
from tierchat.errors import ConfigError, UsageError
from tierchat.paths import Paths
from tierchat.types import Frozen, GateKind, KvType, Sampling

_UNITS_S = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86_400.0}
_Value = TypeVar("_Value")
Name = Annotated[str, msgspec.Meta(min_length=1, max_length=64, pattern=r"^[^\s/\x00-\x1f]+$")]
Sha256 = Annotated[str, msgspec.Meta(pattern="^[0-9a-fA-F]{64}$")]
Count = Annotated[int, msgspec.Meta(ge=0)]
# What llama.cpp takes: a C int.
CInt = Annotated[int, msgspec.Meta(ge=0, le=2**31 - 1)]
FileName = Annotated[str, msgspec.Meta(min_length=1, pattern=r"^[^\x00]+$")]


class ModelSpec(Frozen, frozen=True):
    """One GGUF. `context` 0 is the model's own; `parameters` serves the ledger before it is
    loaded; `gpu_layers` -1 offloads all that fit a GPU build; `kv_type` is the number format of
    the KV cache, chosen by the worker unless set.
    """

    file: FileName
    sha256: Sha256 | None = None
    license: str = ""
    description: str = ""
    parameters: Annotated[Count, msgspec.Meta(le=2**63 - 1)] = 0
    context: CInt = 0
    max_sequences: Annotated[int, msgspec.Meta(ge=1, le=256)] = 16
    gpu_layers: Annotated[int, msgspec.Meta(ge=-1, le=2**31 - 1)] = -1
    kv_type: KvType | None = None


class TierSpec(Frozen, frozen=True):
    """One rung: a model and how hard it may try.

    `gate` is what decides until `tierchat train` has taught better: `token` for models with an
    escalate token of their own, `command` asks in words.
    """

    name: Name
    model: str
    gate: GateKind = "command"
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
    num_threads: Annotated[int, msgspec.Meta(ge=0, le=4096)] = 0
    max_active: Annotated[int, msgspec.Meta(ge=1, le=256)] = 16
    max_waiting: Annotated[int, msgspec.Meta(ge=0, le=10_000)] = 64
    timeout_s: Annotated[float, msgspec.Meta(gt=0, le=86_400)] | None = None
    hide_reasoning: bool = False
    log: bool = True
    theme: Literal["dark", "light", "plain"] = "dark"


def load_catalogue(paths: Paths) -> Catalogue:
    """Read the shipped models.toml and the user's; the user's entries win by name.

    Raises ConfigError with file, line and the nearest known key.
    """
    file = shipped_models_file()
    shipped_text = _read_shipped(file)
    shipped = _read_catalogue(file, shipped_text, Path(tierchat.__file__).parent)
    own_text = _read_own(paths.models_file) or ""
    own = _read_catalogue(paths.models_file, own_text, paths.models_file.parent)
    merged = Catalogue(
        models={**shipped.models, **own.models}, cascades={**shipped.cascades, **own.cascades}
    )
    for name, spec in own.cascades.items():
        _check_cascade(paths.models_file, own_text, name, spec, merged.models)
    for name, spec in shipped.cascades.items():
        _check_cascade(file, shipped_text, name, spec, merged.models)
    return merged


def load_settings(paths: Paths, env: Mapping[str, str]) -> Settings:
    """Read config.toml, then TIERCHAT_<KEY>; raises ConfigError naming the place of a mistake."""
    text = _read_own(paths.config_file)
    found: dict[str, Any] = {}
    if text is not None:
        found = msgspec.to_builtins(_decode(text, paths.config_file, Settings))
    given = {
        key: env[name] for key in Settings.__struct_fields__ if (name := _variable(key)) in env
    }
    try:
        settings = msgspec.convert({**found, **given}, Settings, strict=False)
    except msgspec.ValidationError as error:
        what, _, key = str(error).rstrip("`").partition(" - at `$.")
        raise ConfigError(
            f"environment variable {_variable(key)} is {given.get(key)!r}: {what}",
            "unset it or correct it",
        ) from error
    try:
        parse_keepalive(settings.keepalive)
    except UsageError as error:
        raise ConfigError(f"{_place(paths, text, given)}: {error.message}", error.hint) from error
    return settings


def setting_sources(paths: Paths, env: Mapping[str, str]) -> dict[str, str]:
    """Say for every setting where its value comes from."""
    in_file = _parse(_read_own(paths.config_file) or "", paths.config_file)
    return {
        key: _variable(key)
        if _variable(key) in env
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


def read_toml(file: Path, kind: type[_Value]) -> _Value | None:
    """Read a file of the user's as `kind`; None when there is none.

    Raises ConfigError with file, line and the nearest known key.
    """
    text = _read_own(file)
    return None if text is None else _decode(text, file, kind)


def _variable(key: str) -> str:
    return f"TIERCHAT_{key.upper()}"


def _place(paths: Paths, text: str | None, given: Mapping[str, str]) -> str:
    from tierchat.toml_places import find_line

    if text is None or "keepalive" in given:
        return f"environment variable {_variable('keepalive')}"
    return f"{paths.config_file}, line {find_line(text, ('keepalive',))}"


def _read_catalogue(file: Path, text: str, base: Path) -> Catalogue:
    catalogue = _decode(text, file, Catalogue)
    return Catalogue(
        models={
            # Unlike Path.expanduser this leaves the home of a user nobody knows as it stands.
            name: msgspec.structs.replace(spec, file=str(base / os.path.expanduser(spec.file)))
            for name, spec in catalogue.models.items()
        },
        cascades=catalogue.cascades,
    )


def _check_cascade(
    file: Path, text: str, name: str, spec: CascadeSpec, models: Mapping[str, ModelSpec]
) -> None:
    from tierchat.toml_places import find_line

    seen: set[str] = set()
    for index, tier in enumerate(spec.tiers):
        place = ("cascades", name, "tiers", index)
        if tier.model not in models:
            raise ConfigError(
                f"{file}, line {find_line(text, (*place, 'model'))}: "
                f"tier {tier.name} has no model {tier.model!r}",
                f"known models: {', '.join(models)}",
            )
        if tier.name.casefold() in seen:
            raise ConfigError(
                f"{file}, line {find_line(text, (*place, 'name'))}: "
                f"two tiers of cascade {name} are named {tier.name}",
                "large and small letters count as the same",
            )
        seen.add(tier.name.casefold())


def _read_shipped(file: Path) -> str:
    try:
        return file.read_text("utf-8")
    except OSError as error:
        raise ConfigError(
            f"cannot read {file}: {error.strerror}", "it came with tierchat: install that again"
        ) from error


def _read_own(file: Path) -> str | None:
    """Read a file of the user's; None when there is none."""
    try:
        # A pipe in the file's place must not keep us waiting for a writer.
        with open(os.open(file, os.O_RDONLY | os.O_NONBLOCK), "rb") as opened:
            _refuse_unsafe(file, os.fstat(opened.fileno()).st_mode)
            raw = opened.read()
    except (FileNotFoundError, NotADirectoryError) as error:
        if file.is_symlink():
            target = os.readlink(file)
            raise ConfigError(f"{file} is a link to {target}, which is not there") from error
        return None
    except OSError as error:
        raise ConfigError(
            f"cannot read {file}: {error.strerror}",
            "make it readable, or set TIERCHAT_HOME to a directory you own",
        ) from error
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise ConfigError(f"{file}, line {line}: this is not UTF-8 text") from error


def _refuse_unsafe(file: Path, mode: int) -> None:
    if not stat.S_ISREG(mode):
        raise ConfigError(f"{file} is not a regular file", "put a TOML file in its place")
    if mode & stat.S_IWOTH:
        raise ConfigError(
            f"{file} can be changed by every user of this machine", f"run: chmod o-w {file}"
        )


def _parse(text: str, file: Path) -> dict[str, Any]:
    # Most commands run without a file of settings, and pay for no parser.
    import tomllib

    from tierchat.toml_places import find_refused_line

    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        end = f"at line {text.count(chr(10)) + 1}, the end of the file"
        what = str(error).replace("at end of document", end)
        raise ConfigError(f"{file} is not valid TOML: {what}", "correct that line") from error
    except RecursionError as error:
        line = find_refused_line(text, RecursionError)
        raise ConfigError(f"{file}, line {line}: nested too deeply") from error
    except ValueError as error:
        # The parser lets this one through: an integer of more than 4,300 digits.
        line = find_refused_line(text, ValueError)
        raise ConfigError(f"{file}, line {line}: this number is too long") from error


def _decode(text: str, file: Path, kind: type[_Value]) -> _Value:
    if not text:
        return kind()
    data = _parse(text, file)
    try:
        return msgspec.convert(data, kind)
    except msgspec.ValidationError as error:
        from tierchat.toml_places import explain

        message, hint = explain(str(error), text, data, kind)
        raise ConfigError(f"{file}{message}", hint) from error
