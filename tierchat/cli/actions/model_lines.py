"""Models and cascades of the catalogue as lines of text. Does not know streams."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from tierchat.config.catalogue import Catalogue, ModelSpec
from tierchat.models.gguf.header import GgufHeader
from tierchat.models.hub.part_file import part_path
from tierchat.models.on_disk import is_whole
from tierchat.models.placement.footprint import shape_of_header
from tierchat.models.sampling import by_source
from tierchat.terminal.harmless import harmless
from tierchat.terminal.units import memory_text, size_text
from tierchat.types import SourcedValue

_WIDTH = 16


def header_lines(header: GgufHeader) -> Iterator[str]:
    """Describe a GGUF by its header."""
    shape = shape_of_header(header)
    template = header.chat_template
    facts = {
        "architecture": header.architecture,
        "name": " ".join(harmless(header.name or "-").split()),
        "parameters": _count(header.num_parameters),
        "quantisation": header.quantisation,
        "weights": size_text(header.size_bytes),
        "context": f"{header.context:,} tokens",
        "cache": f"{memory_text(2 * shape.kv_values)} a token (f16)",
        "layers": f"{header.num_layers}, width {header.embedding_length:,}",
        "vocabulary": f"{header.vocabulary_size:,} tokens, table {header.tokens_sha256[:12]}",
        "template": f"{len(template):,} characters" if template else "none: it cannot chat",
    }
    state = sum(shape.layer_state_bytes)
    if state:
        facts["state"] = f"{memory_text(state)} a conversation (hybrid or recurrent memory)"
    if header.integer("expert_used_count"):
        used, experts = header.integer("expert_used_count"), header.integer("expert_count")
        facts["experts"] = f"{used} of {experts} at a time"
    if "tierchat.escalate_token_id" in header.metadata:
        facts["escalate token"] = str(header.metadata["tierchat.escalate_token_id"])
    for name, value in facts.items():
        yield _fact(name, value)


def spec_lines(name: str, spec: ModelSpec) -> Iterator[str]:
    """Describe a model by its entry in the catalogue."""
    yield _fact("model", name)
    if spec.description:
        yield _fact("", spec.description)
    yield _fact("file", spec.file)
    if spec.repo:
        yield _fact("from", f"{spec.repo} at {spec.revision[:12] or 'main'}")
    if spec.bytes:
        yield _fact("size", size_text(spec.bytes))
    if spec.sha256:
        yield _fact("sha256", spec.sha256)
    if spec.license:
        yield _fact("licence", spec.license)


def sampling_lines(values: Mapping[str, SourcedValue]) -> Iterator[str]:
    """Say how tokens are drawn and who says so, a line for each source."""
    name = "sampling"
    for source, found in by_source(values).items():
        pairs = ", ".join(f"{key} {value}" for key, value in found.items())
        yield _fact(name, f"{pairs} ({source})")
        name = ""


def token_tables(tables: dict[str, str]) -> Iterator[str]:
    """Say which models of a cascade share a token table."""
    groups: dict[str, list[str]] = {}
    for model, table in tables.items():
        groups.setdefault(table, []).append(model)
    for table, models in groups.items():
        if len(models) > 1:
            yield f"one token table ({table[:12]}): {', '.join(models)}"
    if len(groups) > 1:
        yield f"{len(groups)} different token tables"


def users(model: str, catalogue: Catalogue) -> str:
    """List the tiers that use a model."""
    found = [
        f"{name}:{tier.name}"
        for name, spec in catalogue.cascades.items()
        for tier in spec.tiers
        if tier.model == model
    ]
    return ", ".join(found)


def file_state(spec: ModelSpec) -> str:
    """Say in a word whether a model's file is here."""
    path = Path(spec.file)
    if path.is_file():
        return "here" if is_whole(spec) else "damaged"
    part = part_path(path)
    if part.exists() and spec.bytes:
        return f"{part.stat().st_size / spec.bytes:.0%} here"
    return "-" if spec.repo else "missing"


def _count(number: int) -> str:
    return f"{number / 1e9:.2f} billion" if number >= 1e9 else f"{number / 1e6:.2f} million"


def _fact(name: str, value: str) -> str:
    return f"{name:<{_WIDTH}} {value}"
