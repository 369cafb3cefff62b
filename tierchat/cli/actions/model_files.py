"""The files of models on this machine: verified and removed.

Does not know typer, terminals or the network.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from tierchat.config.added_models import forget_model
from tierchat.config.catalogue import ModelSpec, added_models
from tierchat.config.home import Home
from tierchat.errors import ModelMissing, TierchatError, UsageError, did_you_mean
from tierchat.models.gguf.header import read_header
from tierchat.models.hub.part_file import part_path, wrong_path
from tierchat.models.verified_files import hash_file
from tierchat.service.client import Client


@dataclass(frozen=True)
class Verified:
    """The result of checking one file; an empty `problem` means that the file is right."""

    model: str
    problem: str = ""


class ModelFiles:
    """The files of the models that one user can name."""

    def __init__(self, home: Home) -> None:
        self._paths = home.paths
        self._catalogue = home.catalogue

    def verify(
        self, names: tuple[str, ...], on_hash: Callable[[str, int, int], None]
    ) -> Iterator[Verified]:
        """Hash files again, ignoring remembered results; all files that are here unless named."""
        chosen = names or tuple(
            name for name, spec in self._catalogue.models.items() if Path(spec.file).is_file()
        )
        for name in chosen:
            yield Verified(name, self._problem(self._spec(name), name, on_hash))

    def files_to_remove(self, name: str) -> list[Path]:
        """List the files that `remove` would delete, partial and wrong downloads included.

        Raises UsageError for models that came with tierchat, ModelMissing for absent ones.
        """
        spec = self._spec(name)
        path = Path(spec.file)
        if not spec.repo and not self._is_added(name):
            raise UsageError(
                f"{name} is not a model that was pulled or added",
                "bundled ones stay; remove your own from your models.toml",
            )
        others = [n for n, other in self._catalogue.models.items() if other.file == spec.file]
        if not path.is_relative_to(self._paths.models_dir) or len(others) > 1:
            # A file outside our directory is not ours; one of two models is still needed.
            return []
        places = (path, part_path(path), wrong_path(path))
        found = [place for place in places if place.is_symlink() or place.exists()]
        if not found and not self._is_added(name):
            raise ModelMissing(f"{name} is not on this machine", "`tierchat ls` shows what is")
        return found

    def remove(self, name: str) -> int:
        """Delete a model's files and the entry that `add` wrote; returns the bytes freed.

        Raises UsageError for a model that is answering, or whose file another model uses.
        """
        files = self.files_to_remove(name)
        is_added = self._is_added(name)
        if not files and not is_added:
            raise UsageError(f"another model uses the file of {name}", "remove that model first")
        self._unload(name)
        if is_added:
            forget_model(name, self._paths)
        freed = 0
        for path in files:
            # lstat, because the target of a link may be gone.
            if path.lstat().st_nlink == 1 and not path.is_symlink():
                freed += path.lstat().st_size
            path.unlink()
            with contextlib.suppress(OSError):
                path.parent.rmdir()
        with contextlib.suppress(TierchatError):
            Client(self._paths, starts_daemon=False).reload_if_running()
        return freed

    def _unload(self, name: str) -> None:
        client = Client(self._paths, starts_daemon=False)
        status = client.status()
        if status and any(w.model == name and w.pid for w in status.workers):
            client.unload(name)

    def _is_added(self, name: str) -> bool:
        return name in added_models(self._paths).models

    def _spec(self, name: str) -> ModelSpec:
        if name not in self._catalogue.models:
            hint = did_you_mean(name, self._catalogue.models, "`tierchat ls` lists all")
            raise UsageError(f"no model named {name!r}", hint)
        return self._catalogue.models[name]

    def _problem(self, spec: ModelSpec, name: str, on_hash: Callable[[str, int, int], None]) -> str:
        path = Path(spec.file)
        if not path.is_file():
            return "not on this machine"
        try:
            read_header(path)
        except TierchatError as error:
            return error.message
        found = hash_file(path, lambda done, total: on_hash(name, done, total))
        if spec.sha256 and found != spec.sha256.lower():
            return f"its sha256 is {found[:12]}..., the published one is {spec.sha256[:12]}..."
        return ""
