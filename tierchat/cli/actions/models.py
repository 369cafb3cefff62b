"""The models of the catalogue as they are on this machine: listed, shown, checked, removed.

Does not know typer, terminals or the network.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from tierchat.cli.actions.model_lines import (
    file_state,
    header_lines,
    spec_lines,
    token_tables,
    users,
)
from tierchat.config.added_models import forget_model
from tierchat.config.catalogue import ModelSpec
from tierchat.config.home import Home
from tierchat.errors import ModelMissing, TierchatError, UsageError
from tierchat.models.gguf.header import GgufHeader, read_header
from tierchat.models.hub.part_file import part_path, wrong_path
from tierchat.models.verified_files import hash_file
from tierchat.service.client import Client
from tierchat.terminal.table import table
from tierchat.terminal.units import size_text


@dataclass(frozen=True)
class Verified:
    """What a check of one file found; no `problem` is good."""

    model: str
    problem: str = ""


class ModelListing:
    """All models one user can name."""

    def __init__(self, home: Home) -> None:
        self._paths = home.paths
        self._catalogue = home.catalogue

    def list_lines(self) -> list[str]:
        """List every model: its state, size and tiers."""
        rows: list[tuple[str, ...]] = [("MODEL", "STATE", "SIZE", "TIERS")]
        for name, spec in self._catalogue.models.items():
            size = _size_bytes(spec)
            tiers = users(name, self._catalogue) or "-"
            rows.append((name, file_state(spec), size_text(size) if size else "-", tiers))
        return table(rows)

    def list_json(self) -> str:
        """The same as one JSON line."""
        found = [
            {
                "model": name,
                "state": file_state(spec),
                "is_here": Path(spec.file).is_file(),
                "bytes": _size_bytes(spec),
                "file": spec.file,
                "repo": spec.repo or None,
                "tiers": list(filter(None, users(name, self._catalogue).split(", "))),
            }
            for name, spec in self._catalogue.models.items()
        ]
        return msgspec.json.encode(found).decode()

    def show_lines(self, name: str) -> Iterator[str]:
        """Describe a model or a cascade; raises UsageError for neither."""
        if name in self._catalogue.models:
            yield from self._model_lines(name)
            return
        if name not in self._catalogue.cascades:
            raise UsageError(f"no model or cascade named {name!r}", "`tierchat ls` lists all")
        spec = self._catalogue.cascades[name]
        yield f"cascade {name}: {spec.description}".rstrip(": ")
        rows: list[tuple[str, ...]] = [("TIER", "MODEL", "STATE", "GATE", "THINKS")]
        for tier in self._catalogue.effective(name).tiers:
            state = file_state(self._catalogue.models[tier.model])
            thinks = {None: "-", True: "yes", False: "no"}[tier.think]
            rows.append((tier.name, tier.model, state, tier.gate, thinks))
        yield from table(rows)
        tables: dict[str, str] = {}
        for model in spec.models:
            try:
                header = self._header(model)
            except TierchatError as error:
                yield f"{model}: {error.message}"
            else:
                tables |= {model: header.tokens_sha256} if header else {}
        yield from token_tables(tables)

    def show_json(self, name: str) -> str:
        """The same as one JSON line."""
        if name in self._catalogue.cascades and name not in self._catalogue.models:
            spec = self._catalogue.effective(name)
            models = {model: self._facts(model) for model in spec.models}
            return msgspec.json.encode({"cascade": name, **_plain(spec), "models": models}).decode()
        if name not in self._catalogue.models:
            raise UsageError(f"no model or cascade named {name!r}", "`tierchat ls` lists all")
        return msgspec.json.encode({"model": name, **self._facts(name)}).decode()

    def verify(
        self, names: tuple[str, ...], on_hash: Callable[[str, int, int], None]
    ) -> Iterator[Verified]:
        """Hash files again, whatever is remembered; all that are here unless named."""
        chosen = names or tuple(
            name for name, spec in self._catalogue.models.items() if Path(spec.file).is_file()
        )
        for name in chosen:
            yield Verified(name, self._problem(self._spec(name), name, on_hash))

    def files_to_remove(self, name: str) -> list[Path]:
        """Name what `remove` would delete: files we fetched, partial and wrong ones too.

        Raises UsageError for models that came with tierchat, ModelMissing for absent ones.
        """
        spec = self._spec(name)
        path = Path(spec.file)
        if not spec.repo and not self._is_added(name):
            raise UsageError(
                f"{name} is not a model that was pulled or added",
                "bundled ones stay; your own stand in your models.toml",
            )
        others = [n for n, other in self._catalogue.models.items() if other.file == spec.file]
        if not path.is_relative_to(self._paths.models_dir) or len(others) > 1:
            # Not ours to delete, or somebody else's, too.
            return []
        places = (path, part_path(path), wrong_path(path))
        found = [place for place in places if place.is_symlink() or place.exists()]
        if not found and not self._is_added(name):
            raise ModelMissing(f"{name} is not on this machine", "`tierchat ls` shows what is")
        return found

    def remove(self, name: str) -> int:
        """Delete a model's files and what `add` noted of it; returns the bytes freed.

        Raises UsageError for one that is answering, or that was never here.
        """
        files = self.files_to_remove(name)
        is_added = self._is_added(name)
        if not files and not is_added:
            raise UsageError(f"another model stands on the file of {name}", "remove that first")
        self._unload(name)
        if is_added:
            forget_model(name, self._paths)
        freed = 0
        for path in files:
            # Of a link itself: what it points to may be gone.
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
        from tierchat.config.catalogue import added_models

        return name in added_models(self._paths).models

    def _spec(self, name: str) -> ModelSpec:
        if name not in self._catalogue.models:
            raise UsageError(f"no model named {name!r}", "`tierchat ls` lists all")
        return self._catalogue.models[name]

    def _header(self, name: str) -> GgufHeader | None:
        path = Path(self._spec(name).file)
        return read_header(path) if path.is_file() else None

    def _model_lines(self, name: str) -> Iterator[str]:
        yield from spec_lines(name, self._spec(name))
        tiers = users(name, self._catalogue)
        if tiers:
            yield f"{'tiers':<16} {tiers}"
        yield f"{'state':<16} {file_state(self._spec(name))}"
        header = self._header(name)
        if header:
            yield from header_lines(header)

    def _facts(self, name: str) -> dict[str, Any]:
        found: dict[str, Any] = _plain(self._spec(name))
        try:
            header = self._header(name)
        except TierchatError as error:
            return {**found, "is_here": True, "problem": error.message}
        found["is_here"] = header is not None
        if header:
            found["header"] = {
                "architecture": header.architecture,
                "name": header.name,
                "parameters": header.num_parameters,
                "quantisation": header.quantisation,
                "context": header.context,
                "vocabulary_size": header.vocabulary_size,
                "tokens_sha256": header.tokens_sha256,
                "has_template": bool(header.chat_template),
            }
        return found

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
            return f"its sha256 is {found[:12]}..., published is {spec.sha256[:12]}..."
        return ""


def _size_bytes(spec: ModelSpec) -> int:
    path = Path(spec.file)
    return path.stat().st_size if path.is_file() else spec.bytes


def _plain(value: Any) -> dict[str, Any]:
    found: dict[str, Any] = msgspec.to_builtins(value)
    return found
