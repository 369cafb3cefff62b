"""Predicted memory, from headers of published shapes and compared with a real worker."""

from __future__ import annotations

import asyncio
import importlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tierchat.config.catalogue import ModelSpec
from tierchat.engine.limits import num_cells, num_outputs
from tierchat.gates.order import GateOrder
from tierchat.models.gguf.header import read_header
from tierchat.models.placement.footprint import (
    GPU_CONTEXT_BYTES,
    ModelShape,
    Setting,
    gpu_footprint,
    ram_footprint,
    shape_of_header,
    shape_of_spec,
)
from tierchat.models.placement.hardware import has_gpu_library, resident_bytes
from tierchat.types import Message, Sampling
from tierchat.workers.protocol import Generate, LoadModel
from tierchat.workers.worker import Worker

BENCH = Path(__file__).parents[2] / "bench"
POCKET = ("pocket-xs", "pocket-s", "pocket-m")
# Bytes of one token in an fp16 cache, as published.
KV_BYTES = {
    "0.6b": 114_688,
    "1.7b": 114_688,
    "4b": 147_456,
    "8b": 147_456,
    "14b": 163_840,
    "32b": 262_144,
    "30b-a3b": 98_304,
}
CPU = Setting(context=8192, kv_type="f16", gpu_layers=0, max_sequences=4)
Shape = Callable[[str], ModelShape]


@pytest.fixture(scope="module")
def shape(tmp_path_factory: pytest.TempPathFactory) -> Shape:
    """Read the shape of a published model from a sparse file."""
    pytest.importorskip("gguf")
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(BENCH))
        random_gguf: Any = importlib.import_module("random_gguf")
    found: dict[str, ModelShape] = {}

    def read(name: str) -> ModelShape:
        if name not in found:
            path = tmp_path_factory.mktemp("shapes") / f"{name}.gguf"
            random_gguf.write(path, name, "q4_k_m", is_sparse=True)
            header = read_header(path)
            found[name] = shape_of_header(header)
            assert found[name].weights_bytes == header.size_bytes
            path.unlink()
        return found[name]

    return read


def pocket(models_dir: Path, name: str) -> ModelShape:
    return shape_of_header(read_header(models_dir / f"{name}.gguf"))


@pytest.mark.parametrize("name", POCKET)
def test_weights_are_the_sum_of_the_tensors(models_dir: Path, name: str) -> None:
    header = read_header(models_dir / f"{name}.gguf")
    found = shape_of_header(header)
    assert found.weights_bytes == sum(tensor.size_bytes for tensor in header.tensors)
    assert found.num_layers == header.num_layers and all(found.layer_bytes)
    assert ram_footprint(found, CPU).weights == found.weights_bytes
    assert gpu_footprint(found, CPU).total == 0


@pytest.mark.parametrize("name", KV_BYTES)
def test_a_token_takes_as_much_cache_as_published(shape: Shape, name: str) -> None:
    found = shape(name)
    assert found.kv_values * 2 == KV_BYTES[name]
    assert ram_footprint(found, CPU).kv == KV_BYTES[name] * 8192


def test_the_eight_bit_cache_is_34_64ths_of_the_sixteen_bit_one(shape: Shape) -> None:
    whole = ram_footprint(shape("4b"), CPU).kv
    assert ram_footprint(shape("4b"), replace(CPU, kv_type="q8_0")).kv == whole * 34 // 64


@pytest.mark.parametrize("name", ["4b", "8b"])
def test_partial_offload_moves_the_last_layers_and_nothing_else(shape: Shape, name: str) -> None:
    found = shape(name)
    for num in (1, 7, found.num_layers):
        setting = replace(CPU, gpu_layers=num)
        gpu, ram = gpu_footprint(found, setting), ram_footprint(found, setting)
        assert gpu.weights == sum(found.layer_bytes[-num:])
        assert gpu.weights + ram.weights == found.weights_bytes
        assert gpu.kv == KV_BYTES[name] // found.num_layers * num * 8192
        assert gpu.kv + ram.kv == KV_BYTES[name] * 8192
        assert gpu.overhead == GPU_CONTEXT_BYTES


def test_scores_of_small_heads_are_kept_whole_on_a_gpu(models_dir: Path) -> None:
    found = pocket(models_dir, "pocket-m")
    setting = Setting(512, "f16", found.num_layers + 1, 16)
    # What llama.cpp reports for CUDA.
    assert gpu_footprint(found, setting).compute == pytest.approx(217 << 20, rel=0.01)
    fused = gpu_footprint(replace(found, head_size=64), setting).compute
    assert fused == ram_footprint(found, replace(setting, gpu_layers=0)).compute - (
        num_outputs(16) * found.vocabulary_size * 4
    )


def test_a_worker_on_a_gpu_has_the_driver_in_ram(shape: Shape) -> None:
    found = shape("4b")
    cpu, gpu = (ram_footprint(found, replace(CPU, gpu_layers=num)).overhead for num in (0, 1))
    assert gpu - cpu == 340 << 20


def test_a_tied_output_matrix_is_on_the_gpu_once_more(shape: Shape) -> None:
    tied, untied = shape("4b"), shape("8b")
    assert tied.is_tied and not untied.is_tied
    for found, more in ((tied, tied.input_bytes), (untied, 0)):
        layers, whole = (
            replace(CPU, gpu_layers=num) for num in (found.num_layers, found.num_layers + 1)
        )
        output = found.output_bytes + more
        assert gpu_footprint(found, whole).weights == gpu_footprint(found, layers).weights + output
        # The input matrix stays in RAM in both cases.
        assert ram_footprint(found, whole).weights == found.input_bytes


def test_short_contexts_share_cells_and_long_ones_do_not_multiply() -> None:
    assert num_cells(512, 16) == 8192
    assert num_cells(512, 1) == 512
    assert num_cells(32_768, 16) == 32_768
    assert num_outputs(4) == 64 and num_outputs(200) == 200


def test_the_catalogue_alone_gives_nearly_what_the_header_gives(shape: Shape) -> None:
    found = shape("8b")
    spec = ModelSpec(
        bytes=found.weights_bytes,
        parameters=8_190_735_360,
        max_context=40_960,
        kv_bytes_per_token=KV_BYTES["8b"],
    )
    guess = shape_of_spec(spec)
    assert guess.is_estimate and not found.is_estimate
    assert guess.weights_bytes == spec.bytes and guess.kv_values * 2 == spec.kv_bytes_per_token
    for setting in (CPU, replace(CPU, gpu_layers=999)):
        exact = gpu_footprint(found, setting).total + ram_footprint(found, setting).total
        about = gpu_footprint(guess, setting).total + ram_footprint(guess, setting).total
        assert about == pytest.approx(exact, rel=0.06)


def test_the_shape_of_a_model_nobody_knows_is_small_and_sound() -> None:
    found = shape_of_spec(ModelSpec(file="unknown.gguf"))
    assert found.weights_bytes == found.kv_values == 0
    assert ram_footprint(found, CPU).total > 0


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="needs /proc")
@pytest.mark.skipif(has_gpu_library(), reason="loads a GPU driver, of a size of its own, too")
@pytest.mark.parametrize("kv_type", ["f16", "q8_0"])
def test_a_real_worker_takes_what_was_predicted(models_dir: Path, kv_type: Any) -> None:
    path = models_dir / "pocket-s.gguf"
    setting = Setting(context=2048, kv_type=kv_type, gpu_layers=0, max_sequences=1)
    predicted = ram_footprint(pocket(models_dir, "pocket-s"), setting).total

    async def measure() -> int:
        order = LoadModel(
            name="pocket-s",
            path=str(path),
            context=setting.context,
            max_sequences=setting.max_sequences,
            gpu_layers=0,
            kv_type=kv_type,
        )
        worker = await Worker.start(order)
        try:
            # Longer than a batch, so that every buffer is written to.
            question = Generate(
                id=0,
                messages=(Message(role="user", content="word " * 700),),
                sampling=Sampling(max_tokens=4, ignore_eos=True),
                gate=GateOrder(kind="none"),
                probe=True,
            )
            async for _ in worker.generate(question):
                pass
            return resident_bytes(worker.pid) or 0
        finally:
            await worker.stop()

    assert asyncio.run(measure()) == pytest.approx(predicted, rel=0.08)


@pytest.mark.parametrize(
    "kind, is_recurrent",
    [
        ("qwen35", (True, True, True, False)),
        ("lfm2", (True, False, True, False)),
        ("mamba", (True, True, True, True)),
    ],
)
def test_recurrent_layers_have_a_state_per_sequence_instead_of_a_cache(
    tmp_path: Path, kind: str, is_recurrent: tuple[bool, ...]
) -> None:
    pytest.importorskip("gguf")
    from tests.hybrid_gguf import write

    header = read_header(write(tmp_path / "hybrid.gguf", kind))
    found = shape_of_header(header)
    assert found.weights_bytes == header.size_bytes
    assert tuple(not values for values in found.layer_kv_values) == is_recurrent
    assert tuple(size > 0 for size in found.layer_state_bytes) == is_recurrent
    one, four = (replace(CPU, max_sequences=num, context=8192) for num in (1, 4))
    more = ram_footprint(found, four).kv - ram_footprint(found, one).kv
    assert more == 3 * sum(found.layer_state_bytes)
