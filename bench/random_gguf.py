"""Write a random-weight GGUF of a real shape: `python bench/random_gguf.py OUT.gguf --shape 4b`.

Speed, memory and loading do not depend on the values of weights. Shapes, number formats of tensors
and the size of the vocabulary are those of the published Qwen3 family, so that a file has the size
of the real one; the words of the vocabulary and the merges are made up.
"""

from __future__ import annotations

import argparse
import functools
import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import gguf
import numpy as np
import numpy.typing as npt

VOCABULARY = 151_936
MERGES = 151_387
_SPECIAL = ("<|endoftext|>", "<|im_start|>", "<|im_end|>", "<think>", "</think>")
_CHUNK_BLOCKS = 1 << 20
TEMPLATE = (
    "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
Type = gguf.GGMLQuantizationType
_FILE_TYPES = {
    "q8_0": gguf.LlamaFileType.MOSTLY_Q8_0,
    "q4_k_m": gguf.LlamaFileType.MOSTLY_Q4_K_M,
    "f16": gguf.LlamaFileType.MOSTLY_F16,
}


@dataclass(frozen=True)
class Shape:
    """Hyperparameters of a qwen3 or qwen3moe model; `experts` 0 is dense."""

    width: int
    layers: int
    heads: int
    kv_heads: int
    hidden: int
    tied: bool
    experts: int = 0
    head: int = 128
    context: int = 40_960


SHAPES = {
    "0.6b": Shape(1024, 28, 16, 8, 3072, True),
    "1.7b": Shape(2048, 28, 16, 8, 6144, True),
    # One publisher writes the tied output matrix as well.
    "1.7b-untied": Shape(2048, 28, 16, 8, 6144, False),
    "4b": Shape(2560, 36, 32, 8, 9728, True),
    "8b": Shape(4096, 36, 32, 8, 12_288, False),
    "14b": Shape(5120, 40, 40, 8, 17_408, False),
    "32b": Shape(5120, 64, 64, 8, 25_600, False),
    "30b-a3b": Shape(2048, 48, 32, 4, 768, False, experts=128),
}
_EXPERTS_USED = 8


def byte_letters() -> list[str]:
    """List the 256 letters that stand for bytes in a gpt2 vocabulary."""
    plain = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [byte for byte in range(256) if byte not in plain]
    return [chr(byte) for byte in plain] + [chr(256 + place) for place in range(len(others))]


@functools.cache
def words() -> tuple[list[str], list[str]]:
    """Make up a vocabulary with words of usual length, and merges that build them."""
    letters = byte_letters()
    tokens, merges = list(letters), []
    parts = iter(_longer(letters))
    while len(tokens) < VOCABULARY - 512:
        left, right = next(parts)
        tokens.append(left + right)
        if len(merges) < MERGES:
            merges.append(f"{left} {right}")
    tokens += _SPECIAL
    tokens += [f"<|unused{n}|>" for n in range(VOCABULARY - len(tokens))]
    return tokens, merges


def _longer(letters: list[str]) -> Iterator[tuple[str, str]]:
    # Joining pairs repeatedly gives words of 2, 4 and 8 letters, all different.
    ascii_letters = [letter for letter in letters if letter.isalpha() and letter.isascii()]
    level = ascii_letters
    while True:
        longer = []
        for left in level[:400]:
            for right in level[:400]:
                yield left, right
                longer.append(left + right)
        level = longer


def tensors(shape: Shape, kind: str) -> Iterator[tuple[str, tuple[int, ...], Type]]:
    """Yield the name, shape (rows first) and number format of every tensor."""
    quant = _Quantisation(kind, shape)
    yield "token_embd.weight", (VOCABULARY, shape.width), quant.embedding
    yield "output_norm.weight", (shape.width,), Type.F32
    if not shape.tied:
        yield "output.weight", (VOCABULARY, shape.width), quant.output
    for layer in range(shape.layers):
        at = f"blk.{layer}"
        more, usual = quant.more(layer), quant.usual
        rows, kv_rows = shape.heads * shape.head, shape.kv_heads * shape.head
        yield f"{at}.attn_norm.weight", (shape.width,), Type.F32
        yield f"{at}.ffn_norm.weight", (shape.width,), Type.F32
        yield f"{at}.attn_q_norm.weight", (shape.head,), Type.F32
        yield f"{at}.attn_k_norm.weight", (shape.head,), Type.F32
        yield f"{at}.attn_q.weight", (rows, shape.width), usual
        yield f"{at}.attn_k.weight", (kv_rows, shape.width), usual
        yield f"{at}.attn_v.weight", (kv_rows, shape.width), more
        yield f"{at}.attn_output.weight", (shape.width, rows), usual
        if shape.experts:
            yield f"{at}.ffn_gate_inp.weight", (shape.experts, shape.width), Type.F32
            up = (shape.experts, shape.hidden, shape.width)
            yield f"{at}.ffn_gate_exps.weight", up, usual
            yield f"{at}.ffn_up_exps.weight", up, usual
            down = (shape.experts, shape.width, shape.hidden)
            yield f"{at}.ffn_down_exps.weight", down, more
            continue
        yield f"{at}.ffn_gate.weight", (shape.hidden, shape.width), usual
        yield f"{at}.ffn_up.weight", (shape.hidden, shape.width), usual
        yield f"{at}.ffn_down.weight", (shape.width, shape.hidden), more


class _Quantisation:
    """Chooses the number format of each tensor as llama-quantize does."""

    def __init__(self, kind: str, shape: Shape) -> None:
        plain = {"q8_0": Type.Q8_0, "f16": Type.F16}.get(kind)
        self._layers = shape.layers
        self._is_mixed = plain is None
        self.usual = plain or Type.Q4_K
        self.output = plain or Type.Q6_K
        self.embedding = plain or (Type.Q6_K if shape.tied else Type.Q4_K)

    def more(self, layer: int) -> Type:
        """Return the format of tensors to which K_M mixes give more bits in half of the layers."""
        eighth = self._layers // 8
        is_finer = layer < eighth or layer >= 7 * self._layers // 8 or (layer - eighth) % 3 == 2
        return Type.Q6_K if self._is_mixed and is_finer else self.usual


def random_blocks(
    kind: Type, num_values: int, columns: int, rng: np.random.Generator
) -> Iterator[npt.NDArray[np.uint8]]:
    """Yield raw blocks whose values have a standard deviation of about 1 / sqrt(columns)."""
    if kind == Type.F32:
        yield np.ones(num_values, np.float32).view(np.uint8)
        return
    block, size = gguf.constants.GGML_QUANT_SIZES[kind]
    scale = 1 / math.sqrt(columns)
    left = num_values // block
    while left:
        num = min(left, _CHUNK_BLOCKS)
        left -= num
        if kind == Type.F16:
            values = rng.standard_normal(num, np.float32) * np.float32(scale)
            yield values.astype(np.float16).view(np.uint8)
            continue
        raw = rng.integers(0, 256, (num, size), np.uint8)
        if kind == Type.Q8_0:
            raw[:, :2] = _half(scale / 74)
        elif kind == Type.Q4_K:
            raw[:, :2], raw[:, 2:4] = _half(scale / 200), _half(7.5 * scale / 200)
        else:
            raw[:, -2:] = _half(scale / 1370)
        yield raw.reshape(-1)


def _half(value: float) -> npt.NDArray[np.uint8]:
    return np.array([value], np.float16).view(np.uint8)


def write(
    path: Path,
    shape_name: str = "0.6b",
    kind: str = "q8_0",
    *,
    is_sparse: bool = False,
    seed: int = 0,
) -> None:
    """Write the file; a sparse file has only the header, then zeros that take no disk space."""
    shape, rng = SHAPES[shape_name], np.random.default_rng(seed)
    writer = gguf.GGUFWriter(path, "qwen3moe" if shape.experts else "qwen3")
    writer.add_name(f"random-{shape_name}")
    writer.add_context_length(shape.context)
    writer.add_embedding_length(shape.width)
    writer.add_block_count(shape.layers)
    writer.add_feed_forward_length(shape.hidden)
    writer.add_head_count(shape.heads)
    writer.add_head_count_kv(shape.kv_heads)
    writer.add_key_length(shape.head)
    writer.add_value_length(shape.head)
    writer.add_layer_norm_rms_eps(1e-6)
    writer.add_rope_freq_base(1_000_000.0)
    writer.add_file_type(_FILE_TYPES[kind])
    if shape.experts:
        writer.add_expert_count(shape.experts)
        writer.add_expert_used_count(_EXPERTS_USED)
        writer.add_expert_feed_forward_length(shape.hidden)
    _add_vocabulary(writer)
    found = list(tensors(shape, kind))
    for name, dimensions, number in found:
        block, size = gguf.constants.GGML_QUANT_SIZES[number]
        num_bytes = math.prod(dimensions) // block * size
        if number in (Type.F32, Type.F16):
            dtype = np.dtype(np.float32 if number == Type.F32 else np.float16)
            writer.add_tensor_info(name, dimensions, dtype, num_bytes)
        else:
            raw = (*dimensions[:-1], dimensions[-1] // block * size)
            writer.add_tensor_info(name, raw, np.dtype(np.uint8), num_bytes, raw_dtype=number)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_ti_data_to_file()
    assert writer.fout is not None
    with path.open("r+b") as file:
        file.seek(0, 2)
        file.write(b"\0" * (-writer.fout[0].tell() % writer.data_alignment))
        for _, dimensions, number in found:
            if is_sparse:
                block, size = gguf.constants.GGML_QUANT_SIZES[number]
                size = math.prod(dimensions) // block * size
                file.truncate(file.seek(size + -size % writer.data_alignment, 1))
                continue
            size = 0
            for chunk in random_blocks(number, math.prod(dimensions), dimensions[-1], rng):
                file.write(chunk.tobytes())
                size += chunk.size
            file.write(b"\0" * (-size % writer.data_alignment))
    writer.close()


def _add_vocabulary(writer: gguf.GGUFWriter) -> None:
    tokens, merges = words()
    kinds = [gguf.TokenType.NORMAL] * len(tokens)
    for special in _SPECIAL:
        kinds[tokens.index(special)] = gguf.TokenType.CONTROL
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("qwen2")
    writer.add_token_list(tokens)
    writer.add_token_types(kinds)
    writer.add_token_merges(merges)
    writer.add_eos_token_id(tokens.index("<|im_end|>"))
    writer.add_add_bos_token(False)
    writer.add_chat_template(TEMPLATE)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path)
    parser.add_argument("--shape", choices=tuple(SHAPES), default="0.6b")
    parser.add_argument("--kind", choices=tuple(_FILE_TYPES), default="q8_0")
    parser.add_argument("--sparse", action="store_true", help="header and size alone")
    args = parser.parse_args()
    write(args.out, args.shape, args.kind, is_sparse=args.sparse)
