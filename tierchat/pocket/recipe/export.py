"""Write a trained model as GGUF.

    python -m tierchat.pocket.recipe.export CHECKPOINT TOKENIZER OUT.gguf

Does not know training. The torch model rotates interleaved pairs as `llama` does, so nothing is
permuted.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tierchat.pocket.recipe import tokenizer

RECIPE = "pocket-1"


@dataclass(frozen=True)
class Card:
    """What the file says about itself; the thresholds come from `measure.thresholds`."""

    name: str
    size_label: str
    is_q8: bool
    context_length: int
    escalate_threshold: float = 0.5
    answer_threshold: float = -1.0
    data_seed: int = 0


def export(checkpoint: Path, vocabulary: Path, out: Path, card: Card) -> None:
    """Write one GGUF: F16 or Q8_0 matrices, F32 norms, tokenizer, template, tierchat's keys."""
    import gguf

    with np.load(checkpoint) as stored:
        shape = json.loads(str(stored["_facts"]))["shape"]
        tensors = {name: stored[name] for name in stored.files if name != "_facts"}
    writer = gguf.GGUFWriter(out, "llama")
    writer.add_name(card.name)
    writer.add_size_label(card.size_label)
    writer.add_license("MIT")
    writer.add_description(
        "Bundled with tierchat: school arithmetic and number puzzles, English and Russian."
    )
    writer.add_context_length(card.context_length)
    writer.add_embedding_length(shape["width"])
    writer.add_block_count(shape["num_layers"])
    writer.add_feed_forward_length(shape["hidden"])
    writer.add_head_count(shape["width"] // 32)
    writer.add_head_count_kv(shape["width"] // 32)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_rope_freq_base(10_000.0)
    writer.add_rope_dimension_count(32)
    writer.add_vocab_size(shape["vocab_size"])
    writer.add_file_type(
        gguf.LlamaFileType.MOSTLY_Q8_0 if card.is_q8 else gguf.LlamaFileType.MOSTLY_F16
    )
    _add_vocabulary(writer, vocabulary)
    writer.add_uint32("tierchat.escalate_token_id", tokenizer.ESCALATE)
    writer.add_float32("tierchat.escalate_threshold", card.escalate_threshold)
    writer.add_float32("tierchat.answer_threshold", card.answer_threshold)
    writer.add_string("tierchat.recipe", RECIPE)
    writer.add_uint32("tierchat.data_seed", card.data_seed)
    for name, tensor in tensors.items():
        for part, array in _split(name, tensor):
            if array.ndim == 1:
                writer.add_tensor(part, array.astype(np.float32))
            elif card.is_q8:
                kind = gguf.GGMLQuantizationType.Q8_0
                writer.add_tensor(part, gguf.quants.quantize(array, kind), raw_dtype=kind)
            else:
                writer.add_tensor(part, array.astype(np.float16))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def _split(name: str, tensor: np.ndarray) -> list[tuple[str, np.ndarray]]:
    """Split the joint matrices that make training faster."""
    if "attn_qkv" in name:
        parts = np.split(tensor, 3)
        return [
            (name.replace("qkv", which), part) for which, part in zip("qkv", parts, strict=True)
        ]
    if "ffn_gate_up" in name:
        gate, up = np.split(tensor, 2)
        return [(name.replace("gate_up", "gate"), gate), (name.replace("gate_up", "up"), up)]
    return [(name, tensor)]


def _add_vocabulary(writer: object, path: Path) -> None:
    import gguf

    assert isinstance(writer, gguf.GGUFWriter)
    bpe = json.loads(path.read_text())["model"]
    tokens = [text for text, _ in sorted(bpe["vocab"].items(), key=lambda item: item[1])]
    kinds = [
        gguf.TokenType.CONTROL if text in tokenizer.SPECIALS else gguf.TokenType.NORMAL
        for text in tokens
    ]
    merges = [merge if isinstance(merge, str) else " ".join(merge) for merge in bpe["merges"]]
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("qwen2")
    writer.add_token_list(tokens)
    writer.add_token_types(kinds)
    writer.add_token_merges(merges)
    writer.add_eos_token_id(tokenizer.END)
    writer.add_pad_token_id(tokenizer.END)
    writer.add_add_bos_token(False)
    writer.add_chat_template(tokenizer.CHAT_TEMPLATE)


def main() -> None:
    """Export one checkpoint."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("vocabulary", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--name", required=True)
    parser.add_argument("--size-label", required=True)
    parser.add_argument("--q8", action="store_true")
    parser.add_argument("--context", type=int, default=512)
    parser.add_argument("--escalate-threshold", type=float, default=0.5)
    parser.add_argument("--answer-threshold", type=float, default=-1.0)
    args = parser.parse_args()
    card = Card(
        args.name,
        args.size_label,
        args.q8,
        args.context,
        args.escalate_threshold,
        args.answer_threshold,
    )
    export(args.checkpoint, args.vocabulary, args.out, card)


if __name__ == "__main__":
    main()
