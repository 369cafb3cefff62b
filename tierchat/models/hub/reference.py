"""A model named by its address on the hub: `owner/repo[@revision]:file.gguf`.

Does not know how the hub is asked; the Downloader does that.
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
    """A file of a repo that is not in the catalogue, and the entry to write for it."""

    name: str
    file: HubFile
    entry: dict[str, Any]


def hub_model(reference: str, downloader: Downloader, paths: Paths, name: str = "") -> HubModel:
    """Ask the hub about a reference, and pin it to the commit that its revision names now.

    The name is that of the file unless `name` is given. Raises UsageError, NetworkError,
    ModelMissing.
    """
    address, _, file = reference.partition(":")
    repo, _, revision = address.partition("@")
    if not file:
        names = downloader.list_files(repo, revision or "main")
        if not names:
            raise UsageError(f"{repo} has no GGUF", "name a repo that has one")
        raise UsageError(
            f"{repo} needs a file name, as in {repo}:{names[0]}", f"its files: {', '.join(names)}"
        )
    published = downloader.describe(repo, revision or "main", file)
    entry = {
        "repo": repo,
        "revision": published.commit,
        "file": file,
        "bytes": published.size_bytes,
        **({"sha256": published.sha256} if published.sha256 else {}),
    }
    target = paths.models_dir / folder_of(repo, published.commit) / file
    hub = HubFile(repo, published.commit, file, target, published.size_bytes, published.sha256)
    return HubModel(name or Path(file).stem.casefold(), hub, entry)
