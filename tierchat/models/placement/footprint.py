"""How much memory a model takes for weights, KV cache and compute buffers, from its header.

Does not know devices or what else is loaded. The formulas come from llama.cpp's report of its
buffers for dense and expert models of 0.6 to 32 B parameters, and from what the CUDA driver took
on an H100; `bench/memory.py` measures their error.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from tierchat.config.catalogue import ModelSpec
from tierchat.engine.limits import BATCH_SIZE, MAX_STATE_BYTES, num_cells, num_outputs
from tierchat.models.gguf.header import GgufHeader
from tierchat.types import KvType

_KV_BYTES: dict[KvType, float] = {"f16": 2.0, "q8_0": 34 / 32}
_MASK_BYTES = 2
_FLOAT_BYTES = 4
_MIB = 1 << 20
# The size of a worker without a model, and llama.cpp's memory per token of the vocabulary.
_PROCESS_BYTES = 52 * _MIB
_TOKEN_BYTES = 300
# Each process that uses a GPU has a driver context, loaded kernels and llama.cpp's scratch memory
# there, and the driver's libraries and pinned memory in RAM. Measured with CUDA 13 on an H100.
GPU_CONTEXT_BYTES = 600 * _MIB
_DRIVER_RAM_BYTES = 340 * _MIB
# For smaller heads llama.cpp has no fused attention on GPUs: the scores of a batch are kept whole.
_MIN_HEAD_SIZE_FOR_FUSED_ATTENTION = 40
# Typical values for models of which only the catalogue entry is known.
_USUAL_LAYERS = 40
_USUAL_VOCABULARY = 151_936
_PEAK_AT_A_BILLION = 18_000
_EMBEDDING_SHARE = 0.06


@dataclass(frozen=True)
class ModelShape:
    """The properties of a model that decide how much memory it takes.

    `layer_kv_values` are numbers cached per token, `layer_state_bytes` are bytes per sequence,
    `peak_values` are numbers per token in the widest step of the computation. `is_estimate`: made
    from the catalogue, before the file is here.
    """

    input_bytes: int
    layer_bytes: tuple[int, ...]
    output_bytes: int
    layer_kv_values: tuple[int, ...]
    layer_state_bytes: tuple[int, ...]
    vocabulary_size: int
    width: int
    peak_values: int
    max_context: int
    head_size: int = 128
    num_heads: int = 0
    is_tied: bool = False
    is_estimate: bool = False

    @property
    def num_layers(self) -> int:
        return len(self.layer_bytes)

    @property
    def weights_bytes(self) -> int:
        """The bytes of all tensors, each counted once."""
        return self.input_bytes + sum(self.layer_bytes) + self.output_bytes

    @property
    def kv_values(self) -> int:
        """The numbers cached per token in all layers."""
        return sum(self.layer_kv_values)


@dataclass(frozen=True)
class Setting:
    """The choices made when a model is loaded. The output matrix counts as one of `gpu_layers`."""

    context: int
    kv_type: KvType
    gpu_layers: int
    max_sequences: int


@dataclass(frozen=True)
class Footprint:
    """Bytes of one model in one kind of memory."""

    weights: int = 0
    kv: int = 0
    compute: int = 0
    overhead: int = 0

    @property
    def total(self) -> int:
        return self.weights + self.kv + self.compute + self.overhead


def shape_of_header(header: GgufHeader) -> ModelShape:
    """Compute the shape of a model from its header."""
    num_layers = header.num_layers
    layer_bytes, input_bytes, output_bytes = [0] * num_layers, 0, 0
    for tensor in header.tensors:
        layer = _layer_of(tensor.name)
        if layer is not None and layer < num_layers:
            layer_bytes[layer] += tensor.size_bytes
        elif tensor.name.startswith("output"):
            output_bytes += tensor.size_bytes
        else:
            input_bytes += tensor.size_bytes
    width = header.embedding_length
    return ModelShape(
        input_bytes=input_bytes,
        layer_bytes=tuple(layer_bytes),
        output_bytes=output_bytes,
        layer_kv_values=_kv_values(header),
        layer_state_bytes=_state_bytes(header),
        vocabulary_size=header.vocabulary_size,
        width=width,
        peak_values=_peak_values(header),
        max_context=header.context,
        head_size=_head_size(header),
        num_heads=_num_heads(header),
        is_tied=all(tensor.name != "output.weight" for tensor in header.tensors),
    )


def shape_of_spec(spec: ModelSpec) -> ModelShape:
    """Estimate a shape from the catalogue alone."""
    embedding = int(spec.bytes * _EMBEDDING_SHARE)
    layers = _USUAL_LAYERS
    billions = max(0.05, spec.parameters / 1e9)
    return ModelShape(
        input_bytes=embedding,
        layer_bytes=_spread(spec.bytes - 2 * embedding, layers),
        output_bytes=embedding,
        layer_kv_values=_spread(spec.kv_bytes_per_token // 2, layers),
        layer_state_bytes=_spread(spec.state_bytes_per_sequence, layers),
        vocabulary_size=_USUAL_VOCABULARY,
        width=int(2000 * math.sqrt(billions)),
        peak_values=int(_PEAK_AT_A_BILLION * math.sqrt(billions)),
        max_context=spec.max_context,
        is_estimate=True,
    )


def _spread(amount: int, layers: int) -> tuple[int, ...]:
    """Divide an amount evenly between layers; the last layer gets the remainder."""
    each = amount // layers
    return (*(each,) * (layers - 1), amount - each * (layers - 1))


def gpu_footprint(shape: ModelShape, setting: Setting) -> Footprint:
    """Predict the memory on GPUs; zero where no layer is offloaded."""
    if not setting.gpu_layers:
        return Footprint()
    first, has_output = _offloaded(shape, setting)
    weights = sum(shape.layer_bytes[first:])
    if has_output:
        # A tied output matrix is a copy of the input matrix, which itself stays in RAM.
        weights += shape.output_bytes + (shape.input_bytes if shape.is_tied else 0)
    return Footprint(
        weights=weights,
        kv=_kv_bytes(shape, setting, first, shape.num_layers),
        compute=_compute_bytes(shape, setting) + _score_bytes(shape, setting),
        overhead=GPU_CONTEXT_BYTES,
    )


def ram_footprint(shape: ModelShape, setting: Setting) -> Footprint:
    """Predict the worker's resident memory."""
    first, has_output = _offloaded(shape, setting)
    is_on_gpu = setting.gpu_layers > 0
    weights = shape.input_bytes + sum(shape.layer_bytes[:first])
    if not has_output:
        weights += shape.output_bytes
    logits = num_outputs(setting.max_sequences) * shape.vocabulary_size * _FLOAT_BYTES
    compute = BATCH_SIZE * shape.width * _FLOAT_BYTES * 2 if is_on_gpu else 0
    return Footprint(
        weights=weights,
        kv=_kv_bytes(shape, setting, 0, first),
        compute=logits + (compute or _compute_bytes(shape, setting)),
        overhead=_PROCESS_BYTES
        + (_DRIVER_RAM_BYTES if is_on_gpu else 0)
        + shape.vocabulary_size * _TOKEN_BYTES
        + _saved_states(shape),
    )


def _saved_states(shape: ModelShape) -> int:
    """The saved states of hybrid models; in time these grow to the engine's limit."""
    return MAX_STATE_BYTES if any(shape.layer_state_bytes) else 0


def _offloaded(shape: ModelShape, setting: Setting) -> tuple[int, bool]:
    """Return the first offloaded layer, and whether the output matrix is offloaded."""
    has_output = setting.gpu_layers > shape.num_layers
    num = min(setting.gpu_layers, shape.num_layers)
    return shape.num_layers - num, has_output


def _kv_bytes(shape: ModelShape, setting: Setting, first: int, end: int) -> int:
    cells = num_cells(setting.context, setting.max_sequences)
    cached = sum(shape.layer_kv_values[first:end]) * cells * _KV_BYTES[setting.kv_type]
    return int(cached) + sum(shape.layer_state_bytes[first:end]) * setting.max_sequences


def _compute_bytes(shape: ModelShape, setting: Setting) -> int:
    cells = num_cells(setting.context, setting.max_sequences)
    mask = cells * BATCH_SIZE * _MASK_BYTES
    layer = BATCH_SIZE * shape.peak_values * _FLOAT_BYTES + mask
    logits = num_outputs(setting.max_sequences) * shape.vocabulary_size
    output = (logits + BATCH_SIZE * shape.width) * _FLOAT_BYTES
    return max(layer, output)


def _score_bytes(shape: ModelShape, setting: Setting) -> int:
    """The attention scores of a batch, and their mask in fp32, where attention is not fused."""
    if shape.head_size >= _MIN_HEAD_SIZE_FOR_FUSED_ATTENTION:
        return 0
    cells = num_cells(setting.context, setting.max_sequences)
    mask = cells * BATCH_SIZE * (_FLOAT_BYTES - _MASK_BYTES)
    return cells * BATCH_SIZE * shape.num_heads * _FLOAT_BYTES + mask


def _layer_of(tensor: str) -> int | None:
    parts = tensor.split(".", 2)
    return int(parts[1]) if parts[0] == "blk" and len(parts) > 2 and parts[1].isdecimal() else None


def _is_recurrent(header: GgufHeader) -> list[bool]:
    """Return for every layer whether it keeps a state instead of cached keys and values."""
    heads = header.per_layer("attention.head_count_kv")
    interval = header.integer("full_attention_interval") or (
        4 if header.architecture.startswith(("qwen35", "qwen3next")) else 0
    )
    if interval and _has_state(header):
        return [(layer + 1) % interval != 0 for layer in range(header.num_layers)]
    return [not num for num in heads] if heads else [True] * header.num_layers


def _has_state(header: GgufHeader) -> bool:
    return bool(header.integer("ssm.state_size") or header.integer("shortconv.l_cache"))


def _kv_values(header: GgufHeader) -> tuple[int, ...]:
    heads = header.per_layer("attention.head_count_kv") or [0] * header.num_layers
    keys = _head_size(header)
    values = header.integer("attention.value_length") or keys
    recurrent = _is_recurrent(header)
    return tuple(
        0 if is_recurrent else num * (keys + values)
        for num, is_recurrent in zip(heads, recurrent, strict=True)
    )


def _state_bytes(header: GgufHeader) -> tuple[int, ...]:
    """Return each layer's recurrent state of one sequence: convolution and state, in fp32."""
    if not _has_state(header):
        return (0,) * header.num_layers
    short = header.integer("shortconv.l_cache")
    if short:
        size = header.embedding_length * (short - 1)
    else:
        inner, state = header.integer("ssm.inner_size") or 0, header.integer("ssm.state_size") or 0
        groups = header.integer("ssm.group_count") or 0
        kernel = header.integer("ssm.conv_kernel") or 1
        size = (kernel - 1) * (inner + 2 * groups * state) + inner * state
    return tuple(
        size * _FLOAT_BYTES if is_recurrent else 0 for is_recurrent in _is_recurrent(header)
    )


def _num_heads(header: GgufHeader) -> int:
    return max(header.per_layer("attention.head_count") or [0])


def _head_size(header: GgufHeader) -> int:
    usual = header.embedding_length // max(1, _num_heads(header))
    return header.integer("attention.key_length") or usual


def _peak_values(header: GgufHeader) -> int:
    width = header.embedding_length
    used = header.integer("expert_used_count") or 0
    hidden = max(header.per_layer("feed_forward_length") or [0])
    if used:
        # Every chosen expert keeps its own rows until they are summed.
        hidden = used * (header.integer("expert_feed_forward_length") or hidden)
    return 3 * hidden + 3 * width + _num_heads(header) * _head_size(header) + used * width
