"""Read a bundled GGUF back into the torch model and the tokenizer it was trained with.

Does not know training. Workers read the same files through llama.cpp.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from tokenizers import Tokenizer

from tierchat.pocket.recipe import model, tokenizer


@dataclass(frozen=True)
class Shipped:
    """One bundled model with what its file says about itself."""

    name: str
    net: model.Llama
    escalate_threshold: float
    answer_threshold: float
    num_parameters: int


def load(path: Path) -> Shipped:
    """Read weights (dequantised to float32) and tierchat's keys."""
    import gguf

    reader = gguf.GGUFReader(path)
    tensors = {
        t.name: torch.from_numpy(
            np.array(gguf.quants.dequantize(t.data, t.tensor_type), np.float32)
        )
        for t in reader.tensors
    }
    blocks = int(reader.fields["llama.block_count"].contents())
    joined = {
        n: v
        for n, v in tensors.items()
        if not any(f".{k}." in n for k in ("attn_q", "attn_k", "attn_v", "ffn_gate", "ffn_up"))
    }
    for index in range(blocks):
        at = f"blk.{index}"
        joined[f"{at}.attn_qkv.weight"] = torch.cat(
            [tensors[f"{at}.attn_{w}.weight"] for w in "qkv"]
        )
        joined[f"{at}.ffn_gate_up.weight"] = torch.cat(
            [tensors[f"{at}.ffn_{w}.weight"] for w in ("gate", "up")]
        )
    vocab_size, width = tensors["token_embd.weight"].shape
    hidden = tensors["blk.0.ffn_gate.weight"].shape[0]
    net = model.Llama(model.Shape(width, blocks, hidden, vocab_size))
    net.load_state_dict(joined)
    return Shipped(
        name=str(reader.fields["general.name"].contents()),
        net=net,
        escalate_threshold=float(reader.fields["tierchat.escalate_threshold"].contents()),
        answer_threshold=float(reader.fields["tierchat.answer_threshold"].contents()),
        num_parameters=net.shape.num_parameters,
    )


def load_tokenizer(path: Path) -> Tokenizer:
    """Rebuild the tokenizer from the lists inside a GGUF."""
    import gguf

    return tokenizer.from_gguf(gguf.GGUFReader(path))
