"""The catalogue, read from the shipped models.toml, the added models and the user's models.toml.

Entries are merged key by key and checked where they were written. Does not know downloads.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import msgspec

from tierchat.config.catalogue import CascadeSpec, Catalogue, ModelSpec
from tierchat.config.chat_formats import TEMPLATE_NAMES, is_template_name
from tierchat.config.model_parts import part_names
from tierchat.config.names import ALL_TIERS, refusal
from tierchat.config.settings import MIN_CONTEXT
from tierchat.config.toml_files import decode_toml, parse_toml, read_own
from tierchat.errors import ConfigError
from tierchat.paths import Paths
from tierchat.types import Frozen

_PACKAGE = Path(__file__).parent.parent
_PUBLISHED = ("repo", "revision", "bytes", "sha256", "parts")


class Origin(Frozen, frozen=True):
    """Where an entry of the catalogue comes from: a file for each of its keys."""

    kind: Literal["models", "cascades", "families"]
    name: str
    keys: dict[str, str]


def load_catalogue(paths: Paths) -> Catalogue:
    """Read the shipped models.toml and the user's; the user's keys win, entry by entry.

    Raises ConfigError with file, line and the nearest known key.
    """
    sources = _sources(paths)
    data = _merged(sources)
    for name, entry in data["models"].items():
        _place_files(name, entry, sources, paths)
    catalogue = msgspec.convert(data, Catalogue)
    # What `add` once wrote must not keep `rm` from forgetting it.
    sources[0].check_names()
    for source in sources:
        source.check(catalogue)
    return catalogue


def origins(paths: Paths) -> Iterator[Origin]:
    """Yield for every entry of the catalogue the file that each of its keys comes from."""
    sources = _sources(paths)
    for kind, entries in _merged(sources).items():
        for name, entry in entries.items():
            keys = {
                key: str(next(s.file for s in sources if s.holds(kind, name, key))) for key in entry
            }
            yield msgspec.convert({"kind": kind, "name": name, "keys": keys}, Origin)


def added_models(paths: Paths) -> Catalogue:
    """Read the entries that `add` has written, not merged with others; raises ConfigError."""
    return _Source.of(paths.added_models_file).catalogue


def shipped_models_file() -> Path:
    """Find models.toml inside the wheel, or beside the package in a source tree."""
    inside = _PACKAGE / "models.toml"
    return inside if inside.exists() else inside.parent.parent / "models.toml"


def folder_of(repo: str, revision: str) -> str:
    """Return the name of the folder for the files of a repo at a revision."""
    return f"{repo.replace('/', '--')}@{revision[:12] or 'main'}"


class _Source:
    """One models.toml: its text and its entries, checked key by key."""

    def __init__(self, file: Path, text: str) -> None:
        self.file = file
        self._text = text
        # Keys are checked here, where their lines are known; entries may still be incomplete.
        self.catalogue = decode_toml(text, file, Catalogue)
        self.data: dict[str, Any] = parse_toml(text, file)

    @classmethod
    def shipped(cls) -> _Source:
        file = shipped_models_file()
        try:
            return cls(file, file.read_text("utf-8"))
        except OSError as error:
            raise ConfigError(
                f"cannot read {file}: {error.strerror}",
                "the file is part of tierchat: install tierchat again",
            ) from error

    @classmethod
    def of(cls, file: Path) -> _Source:
        return cls(file, read_own(file) or "")

    def holds(self, kind: str, name: str, key: str) -> bool:
        return key in self.data.get(kind, {}).get(name, {})

    def check(self, catalogue: Catalogue) -> None:
        """Check the merged entries that this file makes or changes; raises ConfigError."""
        for name in self.data.get("models", {}):
            context = catalogue.models[name].context
            if 0 < context < MIN_CONTEXT:
                raise self._error(
                    ("models", name, "context"),
                    f"models.{name}.context is {context}, too small for one turn",
                    f"the minimum is {MIN_CONTEXT}; 0 lets the planner choose",
                )
            if not Path(catalogue.models[name].file).name:
                raise self._error(
                    ("models", name), f"model {name} has no `file`", "add `file` with its GGUF"
                )
            self._check_parts(name, catalogue.models[name])
            self._check_template(name)
        for name in self.data.get("cascades", {}):
            self._check_cascade(name, catalogue.cascades[name], catalogue.models)

    def check_names(self) -> None:
        """Check that commands and the API can say every name; raises ConfigError."""
        for kind in ("models", "cascades"):
            for name in self.data.get(kind, {}):
                if why := refusal(name):
                    what = f"{kind}.{name!r}: this name cannot be used"
                    raise self._error((kind, name), what, why)

    def _check_template(self, name: str) -> None:
        """Check that a chat template is a known name or looks like a file; raises ConfigError."""
        given = self.data["models"][name].get("template", "")
        if given and not is_template_name(given) and not Path(given).suffix and "/" not in given:
            raise self._error(
                ("models", name, "template"),
                f"models.{name}.template = {given!r}: no chat template has that name",
                f"a Jinja file, or one of: {', '.join(TEMPLATE_NAMES)}",
            )

    def _check_parts(self, name: str, spec: ModelSpec) -> None:
        """Check what an entry says of the files of a split model; raises ConfigError."""
        given = [key for key in ("bytes", "sha256") if self.holds("models", name, key)]
        num_named = len(part_names(spec.file))
        if given and (spec.parts or num_named > 1):
            raise self._error(
                ("models", name, given[0]),
                f"models.{name}.{given[0]}: the model has {len(spec.parts) or num_named} files",
                "give bytes and sha256 of each: parts = [{ file = ..., bytes = ..., sha256 = ...}]",
            )
        if not spec.parts:
            return
        names = tuple(part.file for part in spec.parts)
        if spec.file != names[0]:
            raise self._error(
                ("models", name, "file"),
                f"models.{name}.file is not the first of its parts",
                "leave `file` out, or name the same file in both",
            )
        if len(names) > 1 and names != part_names(names[0]):
            raise self._error(
                ("models", name, "parts"),
                f"models.{name}.parts are not named as the parts of one model",
                "llama.cpp finds them by NAME-00001-of-00003.gguf, NAME-00002-of-00003.gguf, ...",
            )

    def _check_cascade(self, name: str, spec: CascadeSpec, models: Mapping[str, ModelSpec]) -> None:
        if not spec.tiers:
            raise self._error(
                ("cascades", name),
                f"cascade {name} has no tiers",
                f"add [[cascades.{name}.tiers]] with a name and a model",
            )
        seen: set[str] = set()
        for index, tier in enumerate(spec.tiers):
            steps = ("cascades", name, "tiers", index)
            if tier.model not in models:
                raise self._error(
                    (*steps, "model"),
                    f"tier {tier.name} names the unknown model {tier.model!r}",
                    f"known models: {', '.join(models)}",
                )
            if tier.name.casefold() == ALL_TIERS:
                raise self._error(
                    (*steps, "name"),
                    f"a tier of cascade {name} is named {tier.name}",
                    f"`/tier {ALL_TIERS}` of the chat asks all tiers; rename this one",
                )
            if tier.name.casefold() in seen:
                raise self._error(
                    (*steps, "name"),
                    f"two tiers of cascade {name} are named {tier.name}",
                    "upper and lower case count as the same; rename one of them",
                )
            seen.add(tier.name.casefold())

    def _error(self, steps: tuple[str | int, ...], what: str, hint: str) -> ConfigError:
        from tierchat.config.toml_lines import find_line

        return ConfigError(f"{self.file}, line {find_line(self._text, steps)}: {what}", hint)


def _sources(paths: Paths) -> tuple[_Source, ...]:
    """Read all models.toml files, the ones that win first."""
    own, added = _Source.of(paths.models_file), _Source.of(paths.added_models_file)
    return own, added, _Source.shipped()


def _merged(sources: Sequence[_Source]) -> dict[str, dict[str, Any]]:
    merged: dict[str, dict[str, Any]] = {"models": {}, "cascades": {}, "families": {}}
    for source in reversed(sources):
        for kind, entries in merged.items():
            for name, entry in source.data.get(kind, {}).items():
                before = entries.get(name, {})
                is_moved = "file" in entry or "parts" in entry
                if is_moved and "parts" not in entry:
                    before = {key: v for key, v in before.items() if key != "parts"}
                if is_moved and "repo" not in entry:
                    # The user's own file replaces a published one: size and hash are unknown.
                    before = {key: v for key, v in before.items() if key not in _PUBLISHED}
                entries[name] = {**before, **entry}
    return merged


def _place_files(
    name: str, entry: dict[str, Any], sources: Sequence[_Source], paths: Paths
) -> None:
    """Give the files of a merged entry their absolute paths, and all of them together a size."""

    def place(file: str, key: str) -> str:
        giver = next(s for s in sources if s.holds("models", name, key))
        return _place_of(file, entry, giver, paths)

    template = entry.get("template")
    if template and not is_template_name(template):
        giver = next(s for s in sources if s.holds("models", name, "template"))
        entry["template"] = str(giver.file.parent / os.path.expanduser(template))
    if parts := entry.get("parts"):
        entry["parts"] = [{**part, "file": place(part["file"], "parts")} for part in parts]
        entry["bytes"] = sum(part.get("bytes", 0) for part in parts)
        first = entry["parts"][0]["file"]
        entry["file"] = place(entry["file"], "file") if entry.get("file") else first
    elif file := entry.get("file"):
        # llama.cpp is given the first part of a split model, whichever part is named.
        entry["file"] = part_names(place(file, "file"))[0]
    else:
        entry["file"] = "/"


def _place_of(file: str, entry: Mapping[str, Any], giver: _Source, paths: Paths) -> str:
    """Return the absolute path of a file of a model that `giver` names."""
    if entry.get("repo"):
        return str(paths.models_dir / folder_of(entry["repo"], entry.get("revision", "")) / file)
    # Unlike Path.expanduser this does not raise for the home of an unknown user.
    file = os.path.expanduser(file)
    if giver.file == shipped_models_file():
        return str(_PACKAGE / file)
    return str(giver.file.parent / file)
