"""The models.toml of added models, beside the user's own; only `add`, `pull` and `rm` write it.

Does not know headers, downloads or workers.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import msgspec

from tierchat.atomic_file import changing_for_user, replace_file
from tierchat.config.catalogue_files import added_models, load_catalogue
from tierchat.config.names import refusal_of_new
from tierchat.config.toml_text import toml_text
from tierchat.errors import UsageError
from tierchat.paths import Paths, make_private

_WRITTEN = ("file", "repo", "revision", "bytes", "sha256", "parts", "template")
_HEAD = "# Written by `tierchat add`, `pull` and `rm`. Your own models.toml wins over it.\n"


def refuse_taken(name: str, paths: Paths, entry: dict[str, Any] | None = None) -> None:
    """Raise UsageError for a name that is not allowed or already taken.

    An added name may be added again if `entry` is of the same file.
    """
    if why := refusal_of_new(name):
        hint = "choose another name: `tierchat add NAME FILE`"
        raise UsageError(f"{name!r} is not allowed as a name: {why}", hint)
    if entry and any("\ud800" <= letter <= "\udfff" for letter in str(entry.get("file", ""))):
        raise UsageError("the name of the file is not UTF-8", "rename the file")
    known, before = load_catalogue(paths), _entries(paths)["models"].get(name)
    if before and entry and _source(before) == _source(entry):
        return
    tiers = {tier.name.casefold() for spec in known.cascades.values() for tier in spec.tiers}
    if name.casefold() in tiers and not before:
        raise UsageError(f"{name} is already the name of a tier", "choose another name")
    hint = "choose another name: `tierchat add NAME FILE`; `tierchat ls` lists them"
    for kind, names in (("model", known.models), ("cascade", known.cascades)):
        same = next((n for n in names if n.casefold() == name.casefold()), None)
        if same:
            raise UsageError(f"there is a {kind} named {same} already", hint)


def add_model(name: str, entry: dict[str, Any], paths: Paths) -> None:
    """Write the entry of a model, and a cascade with that model alone.

    Raises UsageError if the name is taken, UnsafePath where the file cannot be written.
    """
    with _changing(paths):
        refuse_taken(name, paths, entry)
        added = _entries(paths)
        added["models"][name] = entry
        if name not in load_catalogue(paths).cascades:
            added["cascades"][name] = {"tiers": [{"name": "S", "model": name}]}
        _write(paths, added)


def forget_model(name: str, paths: Paths) -> bool:
    """Remove an entry that `add_model` made; False if there is none.

    Raises UsageError while a cascade of the user has that model, UnsafePath where the file cannot
    be written.
    """
    if name not in _entries(paths)["models"]:
        return False
    with _changing(paths):
        added = _entries(paths)
        users = [
            cascade
            for cascade, spec in load_catalogue(paths).cascades.items()
            if name in spec.models and cascade not in added["cascades"]
        ]
        if users:
            raise UsageError(
                f"{name} is a tier of {', '.join(users)}", "change your models.toml first"
            )
        added["cascades"].pop(name, None)
        is_there = added["models"].pop(name, None) is not None
        _write(paths, added)
    return is_there


@contextlib.contextmanager
def _changing(paths: Paths) -> Iterator[None]:
    """Keep other processes from changing the file between reading and writing it."""
    make_private(paths.data_dir)
    with changing_for_user(paths.added_models_file):
        yield


def _entries(paths: Paths) -> dict[str, dict[str, Any]]:
    plain: dict[str, dict[str, Any]] = msgspec.to_builtins(added_models(paths))
    return {
        kind: {name: _set_keys(entry) for name, entry in plain[kind].items()}
        for kind in ("models", "cascades")
    }


def _source(entry: dict[str, Any]) -> tuple[str, str]:
    return entry.get("repo", ""), entry["file"]


def _set_keys(entry: dict[str, Any]) -> dict[str, Any]:
    """Leave out the keys that have their default value."""
    kept = {key: value for key, value in entry.items() if key in _WRITTEN and value}
    if "parts" in kept:
        kept["parts"] = [{k: v for k, v in part.items() if v} for part in kept["parts"]]
    if "tiers" in entry:
        kept["tiers"] = [{"name": t["name"], "model": t["model"]} for t in entry["tiers"]]
    return kept


def _write(paths: Paths, entries: dict[str, dict[str, Any]]) -> None:
    lines = [_HEAD]
    for name, entry in entries["models"].items():
        lines.append(f"\n[models.{toml_text(name)}]\n")
        lines += [f"{key} = {_toml(value)}\n" for key, value in entry.items()]
    for name, entry in entries["cascades"].items():
        for tier in entry["tiers"]:
            lines.append(f"\n[[cascades.{toml_text(name)}.tiers]]\n")
            lines += [f"{key} = {toml_text(value)}\n" for key, value in tier.items()]
    replace_file(paths.added_models_file, "".join(lines).encode())


def _toml(value: Any) -> str:
    """Write a value; the parts of a model have a line each."""
    if isinstance(value, list | tuple):
        return "[\n" + "".join(f"    {toml_text(each)},\n" for each in value) + "]"
    return toml_text(value)
