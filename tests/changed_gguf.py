"""Copies of bundled models with other keys in their headers. Does not know what keys mean."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import gguf

import tierchat

_MODELS = Path(tierchat.__file__).parent / "pocket" / "models"


def changed(
    path: Path,
    texts: Mapping[str, str | None],
    model: str = "pocket-xs",
    architecture: str = "llama",
) -> Path:
    """Write a model with other texts in its header; None leaves a key out."""
    reader, writer = gguf.GGUFReader(_MODELS / f"{model}.gguf"), gguf.GGUFWriter(path, architecture)
    for key, field in reader.fields.items():
        if key.startswith("GGUF.") or key == "general.architecture" or key in texts:
            continue
        inner = field.types[1] if len(field.types) > 1 else None
        named = key.replace("llama.", f"{architecture}.", 1) if key.startswith("llama.") else key
        writer.add_key_value(named, field.contents(), field.types[0], inner)
    for key, text in texts.items():
        if text is not None:
            writer.add_string(key, text)
    for tensor in reader.tensors:
        writer.add_tensor(tensor.name, tensor.data, raw_dtype=tensor.tensor_type)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path
