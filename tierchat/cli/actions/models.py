"""`tierchat ls` and `show`: the models of the catalogue as they are on this machine.

Does not know typer, terminals or the network.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from tierchat.cli.actions.model_lines import (
    file_state,
    header_lines,
    sampling_lines,
    spec_lines,
    token_tables,
    users,
)
from tierchat.config.catalogue import ModelSpec
from tierchat.config.home import Home
from tierchat.errors import TierchatError
from tierchat.models.gguf.header import GgufHeader, read_header
from tierchat.models.on_disk import is_here, size_on_disk
from tierchat.models.sampling import of_model
from tierchat.terminal.table import table
from tierchat.terminal.units import size_text


class ModelListing:
    """All models and cascades that one user can name."""

    def __init__(self, home: Home) -> None:
        self._catalogue = home.catalogue

    def list_lines(self) -> list[str]:
        """List every model: its state, size and tiers."""
        rows: list[tuple[str, ...]] = [("MODEL", "STATE", "SIZE", "TIERS")]
        for name, spec in self._catalogue.models.items():
            size = _size_bytes(spec)
            tiers = users(name, self._catalogue) or "-"
            rows.append((name, file_state(spec), size_text(size) if size else "-", tiers))
        return table(rows)

    def list_facts(self) -> list[dict[str, Any]]:
        """Return the same as plain values, for JSON."""
        return [
            {
                "model": name,
                "state": file_state(spec),
                "is_here": is_here(spec),
                "bytes": _size_bytes(spec),
                "file": spec.file,
                "repo": spec.repo or None,
                "tiers": list(filter(None, users(name, self._catalogue).split(", "))),
            }
            for name, spec in self._catalogue.models.items()
        ]

    def show_lines(self, name: str) -> Iterator[str]:
        """Describe a model or a cascade; raises UsageError for an unknown name."""
        if name in self._catalogue.models:
            yield from self._model_lines(name)
            return
        if name not in self._catalogue.cascades:
            raise self._catalogue.unknown(name)
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

    def show_facts(self, name: str) -> dict[str, Any]:
        """Return the same as plain values, for JSON; raises UsageError for an unknown name."""
        if name in self._catalogue.cascades and name not in self._catalogue.models:
            spec = self._catalogue.effective(name)
            models = {model: self._facts(model) for model in spec.models}
            return {"cascade": name, **_plain(spec), "models": models}
        if name not in self._catalogue.models:
            raise self._catalogue.unknown(name)
        return {"model": name, **self._facts(name)}

    def _header(self, name: str) -> GgufHeader | None:
        spec = self._catalogue.models[name]
        return read_header(Path(spec.file)) if is_here(spec) else None

    def _model_lines(self, name: str) -> Iterator[str]:
        yield from spec_lines(name, self._catalogue.models[name])
        tiers = users(name, self._catalogue)
        if tiers:
            yield f"{'tiers':<16} {tiers}"
        yield f"{'state':<16} {file_state(self._catalogue.models[name])}"
        header = self._header(name)
        yield from sampling_lines(of_model(name, self._catalogue, header).values)
        if header:
            yield from header_lines(header)

    def _facts(self, name: str) -> dict[str, Any]:
        found: dict[str, Any] = _plain(self._catalogue.models[name])
        try:
            header = self._header(name)
        except TierchatError as error:
            return {**found, "is_here": True, "problem": error.message}
        found["is_here"] = header is not None
        drawn = of_model(name, self._catalogue, header).values
        found["sampling_in_force"] = msgspec.to_builtins(drawn)
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


def _size_bytes(spec: ModelSpec) -> int:
    return size_on_disk(spec) if is_here(spec) else spec.bytes or size_on_disk(spec)


def _plain(value: Any) -> dict[str, Any]:
    found: dict[str, Any] = msgspec.to_builtins(value)
    return found
