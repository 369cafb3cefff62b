"""GGUFs that are sound but no language models: adapters, image encoders, embedding models.

Does not know vocabularies or tensors. Raises ModelCorrupt that names the kind.
"""

from __future__ import annotations

from collections.abc import Mapping

from tierchat.errors import ModelCorrupt
from tierchat.models.gguf.reader import Value

_WHOLE = "use the GGUF of the language model that it belongs to"
_OTHER = "use a GGUF of a model that writes text, such as an instruction-tuned one"
# By `general.type`.
_TYPES = {
    "adapter": ("a LoRA adapter, which changes a model and is none", _WHOLE),
    "imatrix": ("an importance matrix, from which models are quantised", _WHOLE),
    "mmproj": ("the image or audio encoder (mmproj) of a model", _WHOLE),
}
_EMBEDDER = ("an embedding model, which turns texts into vectors and cannot write", _OTHER)
_PICTURES = ("a model that makes pictures or films", _OTHER)
# By architecture; the names are llama.cpp's and those of other programs that use GGUF.
_ARCHITECTURES = {
    "clip": _TYPES["mmproj"],
    **dict.fromkeys(
        (
            *("bert", "modern-bert", "neo-bert", "eurobert", "nomic-bert", "nomic-bert-moe"),
            *("jina-bert-v2", "jina-bert-v3", "gemma-embedding", "llama-embed", "t5encoder"),
        ),
        _EMBEDDER,
    ),
    **dict.fromkeys(
        (
            *("flux", "sd1", "sd3", "sdxl", "aura", "lumina2", "hidream", "cosmos", "ltxv", "wan"),
            *("hyvid", "qwen_image", "z_image"),
        ),
        _PICTURES,
    ),
    "whisper": ("a model that writes down speech", _OTHER),
    "wavtokenizer-dec": ("the decoder of a model that speaks", _OTHER),
    "t5": ("an encoder and decoder in one, which tierchat does not run", _OTHER),
}


def refuse_other_kinds(architecture: str, metadata: Mapping[str, Value]) -> None:
    """Raise ModelCorrupt for a file that is no language model."""
    kind = metadata.get("general.type")
    found = _TYPES.get(kind) if isinstance(kind, str) else None
    found = found or _ARCHITECTURES.get(architecture)
    if found:
        what, hint = found
        raise ModelCorrupt(f"it is {what}", hint)
