"""Compares predicted memory with the resident size of workers: `python bench/memory.py`.

Random-weight GGUFs of real shapes are written to --cache (about 7 GB) and kept there. A real worker
loads each of them and reads a prompt longer than a batch, hidden states included, so that every
buffer is used; then its resident size is measured. With GPUs, their free memory before and after is
compared as well. `--plans` only prints the plans of the shipped cascades for usual sizes of GPU.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
import random_gguf

from tierchat.config.catalogue_files import load_catalogue
from tierchat.gates.order import GateOrder
from tierchat.models.gguf.header import read_header
from tierchat.models.placement.footprint import (
    Setting,
    gpu_footprint,
    ram_footprint,
    shape_of_header,
    shape_of_spec,
)
from tierchat.models.placement.hardware import has_gpu_library, list_devices, resident_bytes
from tierchat.models.placement.model_plan import Wanted, room_of
from tierchat.models.placement.planner import plan
from tierchat.paths import find_paths
from tierchat.types import KvType, Message, Sampling
from tierchat.workers.protocol import Generate, LoadModel
from tierchat.workers.worker import Worker

MIB, GIB = 1 << 20, 1 << 30
NUM_WORDS = 130


@dataclass(frozen=True)
class Case:
    shape: str
    kind: str
    context: int
    kv_type: KvType
    max_sequences: int = 16


CASES = (
    Case("0.6b", "q8_0", 4096, "f16"),
    Case("0.6b", "q4_k_m", 16_384, "q8_0"),
    Case("0.6b", "q8_0", 32_768, "f16", 4),
    Case("1.7b", "q8_0", 8192, "f16"),
    Case("1.7b-untied", "q4_k_m", 8192, "q8_0"),
    Case("1.7b-untied", "q4_k_m", 32_768, "f16"),
    Case("4b", "q4_k_m", 8192, "f16"),
    Case("4b", "q4_k_m", 16_384, "q8_0"),
)


def file_of(cache: Path, shape: str, kind: str) -> Path:
    """Return the GGUF of a shape, written if necessary."""
    path = cache / f"{shape}-{kind}.gguf"
    if not path.exists():
        cache.mkdir(parents=True, exist_ok=True)
        part = path.with_suffix(".part")
        random_gguf.write(part, shape, kind)
        part.replace(path)
    return path


def free_gpu_bytes() -> int:
    """Return the free memory of all GPUs, measured in a new process."""
    if not has_gpu_library():
        return 0
    return sum(device.free_bytes for device in list_devices() if device.kind == "gpu")


async def measure(path: Path, setting: Setting) -> tuple[int, int]:
    """Return the worker's resident bytes and its GPU bytes, once all buffers are used."""
    order = LoadModel(
        name=path.stem,
        path=str(path),
        context=setting.context,
        max_sequences=setting.max_sequences,
        gpu_layers=setting.gpu_layers,
        kv_type=setting.kv_type,
    )
    before = free_gpu_bytes()
    worker = await Worker.start(order)
    question = Generate(
        id=0,
        messages=(Message(role="user", content=" ".join(["word"] * NUM_WORDS)),),
        sampling=Sampling(max_tokens=4, ignore_eos=True),
        gate=GateOrder(kind="none"),
        probe=True,
    )
    try:
        async for _ in worker.generate(question):
            pass
        return resident_bytes(worker.pid) or 0, before - free_gpu_bytes()
    finally:
        await worker.stop()


def compare(cache: Path) -> float:
    """Print a line per case; return the largest relative error."""
    print(
        "| shape | file | context | cache | RAM predicted | measured | error "
        "| GPU predicted | measured | error |"
    )
    print("|---|---|---|---|---|---|---|---|---|---|")
    worst = 0.0
    has_gpu = free_gpu_bytes() > 0
    for case in CASES:
        path = file_of(cache, case.shape, case.kind)
        shape = shape_of_header(read_header(path))
        layers = shape.num_layers + 1 if has_gpu else 0
        setting = Setting(case.context, case.kv_type, layers, case.max_sequences)
        ram, gpu = ram_footprint(shape, setting).total, gpu_footprint(shape, setting).total
        found_ram, found_gpu = asyncio.run(measure(path, setting))
        cells = [
            f"{ram / MIB:,.0f} MiB",
            f"{found_ram / MIB:,.0f} MiB",
            f"{ram / found_ram - 1:+.1%}",
        ]
        errors = [ram / found_ram - 1]
        if has_gpu:
            errors.append(gpu / found_gpu - 1)
            cells += [f"{gpu / MIB:,.0f} MiB", f"{found_gpu / MIB:,.0f} MiB", f"{errors[1]:+.1%}"]
        else:
            cells += ["-"] * 3
        worst = max(worst, *map(abs, errors))
        head = [case.shape, case.kind, f"{case.context:,}", case.kv_type]
        print(f"| {' | '.join(head + cells)} |", flush=True)
    return worst


def show_plans() -> None:
    """Print the plan of each shipped cascade on GPUs of usual sizes, from the catalogue alone."""
    catalogue = load_catalogue(find_paths({"TIERCHAT_HOME": os.devnull + "/none"}))
    print("| GPU | cascade | model | weights | cache: tokens x bytes | buffers, driver | sum |")
    print("|---|---|---|---|---|---|---|")
    for size in (8, 16, 24, 48, 80):
        spec = catalogue.cascades[f"{size}gb"]
        wanted = [
            Wanted(m, shape_of_spec(catalogue.models[m]), catalogue.models[m]) for m in spec.models
        ]
        room = room_of([(size * GIB, size * GIB)], (64 * GIB, 60 * GIB), 8)
        found = plan(wanted, room)
        for each in found.models:
            setting = each.setting
            per_token = each.gpu.kv / max(setting.context, 8192)
            cache = f"{setting.context:,} x {per_token:,.0f} ({setting.kv_type})"
            print(
                f"| {size} GiB | {size}gb | {each.model} | {each.gpu.weights / GIB:.2f} | "
                f"{cache} = {each.gpu.kv / GIB:.2f} | "
                f"{(each.gpu.compute + each.gpu.overhead) / GIB:.2f} | {each.gpu.total / GIB:.2f} |"
            )
        total = sum(each.gpu.total for each in found.models)
        free = f"all, {room.gpus[0] / GIB:.2f} free"
        print(f"| {size} GiB | {size}gb | {free} | | | | {total / GIB:.2f} |")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cache", type=Path, default=Path("/tmp/tierchat-shapes"))
    parser.add_argument("--plans", action="store_true")
    args = parser.parse_args()
    if args.plans:
        show_plans()
    else:
        print(f"largest error {compare(args.cache):.1%}")


if __name__ == "__main__":
    main()
