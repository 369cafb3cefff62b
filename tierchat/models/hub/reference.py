"""A model named by its address on the hub: `owner/repo[@revision]:file.gguf` or `:Q4_K_M`.

Does not know how the hub is asked; the Downloader does that.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tierchat.config.catalogue_files import folder_of
from tierchat.config.model_parts import part_names
from tierchat.config.names import name_for
from tierchat.errors import UsageError
from tierchat.models.hub.downloads import Downloader
from tierchat.models.hub.hub import Published
from tierchat.models.hub.names import HubFile, validate_file_name, whole_name
from tierchat.paths import Paths

# Such as Q4_K_M or UD-Q4_K_XL; what has an ending is the name of a file.
_TAG = re.compile(r"[A-Za-z0-9_+-]+(\.[0-9][A-Za-z0-9_+-]*)*")


@dataclass(frozen=True)
class HubModel:
    """A model of a repo that is not in the catalogue: its files, and the entry to write for it."""

    name: str
    files: tuple[HubFile, ...]
    entry: dict[str, Any]

    @property
    def absent(self) -> tuple[HubFile, ...]:
        """The files that are not on this machine."""
        return tuple(file for file in self.files if not file.target.exists())


def hub_model(reference: str, downloader: Downloader, paths: Paths, name: str = "") -> HubModel:
    """Ask the hub about a reference, and pin it to the commit that its revision names now.

    Any part of a split model stands for all of them. The name is that of the file unless `name` is
    given. Raises UsageError, NetworkError, ModelMissing.
    """
    address, _, wanted = reference.partition(":")
    repo, _, revision = address.partition("@")
    if not wanted or _TAG.fullmatch(wanted):
        wanted = _chosen(wanted, downloader.list_files(repo, revision or "main"), repo)
    validate_file_name(wanted)
    found: list[Published] = []
    for file in part_names(wanted):
        # All parts come from the commit of the first one, whatever is pushed meanwhile.
        commit = found[0].commit if found else revision or "main"
        found.append(downloader.describe(repo, commit, file))
    commit = found[0].commit
    folder = paths.models_dir / folder_of(repo, commit)
    files = tuple(
        HubFile(repo, commit, each.file, folder / each.file, each.size_bytes, each.sha256)
        for each in found
    )
    entry = {"repo": repo, "revision": commit, **_keys_of(found)}
    return HubModel(name or name_for(whole_name(found[0].file)), files, entry)


def _keys_of(found: list[Published]) -> dict[str, Any]:
    keys = [
        {
            "file": each.file,
            "bytes": each.size_bytes,
            **({"sha256": each.sha256} if each.sha256 else {}),
        }
        for each in found
    ]
    return keys[0] if len(keys) == 1 else {"file": found[0].file, "parts": keys}


def _chosen(wanted: str, names: list[str], repo: str) -> str:
    """Choose the model of a repo that `wanted` describes, such as Q4_K_M; raises UsageError.

    A repo with one model needs no description.
    """
    models = [name for name in names if part_names(name)[0] == name and not _is_helper(name)]
    if not models:
        raise UsageError(f"{repo} has no GGUF", "name a repo that has one")
    if not wanted and len(models) == 1:
        return models[0]
    hint = f"its files: {', '.join(models)}"
    if not wanted:
        raise UsageError(f"{repo} needs a file name, as in {repo}:{models[0]}", hint)
    tag = re.compile(rf"(?<![a-z0-9]){re.escape(wanted.casefold())}(?![a-z0-9_])")
    found = [name for name in models if tag.search(name.casefold())]
    if not found:
        raise UsageError(f"{repo} has no GGUF that is named {wanted}", hint)
    if len(found) > 1:
        files = ", ".join(found)
        raise UsageError(f"{wanted} stands for {len(found)} GGUFs of {repo}", f"name one: {files}")
    return found[0]


def _is_helper(name: str) -> bool:
    """Whether a file is for a model and is none: an image encoder, an importance matrix."""
    stem = Path(name).stem.casefold()
    return stem.startswith("mmproj") or "imatrix" in stem
