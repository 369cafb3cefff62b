"""On a real GPU: memory predicted and measured, and given back. Run with `pytest -m gpu`."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from tierchat.config.catalogue import ModelSpec
from tierchat.models.gguf.header import read_header
from tierchat.models.placement.footprint import Setting, gpu_footprint, shape_of_header
from tierchat.models.placement.hardware import has_gpu_library, list_devices
from tierchat.types import Message, Sampling
from tierchat.workers.protocol import Finished, Generate, LoadModel
from tierchat.workers.worker import Worker

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not has_gpu_library(), reason="llama.cpp was built without a GPU backend"),
]
MIB = 1 << 20


def free_bytes() -> int:
    return sum(device.free_bytes for device in list_devices() if device.kind == "gpu")


def test_the_worker_answers_on_the_gpu_and_takes_about_what_was_predicted(models_dir: Path) -> None:
    path = models_dir / "pocket-m.gguf"
    shape = shape_of_header(read_header(path))
    setting = Setting(512, "f16", shape.num_layers + 1, 16)
    before = free_bytes()

    async def main() -> tuple[int, bool, str]:
        worker = await Worker.start(order(path, setting))
        question = Generate(
            id=0,
            messages=(Message(role="user", content="2+2"),),
            sampling=Sampling(temperature=0),
        )
        events = [event async for event in worker.generate(question)]
        taken = before - free_bytes()
        assert worker.info
        await worker.stop()
        return taken, worker.info.is_gpu_offloaded, type(events[-1]).__name__

    taken, is_offloaded, last = asyncio.run(main())
    assert is_offloaded and last == Finished.__name__
    # Most memory of such a small model is the driver's, so this measures the overhead.
    predicted = gpu_footprint(shape, setting).total
    assert abs(predicted - taken) < 150 * MIB, (predicted / MIB, taken / MIB)


def test_a_worker_without_layers_on_the_gpu_takes_no_memory_there(models_dir: Path) -> None:
    before = free_bytes()

    async def main() -> int:
        setting = Setting(512, "f16", 0, 16)
        worker = await Worker.start(order(models_dir / "pocket-m.gguf", setting))
        # Longer than the batch from which on llama.cpp would compute on an open GPU.
        question = Generate(
            id=0,
            messages=(Message(role="user", content="word " * 60),),
            sampling=Sampling(temperature=0, max_tokens=4, ignore_eos=True),
        )
        async for _ in worker.generate(question):
            pass
        taken = before - free_bytes()
        await worker.stop()
        return taken

    assert asyncio.run(main()) == 0


def test_ten_loads_and_unloads_give_all_gpu_memory_back(models_dir: Path) -> None:
    setting = Setting(512, "f16", 99, 16)

    async def once() -> None:
        await (await Worker.start(order(models_dir / "pocket-s.gguf", setting))).stop()

    asyncio.run(once())
    before = free_bytes()
    for _ in range(10):
        asyncio.run(once())
    assert abs(free_bytes() - before) < before // 100


def order(path: Path, setting: Setting) -> LoadModel:
    spec = ModelSpec(file=str(path))
    return LoadModel(
        name=path.stem,
        path=spec.file,
        context=setting.context,
        max_sequences=setting.max_sequences,
        gpu_layers=setting.gpu_layers,
        kv_type=setting.kv_type,
    )
