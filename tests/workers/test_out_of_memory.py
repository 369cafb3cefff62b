"""Memory that runs out: at load under a real limit, in the middle of an answer, on the way up."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path

import msgspec
import pytest

from tests.trapping import quirks_here, trapping_env
from tierchat.cascade.cascade import Cascade
from tierchat.config.catalogue import Catalogue
from tierchat.config.catalogue_files import load_catalogue
from tierchat.errors import DoesNotFit, says_out_of_memory
from tierchat.events import CascadeEvent, Done, Notice
from tierchat.models.placement.cascade_plans import CascadePlans
from tierchat.models.placement.hardware import Machine
from tierchat.models.verified_files import VerifiedFiles
from tierchat.outcomes import Outcome
from tierchat.paths import find_paths
from tierchat.types import KvType, Message, Prompt, TierOptions
from tierchat.workers.pool import Pool
from tierchat.workers.protocol import Delta, Generate, LoadModel
from tierchat.workers.quirks import MachineQuirks
from tierchat.workers.starter import Starter
from tierchat.workers.status import WorkerStatus
from tierchat.workers.worker import Worker, WorkerDied

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="limits memory as Linux does")

MIB, GIB = 1 << 20, 1 << 30
CONTEXT = 131_072
# A worker that may take only so many bytes more than a Python that has imported llama.cpp.
LIMITED = """
import os, resource, sys
from tierchat.workers.child import process as worker_process

used = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + {limit}, used + {limit}))
code = worker_process.main(sys.argv)
sys.stderr.flush()
os._exit(code)
"""
# A worker that dies as CUDA does when another program has taken what was left of the GPU; not
# with a context that is shorter than {least}. The first tokens are those of its warm-up.
DIES_LATER = """
import os, sys
from tierchat.workers.child import process as worker_process
from tierchat.engine.engine import Engine

step, num_steps = Engine.step, 0

def one(engine):
    global num_steps
    num_steps += 1
    if num_steps > {num_steps} and engine.limits.context >= {least}:
        print("CUDA error: out of memory", file=sys.stderr)
        print("  current device: 0, in function alloc at ggml-cuda.cu:567", file=sys.stderr)
        sys.stderr.flush()
        os.abort()
    return step(engine)

Engine.step = one
os._exit(worker_process.main(sys.argv))
"""
WARM_UP_STEPS = 2


@dataclass
class Tried:
    """Starts children from scripts, a script a model, and remembers what was ordered."""

    tmp_path: Path
    scripts: dict[str, str] = field(default_factory=dict)
    orders: list[LoadModel] = field(default_factory=list)

    async def __call__(self, order: LoadModel) -> Worker:
        self.orders.append(order)
        if order.name not in self.scripts:
            return await Worker.start(order)
        script = self.tmp_path / f"{order.name}.py"
        script.write_text(self.scripts[order.name])
        return await Worker.start(order, command=(sys.executable, str(script)))

    @property
    def settings(self) -> list[tuple[str, int, KvType | None]]:
        return [(order.name, order.context, order.kv_type) for order in self.orders]


def stretched(models_dir: Path, tmp_path: Path, name: str) -> str:
    """Copy a bundled model whose header claims that it was trained for long contexts."""
    data = bytearray((models_dir / f"{name}.gguf").read_bytes())
    # The key is followed by the kind of its value, a 32-bit number, and the value.
    place = data.index(b".context_length") + len(b".context_length") + 4
    data[place : place + 4] = CONTEXT.to_bytes(4, "little")
    path = tmp_path / f"{name}.gguf"
    path.write_bytes(data)
    return str(path)


@pytest.fixture
def catalogue(models_dir: Path, tmp_path: Path) -> Catalogue:
    """The bundled cascade; all but the first may have long contexts."""
    found = load_catalogue(find_paths({"TIERCHAT_HOME": str(tmp_path)}))
    for name in ("pocket-s", "pocket-m"):
        change(found, name, file=stretched(models_dir, tmp_path, name), sha256=None)
    return found


def change(catalogue: Catalogue, model: str, **changes: object) -> None:
    catalogue.models[model] = msgspec.structs.replace(catalogue.models[model], **changes)


def run(
    catalogue: Catalogue, tried: Tried, use: Callable[[Pool], Awaitable[None]], context: int
) -> None:
    quirks = quirks_here(tried.tmp_path / "machine.json")
    before = quirks.uses_extra_buffer_types

    async def main() -> None:
        starter = Starter(VerifiedFiles(tried.tmp_path / "verified.json"), quirks, launch=tried)
        # The plans believe in more memory than the children then get.
        machine = Machine(ram_total_bytes=64 * GIB, ram_free_bytes=64 * GIB)
        plans = CascadePlans(catalogue, "pocket", lambda: machine, context)
        pool = Pool(catalogue.models, starter, keepalive_s=60, plans=plans)
        try:
            await asyncio.wait_for(use(pool), 60)
        finally:
            await pool.close()

    asyncio.run(main())
    assert quirks.uses_extra_buffer_types == before, "want of memory is no want of instructions"


async def ask(pool: Pool, model: str, text: str = "2+2") -> str:
    order = Generate(id=0, messages=(Message(role="user", content=text),))
    events = [event async for event in pool.generate(model, order)]
    return "".join(event.answer for event in events if isinstance(event, Delta))


def status(pool: Pool, model: str) -> WorkerStatus:
    return next(status for status in pool.status() if status.model == model)


def limited(mib: int) -> str:
    return LIMITED.format(limit=mib * MIB)


# With 131,072 tokens of eight bits a pocket-s takes about 480 MiB, with half of them 260.


def test_a_model_that_llama_cpp_finds_no_memory_for_is_loaded_with_half_the_context(
    catalogue: Catalogue, tmp_path: Path
) -> None:
    tried = Tried(tmp_path, {"pocket-s": limited(370)})

    async def use(pool: Pool) -> None:
        assert await ask(pool, "pocket-s") == "4"
        assert pool.take_notice("pocket-s") == (
            "pocket-s ran out of memory and was loaded smaller: context 65536, q8_0 cache"
        )
        assert pool.take_notice("pocket-s") == ""
        found = status(pool, "pocket-s")
        assert found.context == 65_536 and found.num_crashes == 0

    run(catalogue, tried, use, CONTEXT)
    assert tried.settings == [("pocket-s", 131_072, "q8_0"), ("pocket-s", 65_536, "q8_0")]


@pytest.mark.parametrize(
    "script", [LIMITED.format(limit=370 * MIB), DIES_LATER.format(num_steps=1, least=CONTEXT)]
)
@pytest.mark.slow
def test_a_build_that_traps_heals_and_is_loaded_smaller_where_memory_is_short_as_well(
    catalogue: Catalogue, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str
) -> None:
    for name, value in trapping_env(always=True).items():
        monkeypatch.setenv(name, value)
    tried = Tried(tmp_path, {"pocket-s": script})
    quirks = MachineQuirks(tmp_path / "machine.json")

    async def main() -> None:
        starter = Starter(VerifiedFiles(tmp_path / "verified.json"), quirks, launch=tried)
        machine = Machine(ram_total_bytes=64 * GIB, ram_free_bytes=64 * GIB)
        plans = CascadePlans(catalogue, "pocket", lambda: machine, CONTEXT)
        pool = Pool(catalogue.models, starter, keepalive_s=60, plans=plans)
        try:
            assert await ask(pool, "pocket-s") == "4"
            assert "loaded smaller: context 65536" in pool.take_notice("pocket-s")
        finally:
            await pool.close()

    asyncio.run(main())
    assert not quirks.uses_extra_buffer_types
    assert tried.settings[0][1] == 131_072 and tried.settings[-1][1] == 65_536


def test_when_the_smaller_setting_fails_too_it_does_not_fit(
    catalogue: Catalogue, tmp_path: Path
) -> None:
    tried = Tried(tmp_path, {"pocket-s": limited(100)})

    async def use(pool: Pool) -> None:
        with pytest.raises(DoesNotFit, match="no memory for a context of 65536") as caught:
            await pool.load("pocket-s")
        assert caught.value.exit_code == 4 and "smaller `context`" in caught.value.hint
        found = status(pool, "pocket-s")
        assert found.state == "stopped" and found.num_crashes == 0
        assert found.planned_ram_bytes is None
        assert pool.take_notice("pocket-s") == ""

    run(catalogue, tried, use, CONTEXT)
    assert len(tried.orders) == 2


def test_what_the_user_has_fixed_is_not_tried_smaller(catalogue: Catalogue, tmp_path: Path) -> None:
    tried = Tried(tmp_path, {"pocket-s": limited(370)})
    change(catalogue, "pocket-s", context=CONTEXT, kv_type="q8_0")

    async def use(pool: Pool) -> None:
        with pytest.raises(DoesNotFit, match="no memory for a context of 131072"):
            await pool.load("pocket-s")

    run(catalogue, tried, use, 0)
    assert tried.settings == [("pocket-s", 131_072, "q8_0")]


def test_a_fixed_context_is_tried_with_a_smaller_cache(
    catalogue: Catalogue, tmp_path: Path
) -> None:
    tried = Tried(tmp_path, {"pocket-s": limited(1)})
    change(catalogue, "pocket-s", kv_type="f16")

    async def use(pool: Pool) -> None:
        with pytest.raises(DoesNotFit):
            await pool.load("pocket-s")

    run(catalogue, tried, use, 65_536)
    assert tried.settings == [("pocket-s", 65_536, "f16"), ("pocket-s", 32_768, "f16")]


@pytest.mark.slow
def test_wherever_memory_runs_out_it_is_called_so(catalogue: Catalogue, tmp_path: Path) -> None:
    """In the vocabulary, the weights, the cache, a buffer or a graph: never a damaged file."""
    change(catalogue, "pocket-m", context=4096, kv_type="f16")
    tried = Tried(tmp_path)
    ends: set[str] = set()

    async def use(pool: Pool) -> None:
        for mib in (1, 3, 8, 25, 47, 55, 65, 80, 88):
            tried.scripts["pocket-m"] = limited(mib)
            try:
                assert await ask(pool, "pocket-m") == "4"
                await pool.unload("pocket-m")
            except DoesNotFit as error:
                ends.add(error.message.split(":")[0])
            except WorkerDied as error:
                assert error.is_out_of_memory, error.message
            found = status(pool, "pocket-m")
            assert found.num_crashes == 0 and found.planned_ram_bytes is None

    run(catalogue, tried, use, 0)
    assert "no memory for pocket-m.gguf" in ends and len(ends) > 1


@pytest.mark.parametrize("num_steps", [WARM_UP_STEPS, WARM_UP_STEPS + 2])
def test_a_worker_that_dies_of_it_later_is_no_crash_and_is_loaded_smaller(
    catalogue: Catalogue, tmp_path: Path, num_steps: int
) -> None:
    script = DIES_LATER.format(num_steps=num_steps, least=8192)
    tried = Tried(tmp_path, {"pocket-s": script})

    async def use(pool: Pool) -> None:
        with pytest.raises(WorkerDied, match="CUDA error: out of memory") as caught:
            await ask(pool, "pocket-s", "What is 123*45?")
        assert caught.value.is_out_of_memory
        found = status(pool, "pocket-s")
        assert found.state == "stopped" and found.num_crashes == 0
        assert await ask(pool, "pocket-s", "What is 123*45?") == "5535"
        assert pool.take_notice("pocket-s") == (
            "pocket-s ran out of memory and is loaded smaller from now on"
        )
        # Also when it has been unloaded in the meantime.
        await pool.unload("pocket-s")
        assert await ask(pool, "pocket-s") == "4"
        assert status(pool, "pocket-s").context == 4096

    run(catalogue, tried, use, 8192)
    assert [order.context for order in tried.orders] == [8192, 4096, 4096]


@pytest.mark.slow
def test_nothing_smaller_is_promised_where_all_is_fixed(
    catalogue: Catalogue, tmp_path: Path
) -> None:
    script = DIES_LATER.format(num_steps=WARM_UP_STEPS, least=1)
    tried = Tried(tmp_path, {"pocket-s": script})
    change(catalogue, "pocket-s", context=512, kv_type="q8_0")

    async def use(pool: Pool) -> None:
        for _ in range(4):
            with pytest.raises(WorkerDied) as caught:
                await ask(pool, "pocket-s")
            assert caught.value.is_out_of_memory
        assert pool.take_notice("pocket-s") == "pocket-s ran out of memory"

    run(catalogue, tried, use, 0)


def test_running_out_at_the_first_decode_is_retried_smaller_at_once(
    catalogue: Catalogue, tmp_path: Path
) -> None:
    tried = Tried(tmp_path, {"pocket-s": DIES_LATER.format(num_steps=0, least=8192)})

    async def use(pool: Pool) -> None:
        assert await ask(pool, "pocket-s") == "4"
        assert "loaded smaller: context 4096" in pool.take_notice("pocket-s")

    run(catalogue, tried, use, 8192)
    assert len(tried.orders) == 2


def answer(
    pool: Pool, catalogue: Catalogue, text: str, **options: object
) -> Awaitable[list[CascadeEvent]]:
    async def events() -> list[CascadeEvent]:
        cascade = Cascade(catalogue, pool, "pocket")
        message = Message(role="user", content=text)
        prompt = Prompt(messages=(message,), options=TierOptions(**options))  # type: ignore[arg-type]
        return [event async for event in cascade.answer(prompt)]

    return events()


def outcome(events: list[CascadeEvent]) -> Outcome:
    assert isinstance(events[-1], Done)
    return events[-1].outcome


def test_a_prompt_goes_on_with_the_tier_below_the_one_that_does_not_fit(
    catalogue: Catalogue, tmp_path: Path
) -> None:
    tried = Tried(tmp_path, {"pocket-m": limited(5)})

    async def use(pool: Pool) -> None:
        events = await answer(pool, catalogue, "What is 123*45?", min_tier="M")
        found = outcome(events)
        assert found.answer == "5535" and found.tier == "S" and found.is_below_asked
        said = [event.text for event in events if isinstance(event, Notice)]
        assert said == ["M failed (" + said[0].split("(", 1)[1]]
        assert "no memory for pocket-m.gguf" in said[0] and said[0].endswith("going on with S")
        assert said[0] in found.notices
        assert any("answered by S, below the requested M" in notice for notice in found.notices)
        assert [visit.reason for visit in found.path] == ["does_not_fit", "stop"]

    run(catalogue, tried, use, 8192)
    assert [order.name for order in tried.orders] == ["pocket-m", "pocket-m", "pocket-s"]


@pytest.mark.slow
def test_a_tier_that_would_ask_a_better_one_answers_itself_when_that_does_not_fit(
    catalogue: Catalogue, tmp_path: Path
) -> None:
    tried = Tried(tmp_path, {"pocket-m": limited(5), "pocket-s": limited(5)})

    async def use(pool: Pool) -> None:
        # The smallest knows this to be beyond it.
        events = await answer(pool, catalogue, "What is 123*45?")
        found = outcome(events)
        assert found.tier == "XS" and found.answer and found.is_below_asked
        said = [event.text for event in events if isinstance(event, Notice)]
        assert [text[:8] for text in said] == ["S failed", "M failed"]
        assert said[1].endswith("going on with XS") and found.notices[:2] == tuple(said)

    run(catalogue, tried, use, 1024)


def test_a_pinned_tier_that_does_not_fit_is_not_replaced(
    catalogue: Catalogue, tmp_path: Path
) -> None:
    tried = Tried(tmp_path, {"pocket-m": limited(5)})

    async def use(pool: Pool) -> None:
        with pytest.raises(DoesNotFit, match=r"no memory for pocket-m\.gguf"):
            await answer(pool, catalogue, "2+2", tier="M")

    run(catalogue, tried, use, 1024)


def test_the_top_tier_that_dies_of_it_before_its_first_word_answers_from_a_smaller_load(
    catalogue: Catalogue, tmp_path: Path
) -> None:
    script = DIES_LATER.format(num_steps=WARM_UP_STEPS, least=8192)
    tried = Tried(tmp_path, {"pocket-m": script})

    async def use(pool: Pool) -> None:
        events = await answer(pool, catalogue, "What is 123*45?", tier="M")
        found = outcome(events)
        assert found.answer == "5535" and found.tier == "M" and not found.is_below_asked
        assert "M failed" in found.notices[0] and "out of memory" in found.notices[0]
        assert found.notices[1] == "pocket-m ran out of memory and is loaded smaller from now on"

    run(catalogue, tried, use, 8192)
    assert [order.context for order in tried.orders] == [8192, 4096]


def test_a_model_that_never_fits_this_machine_is_gone_around_without_a_try(
    catalogue: Catalogue, tmp_path: Path
) -> None:
    tried = Tried(tmp_path)
    change(catalogue, "pocket-m", context=2**30)

    async def use(pool: Pool) -> None:
        found = outcome(await answer(pool, catalogue, "2+2", min_tier="M"))
        assert found.answer == "4" and found.tier == "S" and found.is_below_asked
        assert "pocket-m does not fit: it needs" in found.notices[0]

    run(catalogue, tried, use, 1024)
    assert [order.name for order in tried.orders] == ["pocket-s"]


@pytest.mark.parametrize(
    "said",
    [
        "CUDA error: out of memory",
        "ggml_backend_cuda_buffer_type_alloc_buffer: failed to allocate 512 MiB",
        "CUDA error: the resource allocation failed",
        "CUBLAS_STATUS_ALLOC_FAILED",
        "vk::Device::allocateMemory: ErrorOutOfDeviceMemory",
        "vk::Device::allocateMemory: ErrorOutOfHostMemory",
        "ggml_metal: error: Insufficient Memory (00000008:kIOGPUCommandBufferCallbackError)",
        "terminate called after throwing an instance of 'std::bad_alloc'",
        "GGML_ASSERT(ctx->mem_buffer != NULL) failed",
        "OSError: [Errno 12] Cannot allocate memory",
        "numpy._core._exceptions._ArrayMemoryError: Unable to allocate 1.2 GiB",
        "MemoryError",
    ],
)
def test_the_words_of_every_driver_are_known(said: str) -> None:
    assert says_out_of_memory(f"some line\n{said}\nanother")


@pytest.mark.parametrize("said", ["", "unknown model architecture", "GGML_ASSERT(n > 0) failed"])
def test_other_words_are_other_faults(said: str) -> None:
    assert not says_out_of_memory(said)
