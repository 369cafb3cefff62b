"""Tiny random-weight GGUFs whose memory cannot roll back: `python tests/hybrid_gguf.py OUT.gguf`.

Their answers are nonsense, but always the same. Vocabulary and chat template are those of a bundled
model, so that a test can hold a conversation. Does not know the engine.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

import gguf
import numpy as np
import numpy.typing as npt

import tierchat

KINDS = ("qwen35", "lfm2", "mamba")
_WORDS_FROM = Path(tierchat.__file__).parent / "pocket" / "models" / "pocket-xs.gguf"
_WIDTH, _LAYERS, _FFN, _CONTEXT = 64, 4, 128, 2048
_HEADS, _KV_HEADS, _HEAD = 2, 1, 32
# Gated delta net: more value heads than key heads, as in the published models.
_STATE, _KEY_HEADS, _VALUE_HEADS, _KERNEL = 32, 1, 2, 4
_MAMBA_STATE, _MAMBA_RANK = 16, 4
Shapes = Iterator[tuple[str, tuple[int, ...]]]


def write(path: Path, kind: str = "qwen35", seed: int = 0) -> Path:
    """Write the file, about 1 MB, and return its path."""
    writer, rng = gguf.GGUFWriter(path, kind), np.random.default_rng(seed)
    writer.add_name(f"random-{kind}")
    writer.add_context_length(_CONTEXT)
    writer.add_embedding_length(_WIDTH)
    writer.add_block_count(_LAYERS)
    writer.add_feed_forward_length(0 if kind == "mamba" else _FFN)
    writer.add_layer_norm_rms_eps(1e-6)
    writer.add_file_type(gguf.LlamaFileType.ALL_F32)
    settings, tensors = {
        "qwen35": (_qwen35_settings, _qwen35_tensors),
        "lfm2": (_lfm2_settings, _lfm2_tensors),
        "mamba": (_mamba_settings, _mamba_tensors),
    }[kind]
    settings(writer)
    num_words = _copy_words(writer)
    for name, shape in (("token_embd.weight", (num_words, _WIDTH)), *tensors()):
        writer.add_tensor(name, _values(name, shape, rng))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def _copy_words(writer: gguf.GGUFWriter) -> int:
    fields = gguf.GGUFReader(_WORDS_FROM).fields
    for key, field in fields.items():
        if key.startswith("tokenizer."):
            inner = field.types[1] if len(field.types) > 1 else None
            writer.add_key_value(key, field.contents(), field.types[0], inner)
    return len(fields["tokenizer.ggml.tokens"].contents())


def _values(name: str, shape: tuple[int, ...], rng: np.random.Generator) -> npt.NDArray[np.float32]:
    if name.endswith("ssm_a"):
        # Decay rates are slow enough that the first words still matter at the end.
        return -rng.uniform(0.002, 0.05, shape).astype(np.float32)
    if "norm" in name or name.endswith("ssm_d"):
        return np.ones(shape, np.float32)
    scale = 0.4 if name.startswith("token_embd") else 1.5 / np.sqrt(shape[-1])
    return (rng.standard_normal(shape) * scale).astype(np.float32)


def _attention_settings(writer: gguf.GGUFWriter, kv_heads: int | list[int]) -> None:
    writer.add_head_count(_HEADS)
    writer.add_head_count_kv(kv_heads)
    writer.add_rope_freq_base(10_000.0)


def _qwen35_settings(writer: gguf.GGUFWriter) -> None:
    _attention_settings(writer, _KV_HEADS)
    writer.add_key_length(_HEAD)
    writer.add_value_length(_HEAD)
    writer.add_rope_dimension_count(_HEAD // 2)
    writer.add_rope_dimension_sections([4, 2, 2, 0])
    writer.add_full_attention_interval(4)
    writer.add_ssm_conv_kernel(_KERNEL)
    writer.add_ssm_inner_size(_STATE * _VALUE_HEADS)
    writer.add_ssm_state_size(_STATE)
    writer.add_ssm_time_step_rank(_VALUE_HEADS)
    writer.add_ssm_group_count(_KEY_HEADS)


def _qwen35_tensors() -> Shapes:
    values = _STATE * _VALUE_HEADS
    mixed = 2 * _STATE * _KEY_HEADS + values
    yield "output_norm.weight", (_WIDTH,)
    for layer in range(_LAYERS):
        at = f"blk.{layer}"
        yield f"{at}.attn_norm.weight", (_WIDTH,)
        yield f"{at}.post_attention_norm.weight", (_WIDTH,)
        yield from _ffn_tensors(at)
        if layer % 4 == 3:
            # The query and its gate are one matrix.
            yield from _attention_tensors(at, 2 * _HEADS * _HEAD)
            continue
        yield f"{at}.attn_qkv.weight", (mixed, _WIDTH)
        yield f"{at}.attn_gate.weight", (values, _WIDTH)
        yield f"{at}.ssm_conv1d.weight", (mixed, _KERNEL)
        yield f"{at}.ssm_dt.bias", (_VALUE_HEADS,)
        yield f"{at}.ssm_a", (_VALUE_HEADS,)
        yield f"{at}.ssm_beta.weight", (_VALUE_HEADS, _WIDTH)
        yield f"{at}.ssm_alpha.weight", (_VALUE_HEADS, _WIDTH)
        yield f"{at}.ssm_norm.weight", (_STATE,)
        yield f"{at}.ssm_out.weight", (_WIDTH, values)


def _lfm2_settings(writer: gguf.GGUFWriter) -> None:
    # A layer without key heads is a short convolution.
    _attention_settings(writer, [_KV_HEADS if layer % 2 else 0 for layer in range(_LAYERS)])
    writer.add_vocab_size(len(gguf.GGUFReader(_WORDS_FROM).fields["tokenizer.ggml.tokens"].data))
    writer.add_shortconv_l_cache(_KERNEL)


def _lfm2_tensors() -> Shapes:
    yield "token_embd_norm.weight", (_WIDTH,)
    for layer in range(_LAYERS):
        at = f"blk.{layer}"
        yield f"{at}.attn_norm.weight", (_WIDTH,)
        yield f"{at}.ffn_norm.weight", (_WIDTH,)
        yield from _ffn_tensors(at)
        if layer % 2:
            yield from _attention_tensors(at, _HEADS * _HEAD)
            continue
        yield f"{at}.shortconv.conv.weight", (_WIDTH, _KERNEL)
        yield f"{at}.shortconv.in_proj.weight", (3 * _WIDTH, _WIDTH)
        yield f"{at}.shortconv.out_proj.weight", (_WIDTH, _WIDTH)


def _mamba_settings(writer: gguf.GGUFWriter) -> None:
    writer.add_head_count(0)
    writer.add_ssm_conv_kernel(_KERNEL)
    writer.add_ssm_inner_size(2 * _WIDTH)
    writer.add_ssm_state_size(_MAMBA_STATE)
    writer.add_ssm_time_step_rank(_MAMBA_RANK)


def _mamba_tensors() -> Shapes:
    inner = 2 * _WIDTH
    yield "output_norm.weight", (_WIDTH,)
    for layer in range(_LAYERS):
        at = f"blk.{layer}"
        yield f"{at}.attn_norm.weight", (_WIDTH,)
        yield f"{at}.ssm_in.weight", (2 * inner, _WIDTH)
        yield f"{at}.ssm_conv1d.weight", (inner, _KERNEL)
        yield f"{at}.ssm_conv1d.bias", (inner,)
        yield f"{at}.ssm_x.weight", (_MAMBA_RANK + 2 * _MAMBA_STATE, inner)
        yield f"{at}.ssm_dt.weight", (inner, _MAMBA_RANK)
        yield f"{at}.ssm_dt.bias", (inner,)
        yield f"{at}.ssm_a", (inner, _MAMBA_STATE)
        yield f"{at}.ssm_d", (inner,)
        yield f"{at}.ssm_out.weight", (_WIDTH, inner)


def _attention_tensors(at: str, query_rows: int) -> Shapes:
    yield f"{at}.attn_q.weight", (query_rows, _WIDTH)
    yield f"{at}.attn_k.weight", (_KV_HEADS * _HEAD, _WIDTH)
    yield f"{at}.attn_v.weight", (_KV_HEADS * _HEAD, _WIDTH)
    yield f"{at}.attn_output.weight", (_WIDTH, _HEADS * _HEAD)
    yield f"{at}.attn_q_norm.weight", (_HEAD,)
    yield f"{at}.attn_k_norm.weight", (_HEAD,)


def _ffn_tensors(at: str) -> Shapes:
    yield f"{at}.ffn_gate.weight", (_FFN, _WIDTH)
    yield f"{at}.ffn_up.weight", (_FFN, _WIDTH)
    yield f"{at}.ffn_down.weight", (_WIDTH, _FFN)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path)
    parser.add_argument("--kind", choices=KINDS, default=KINDS[0])
    args = parser.parse_args()
    write(args.out, args.kind)
