"""Workers that are busy at the same time share the cores; real children answer."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from tierchat.config.catalogue import ModelSpec
from tierchat.models.verified_files import VerifiedFiles
from tierchat.types import Message, Sampling
from tierchat.workers.cores import CoreBudget, divide
from tierchat.workers.pool import Pool
from tierchat.workers.protocol import Generate, LoadModel
from tierchat.workers.quirks import MachineQuirks
from tierchat.workers.starter import Starter
from tierchat.workers.worker import Worker, _environment

# Does not see what other programs on the machine do.
SHOWS_THREADS = """
import os, sys
from tierchat.engine.llama.context import LlamaContext
from tierchat.engine.threads import ThreadGovernor
from tierchat.workers.child import process as worker_process

ThreadGovernor.record = lambda *times: None
set_threads = LlamaContext.set_threads

def show(context, num_threads):
    set_threads(context, num_threads)
    with open(os.environ["THREADS_FILE"], "a") as file:
        file.write(f"{os.getpid()} {num_threads}\\n")

LlamaContext.set_threads = show
os._exit(worker_process.main(sys.argv))
"""


@pytest.mark.parametrize(
    "num_cores, most, shares",
    [
        (2, [2], [2]),
        (2, [2, 2], [1, 1]),
        (2, [2, 2, 2], [1, 1, 1]),
        (8, [1, 8], [1, 7]),
        (8, [8, 8, 8], [2, 3, 3]),
        (16, [4, 16], [4, 12]),
        (0, [4], [1]),
        (4, [], []),
    ],
)
def test_cores_are_divided_fairly(num_cores: int, most: Sequence[int], shares: list[int]) -> None:
    assert divide(num_cores, most) == shares


@pytest.mark.parametrize(
    "ours, spins",
    [
        ({}, "1000"),
        ({"GOMP_SPINCOUNT": "7"}, "7"),
        ({"OMP_WAIT_POLICY": "active"}, None),
    ],
)
def test_threads_spin_for_a_short_time_unless_a_person_chose(
    ours: Mapping[str, str], spins: str | None
) -> None:
    assert _environment(ours).get("GOMP_SPINCOUNT") == spins


@pytest.mark.slow
def test_busy_workers_share_the_cores_and_get_them_back(
    models_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script, shown = tmp_path / "child.py", tmp_path / "threads"
    script.write_text(SHOWS_THREADS)
    monkeypatch.setenv("THREADS_FILE", str(shown))

    def launch(order: LoadModel) -> asyncio.Future[Worker]:
        command = (sys.executable, str(script))
        return asyncio.ensure_future(Worker.start(order, command=command))

    async def answer(pool: Pool, model: str, num_tokens: int) -> None:
        sampling = Sampling(temperature=0, max_tokens=num_tokens, ignore_eos=True)
        order = Generate(0, (Message(role="user", content="2+2"),), sampling)
        async for _ in pool.generate(model, order):
            pass

    async def main() -> dict[str, list[int]]:
        starter = Starter(
            VerifiedFiles(tmp_path / "verified"),
            MachineQuirks(tmp_path / "machine"),
            num_threads=4,
            launch=launch,
        )
        spec = ModelSpec(file=str(models_dir / "pocket-xs.gguf"))
        # Loaded in another way, so that the two do not share one worker.
        other = ModelSpec(file=spec.file, max_sequences=8)
        pool = Pool({"a": spec, "b": other}, starter, keepalive_s=60, cores=CoreBudget(4))
        try:
            workers = {name: await pool.load(name) for name in ("a", "b")}
            shown.write_text("")
            await answer(pool, "a", 8)
            long = asyncio.create_task(answer(pool, "a", 400))
            while not shown.read_text().count("\n") > 20:
                await asyncio.sleep(0.001)
            await answer(pool, "b", 40)
            await long
            await answer(pool, "b", 8)
            lines = [line.split() for line in shown.read_text().splitlines()]
            return {
                name: [int(num) for pid, num in lines if int(pid) == worker.pid]
                for name, worker in workers.items()
            }
        finally:
            await pool.close()

    used = asyncio.run(main())
    assert set(used["a"][:8]) == {4}
    assert set(used["b"][:40]) == {2}
    assert set(used["b"][-8:]) == {4}
    # While the other answered, and before and after it.
    assert set(used["a"]) == {2, 4} and used["a"][-1] == 4
