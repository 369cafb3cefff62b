"""The files of models on this machine: verified and removed.

Does not know typer, terminals or the network.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from tierchat.atomic_file import locked
from tierchat.config.added_models import forget_model
from tierchat.config.catalogue import ModelSpec
from tierchat.config.catalogue_files import added_models, origins, shipped_models_file
from tierchat.config.home import Home
from tierchat.errors import ModelMissing, TierchatError, UsageError, did_you_mean
from tierchat.models.gguf.header import read_header
from tierchat.models.hub.part_file import disk_errors, part_path, wrong_path
from tierchat.models.on_disk import absent_files, size_on_disk
from tierchat.models.verified_files import hash_file
from tierchat.service.client import Client

OnHash = Callable[[str, int, int], None]


@dataclass(frozen=True)
class Verified:
    """The result of checking one model; an empty `problem` means that its files are right."""

    model: str
    problem: str = ""
    is_published: bool = True


@dataclass(frozen=True)
class Removal:
    """What removing a model does: `deleted` files go, `kept` files stay, and why they stay."""

    model: str
    deleted: tuple[Path, ...]
    kept: tuple[Path, ...] = ()
    why_kept: str = ""
    is_forgotten: bool = False


class ModelFiles:
    """The files of the models that one user can name."""

    def __init__(self, home: Home) -> None:
        self._paths = home.paths
        self._catalogue = home.catalogue

    def verify(self, names: tuple[str, ...], on_hash: OnHash) -> Iterator[Verified]:
        """Hash files again, ignoring remembered results; all files that are here unless named."""
        chosen = names or tuple(
            name for name, spec in self._catalogue.models.items() if _has_begun(spec)
        )
        for name in chosen:
            spec = self._spec(name)
            is_published = all(file.sha256 for file in spec.files)
            yield Verified(name, _problem(spec, name, on_hash), is_published)

    def removal(self, name: str) -> Removal:
        """Plan what `remove` does; partial and wrong downloads go, too.

        Raises UsageError for models that `rm` does not remove, ModelMissing for absent ones.
        """
        spec = self._spec(name)
        is_added = name in added_models(self._paths).models
        if not spec.repo and not is_added:
            raise self._not_removed(name)
        found = [
            place
            for path in spec.paths
            for place in (path, part_path(path), wrong_path(path))
            if place.is_symlink() or place.exists()
        ]
        others = [
            other
            for other, its in self._catalogue.models.items()
            if other != name and set(its.paths) & set(spec.paths)
        ]
        if found and others:
            if not is_added:
                raise UsageError(
                    f"another model uses the file of {name}", f"first: tierchat rm {others[0]}"
                )
            return Removal(name, (), tuple(found), f"{', '.join(others)} uses it", True)
        if not Path(spec.file).is_relative_to(self._paths.models_dir):
            return Removal(
                name,
                (),
                tuple(found),
                "tierchat did not fetch them" if len(found) > 1 else "tierchat did not fetch it",
                is_added,
            )
        if not found and not is_added:
            raise ModelMissing(f"{name} is not on this machine", "`tierchat ls` shows what is")
        return Removal(name, tuple(found), is_forgotten=is_added)

    def remove(self, removal: Removal) -> int:
        """Delete files, and the entry that `add` wrote; returns the bytes freed.

        Raises UsageError for a model that is answering, being fetched, or part of a cascade.
        """
        spec = self._spec(removal.model)
        with self._nobody_fetches(removal.model, spec):
            self._unload(removal.model)
            if removal.is_forgotten:
                forget_model(removal.model, self._paths)
            freed = sum(_delete(path) for path in removal.deleted)
        for path in removal.deleted:
            self._remove_empty_folders(path)
        with contextlib.suppress(TierchatError):
            Client(self._paths, starts_daemon=False).reload_if_running()
        return freed

    def _remove_empty_folders(self, path: Path) -> None:
        with contextlib.suppress(OSError):
            for folder in path.parents:
                if folder == self._paths.models_dir:
                    break
                folder.rmdir()

    @contextlib.contextmanager
    def _nobody_fetches(self, name: str, spec: ModelSpec) -> Iterator[None]:
        """Keep downloads of the model out; a lock file that a killed one left goes with this."""

        def refuse() -> None:
            raise UsageError(f"{name} is being fetched at the moment", "stop that `tierchat pull`")

        with contextlib.ExitStack() as locks:
            for path in spec.paths:
                if path.is_relative_to(self._paths.models_dir) and path.parent.is_dir():
                    locks.enter_context(locked(path, refuse))
            yield

    def _unload(self, name: str) -> None:
        client = Client(self._paths, starts_daemon=False)
        status = client.status()
        # A worker that another name shares stays for that one.
        if status and any(w.models == (name,) and w.pid for w in status.workers):
            client.unload(name)

    def _not_removed(self, name: str) -> UsageError:
        source = next(
            origin.keys.get("file", "")
            for origin in origins(self._paths)
            if (origin.kind, origin.name) == ("models", name)
        )
        if source == str(shipped_models_file()):
            return UsageError(f"{name} came with tierchat: the bundled ones stay")
        return UsageError(
            f"{name} is an entry of your own in {source}",
            f"delete [models.{name}] there, and the tiers that name it; its file is left alone",
        )

    def _spec(self, name: str) -> ModelSpec:
        if name in self._catalogue.models:
            return self._catalogue.models[name]
        if name in self._catalogue.cascades:
            models = ", ".join(self._catalogue.cascades[name].models)
            raise UsageError(
                f"{name} is a cascade, not a model", f"name one of its models: {models}"
            )
        hint = did_you_mean(name, self._catalogue.models, "`tierchat ls` lists all")
        raise UsageError(f"no model named {name!r}", hint)


def _problem(spec: ModelSpec, name: str, on_hash: OnHash) -> str:
    """Say what is wrong with the files of a model; empty if they are right."""
    absent, count = absent_files(spec), len(spec.files)
    if odd := next((path for path in absent if path.exists()), None):
        return f"{odd} is {'a directory' if odd.is_dir() else 'not a file'}"
    if absent:
        return "not on this machine" if len(absent) == count else _absent_parts(absent, count)
    try:
        read_header(Path(spec.file))
    except TierchatError as error:
        return error.message
    total, done = size_on_disk(spec), 0

    def tell(num_read: int, _size_bytes: int) -> None:
        on_hash(name, done + num_read, total)

    for number, file in enumerate(spec.files, 1):
        found = hash_file(Path(file.file), tell)
        if file.sha256 and found != file.sha256.lower():
            part = f"part {number}: " if count > 1 else ""
            published = f"the published one is {file.sha256[:12]}..."
            return f"{part}its sha256 is {found[:12]}..., {published}"
        done += Path(file.file).stat().st_size
    return ""


def _absent_parts(absent: list[Path], count: int) -> str:
    names = ", ".join(path.name for path in absent[:3])
    more = ", ..." if len(absent) > 3 else ""
    verb = "is" if len(absent) == 1 else "are"
    return f"{len(absent)} of its {count} parts {verb} not here: {names}{more}"


def _has_begun(spec: ModelSpec) -> bool:
    """Whether a file of the model is here; a directory in its place counts, to be told of."""
    return any(path.exists() for path in spec.paths)


def _delete(path: Path) -> int:
    """Delete a file; returns the bytes freed, none for one of two links."""
    with disk_errors(path):
        # lstat, because the target of a link may be gone.
        stat = path.lstat()
        freed = stat.st_size if stat.st_nlink == 1 and not path.is_symlink() else 0
        path.unlink()
    return freed
