"""A model named by its place on the hub: `owner/repo:file.gguf`.

Does not know the network.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tierchat.config.catalogue import folder_of
from tierchat.errors import UsageError
from tierchat.models.hub.downloads import Downloader
from tierchat.models.hub.names import HubFile
from tierchat.paths import Paths


@dataclass(frozen=True)
class HubModel:
    """A file of a repo that the shipped catalogue does not know, as its entry will stand."""

    name: str
    file: HubFile
    entry: dict[str, Any]


def hub_model(reference: str, downloader: Downloader, paths: Paths, name: str = "") -> HubModel:
    """Ask the hub about `owner/repo[@revision]:file.gguf`, pinned to the commit it is at now.

    Raises UsageError, NetworkError, ModelMissing.
    """
    place, _, file = reference.partition(":")
    repo, _, revision = place.partition("@")
    if not file:
        names = downloader.list_files(repo, revision or "main")
        raise UsageError(f"{repo} has several files", f"add one: {', '.join(names) or 'no GGUF'}")
    found = downloader.describe(repo, revision or "main", file)
    entry = {
        "repo": repo,
        "revision": found.commit,
        "file": file,
        "bytes": found.size_bytes,
        **({"sha256": found.sha256} if found.sha256 else {}),
    }
    target = paths.models_dir / folder_of(repo, found.commit) / file
    hub = HubFile(repo, found.commit, file, target, found.size_bytes, found.sha256)
    return HubModel(name or Path(file).stem.casefold(), hub, entry)
