"""Models and cascades of the catalogue as lines of text. Does not know streams."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from tierchat.config.catalogue import Catalogue, ModelSpec
from tierchat.config.chat_formats import is_template_name
from tierchat.models.gguf.header import GgufHeader
from tierchat.models.on_disk import absent_files, is_whole, num_bytes_arrived
from tierchat.models.placement.footprint import shape_of_header
from tierchat.models.sampling import by_source
from tierchat.outcomes import SourcedValue
from tierchat.terminal.harmless import harmless
from tierchat.terminal.units import memory_text, size_text

_WIDTH = 16


def header_lines(header: GgufHeader) -> Iterator[str]:
    """Describe a GGUF by its header."""
    shape = shape_of_header(header)
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
        "template": _template(header),
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
    yield from parts_line(len(spec.files))
    if spec.repo:
        yield _fact("from", f"{spec.repo} at {spec.revision[:12] or 'main'}")
    if spec.bytes:
        yield _fact("size", size_text(spec.bytes))
    for number, file in enumerate(spec.files, 1):
        if file.sha256:
            label = "sha256" if len(spec.files) == 1 else f"sha256 of {number}"
            yield _fact(label, file.sha256)
    if spec.license:
        yield _fact("licence", spec.license)
    if spec.template:
        yield _fact("chat template", f"{spec.template}, instead of the model's own")


def sampling_lines(values: Mapping[str, SourcedValue]) -> Iterator[str]:
    """Say how tokens are drawn and who says so, a line for each source."""
    name = "sampling"
    for source, found in by_source(values).items():
        pairs = ", ".join(f"{key} {value}" for key, value in found.items())
        yield _fact(name, f"{pairs} ({source})")
        name = ""


def parts_line(num_parts: int) -> Iterator[str]:
    """Say of a split model how many files it has."""
    if num_parts > 1:
        yield _fact("parts", f"{num_parts} files, this one and the next beside it")


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
    """Say in a few words whether a model's files are here."""
    absent = absent_files(spec)
    if not absent:
        return "here" if is_whole(spec) else "damaged"
    if any(path.exists() for path in absent):
        return "not a file"
    if not spec.repo:
        parts = len(spec.files)
        return "missing" if len(absent) == parts else f"{len(absent)} of {parts} parts missing"
    arrived = num_bytes_arrived(spec)
    if not arrived or not spec.bytes:
        return "-"
    share = f"{arrived / spec.bytes:.0%}"
    return f"{'<1%' if share == '0%' else share} here"


def _template(header: GgufHeader) -> str:
    """Describe the chat template of a GGUF as far as its text shows."""
    source = header.chat_template
    if not source:
        return "none: `--template` of `tierchat add` gives it one"
    if "{" not in source:
        is_known = is_template_name(source)
        return f"{source}, by name" if is_known else f"{source}: tierchat has none of that name"
    facts = [f"{len(source):,} characters"]
    facts += ["a switch for thinking"] if "enable_thinking" in source else []
    others = ", ".join(header.other_templates)
    facts += [f"others, which are not used: {harmless(others)}"] if others else []
    return "; ".join(facts)


def _count(number: int) -> str:
    return f"{number / 1e9:.2f} billion" if number >= 1e9 else f"{number / 1e6:.2f} million"


def _fact(name: str, value: str) -> str:
    return f"{name:<{_WIDTH}} {value}"
