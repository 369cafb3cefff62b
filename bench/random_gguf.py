"""Write a random-weight GGUF of a real shape: `python bench/random_gguf.py OUT.gguf`.

Speed, memory and loading do not depend on what the weights are. The shape is that of a 0.6 B
qwen3 (28 layers, width 1024, 16 heads on 8 key-value heads of 128, feed-forward 3072, vocabulary
151,936 tied to the output), Q8_0.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import gguf
import numpy as np

WIDTH, LAYERS, HEADS, KV_HEADS, HEAD, HIDDEN, VOCABULARY = 1024, 28, 16, 8, 128, 3072, 151_936
Q8_0 = gguf.GGMLQuantizationType.Q8_0


def byte_letters() -> list[str]:
    """List the 256 letters that stand for bytes in a gpt2 vocabulary."""
    plain = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [byte for byte in range(256) if byte not in plain]
    return [chr(byte) for byte in plain] + [chr(256 + place) for place in range(len(others))]


def write(path: Path, seed: int = 0) -> None:
    """Write the file; takes about half a minute."""
    rng = np.random.default_rng(seed)
    writer = gguf.GGUFWriter(path, "qwen3")
    writer.add_name("random-0.6b")
    writer.add_context_length(4096)
    writer.add_embedding_length(WIDTH)
    writer.add_block_count(LAYERS)
    writer.add_feed_forward_length(HIDDEN)
    writer.add_head_count(HEADS)
    writer.add_head_count_kv(KV_HEADS)
    writer.add_key_length(HEAD)
    writer.add_value_length(HEAD)
    writer.add_layer_norm_rms_eps(1e-6)
    writer.add_rope_freq_base(1_000_000.0)
    writer.add_file_type(gguf.LlamaFileType.MOSTLY_Q8_0)
    letters = byte_letters()
    tokens = [*letters, *(f"<unused{n}>" for n in range(VOCABULARY - len(letters) - 1)), "<end>"]
    kinds = [gguf.TokenType.NORMAL] * (VOCABULARY - 1) + [gguf.TokenType.CONTROL]
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("qwen2")
    writer.add_token_list(tokens)
    writer.add_token_types(kinds)
    writer.add_token_merges(["Ġ Ġ"])
    writer.add_eos_token_id(VOCABULARY - 1)
    writer.add_add_bos_token(False)
    writer.add_chat_template("{% for m in messages %}{{ m.content }}{% endfor %}")

    def matrix(name: str, rows: int, columns: int) -> None:
        values = rng.standard_normal((rows, columns), np.float32) / np.float32(columns**0.5)
        writer.add_tensor(name, gguf.quants.quantize(values, Q8_0), raw_dtype=Q8_0)

    def norm(name: str, size: int) -> None:
        writer.add_tensor(name, np.ones(size, np.float32))

    matrix("token_embd.weight", VOCABULARY, WIDTH)
    norm("output_norm.weight", WIDTH)
    for layer in range(LAYERS):
        at = f"blk.{layer}"
        norm(f"{at}.attn_norm.weight", WIDTH)
        norm(f"{at}.ffn_norm.weight", WIDTH)
        norm(f"{at}.attn_q_norm.weight", HEAD)
        norm(f"{at}.attn_k_norm.weight", HEAD)
        matrix(f"{at}.attn_q.weight", HEADS * HEAD, WIDTH)
        matrix(f"{at}.attn_k.weight", KV_HEADS * HEAD, WIDTH)
        matrix(f"{at}.attn_v.weight", KV_HEADS * HEAD, WIDTH)
        matrix(f"{at}.attn_output.weight", WIDTH, HEADS * HEAD)
        matrix(f"{at}.ffn_gate.weight", HIDDEN, WIDTH)
        matrix(f"{at}.ffn_up.weight", HIDDEN, WIDTH)
        matrix(f"{at}.ffn_down.weight", WIDTH, HIDDEN)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path)
    write(parser.parse_args().out)
