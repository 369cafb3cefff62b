"""Plans fit, use the memory there is, and say why when models do not fit."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tierchat.config.catalogue import Catalogue, ModelSpec
from tierchat.config.catalogue_files import load_catalogue
from tierchat.models.placement.footprint import (
    ModelShape,
    Setting,
    gpu_footprint,
    ram_footprint,
    shape_of_spec,
)
from tierchat.models.placement.model_plan import HEADROOM_BYTES, Plan, Room, Wanted, room_of
from tierchat.models.placement.planner import plan, smaller, threads_of
from tierchat.paths import find_paths

GIB = 1 << 30
CONTEXTS = (4096, 8192, 16_384, 32_768)


def shipped() -> Catalogue:
    return load_catalogue(find_paths({"TIERCHAT_HOME": "/dev/null/none"}))


CATALOGUE = shipped()
CASCADES = tuple(name for name in CATALOGUE.cascades if name != "pocket")


def wanted(*models: str, **changes: object) -> list[Wanted]:
    """Return models of the shipped catalogue, known from their entries alone."""
    found = [(name, CATALOGUE.models[name]) for name in models]
    return [
        Wanted(name, shape_of_spec(spec), msgspec.structs.replace(spec, **changes))
        for name, spec in found
    ]


def of_cascade(name: str) -> list[Wanted]:
    return wanted(*CATALOGUE.cascades[name].models)


def gpus(*sizes_gib: float, ram_gib: float = 64, num_cores: int = 8) -> Room:
    sizes = [(int(size * GIB), int(size * GIB)) for size in sizes_gib]
    return room_of(sizes, (int(ram_gib * GIB), int(ram_gib * GIB)), num_cores)


def check(found: Plan, asked: list[Wanted]) -> None:
    """Check the rules that every plan follows."""
    assert [each.model for each in found.models] == [each.model for each in asked]
    kept = [each for each in found.models if each.is_resident]
    assert sum(each.ram_bytes for each in kept) <= found.room.ram
    for gpu, free in enumerate(found.room.gpus):
        assert sum(each.gpu_bytes[gpu] for each in kept) <= free
    for each, one in zip(found.models, asked, strict=True):
        spec, shape = one.spec, one.shape
        usual = 16 if any(shape.layer_state_bytes) else 64
        assert each.setting.max_sequences == (spec.max_sequences or usual)
        assert each.setting.context == spec.context or each.setting.context <= max(
            shape.max_context, 1
        )
        assert not spec.context or each.setting.context == spec.context
        assert spec.kv_type in (None, each.setting.kv_type)
        assert each.num_threads >= 1
        if not each.fits:
            assert not each.is_resident and "GiB" in each.why
            continue
        # A model that takes turns fits beside those that stay loaded.
        beside = [other for other in kept if other is not each]
        assert each.ram_bytes + sum(other.ram_bytes for other in beside) <= found.room.ram
        for gpu, free in enumerate(found.room.gpus):
            assert each.gpu_bytes[gpu] + sum(o.gpu_bytes[gpu] for o in beside) <= free
        if spec.gpu_layers >= 0 and found.room.gpus:
            assert each.setting.gpu_layers == min(spec.gpu_layers, shape.num_layers + 1)
        assert each.ram == ram_footprint(shape, each.setting)
        assert each.gpu == gpu_footprint(shape, each.setting)
        assert sum(each.gpu_bytes) >= each.gpu.total - len(found.room.gpus)
        if each.shares:
            assert sum(each.shares) == pytest.approx(1)


@pytest.mark.parametrize("size", [8, 16, 24, 48, 80])
def test_each_shipped_cascade_stays_whole_on_the_gpu_it_is_named_for(size: int) -> None:
    asked = of_cascade(f"{size}gb")
    found = plan(asked, gpus(size))
    check(found, asked)
    assert found.fits and found.is_resident
    for each in found.models:
        assert each.setting.gpu_layers == 41 and each.setting.context >= 8192
    used = sum(each.gpu_bytes[0] for each in found.models)
    assert used <= size * GIB - min(GIB, size * GIB // 10)


@pytest.mark.parametrize("size", [8, 16, 24, 48, 80])
def test_twice_the_memory_gives_longer_contexts(size: int) -> None:
    asked = of_cascade(f"{size}gb")
    usual, roomy = plan(asked, gpus(size)), plan(asked, gpus(2 * size))
    for before, after in zip(usual.models, roomy.models, strict=True):
        assert after.setting.context == 32_768 >= before.setting.context
        assert after.setting.kv_type == "f16"


def test_a_smaller_gpu_gets_an_eight_bit_cache_before_layers_leave_it() -> None:
    asked = of_cascade("8gb")
    found = plan(asked, gpus(5.5))
    check(found, asked)
    assert found.is_resident
    assert all(each.setting.kv_type == "q8_0" for each in found.models)
    assert all(each.setting.gpu_layers == 41 for each in found.models)


def test_a_gpu_smaller_still_keeps_the_small_model_whole_and_part_of_the_large_one() -> None:
    asked = of_cascade("8gb")
    found = plan(asked, gpus(3.5))
    check(found, asked)
    small, large = found.models
    assert found.is_resident and small.setting.gpu_layers == 41
    assert 0 < large.setting.gpu_layers < 41
    assert large.ram.kv > 0 and large.gpu.kv > 0


def test_two_gpus_take_a_model_each() -> None:
    asked = wanted("qwen3-8b", "qwen3-14b")
    found = plan(asked, gpus(16, 16))
    check(found, asked)
    assert found.is_resident
    places = [[bool(used) for used in each.gpu_bytes] for each in found.models]
    assert sorted(places) == [[False, True], [True, False]]
    assert all(sorted(each.shares) == [0.0, 1.0] for each in found.models)


def test_a_model_too_large_for_any_gpu_is_split_by_layers() -> None:
    asked = wanted("qwen3-32b")
    found = plan(asked, gpus(16, 16))
    check(found, asked)
    (only,) = found.models
    assert only.setting.gpu_layers == 41 and all(only.gpu_bytes)
    assert only.shares == pytest.approx((0.5, 0.5))
    # Each GPU that gets layers has its own buffers.
    assert sum(only.gpu_bytes) > only.gpu.total
    uneven = plan(asked, gpus(24, 12)).models[0]
    assert uneven.shares[0] > 2 * uneven.shares[1] > 0


def test_on_one_gpu_nothing_is_said_of_shares() -> None:
    assert plan(wanted("qwen3-4b"), gpus(16)).models[0].shares == ()


def test_what_does_not_fit_together_takes_turns_beside_the_smallest() -> None:
    asked = wanted("qwen3-0.6b-q4", "qwen3-8b", "qwen3-14b")
    found = plan(asked, gpus(ram_gib=14))
    check(found, asked)
    assert found.fits and not found.is_resident
    assert [each.is_resident for each in found.models] == [True, False, False]


def test_when_even_the_smallest_is_in_the_way_all_take_turns() -> None:
    asked = wanted("qwen3-4b", "qwen3-8b")
    found = plan(asked, gpus(ram_gib=8))
    check(found, asked)
    assert found.fits and not any(each.is_resident for each in found.models)


def test_what_fits_nowhere_says_how_much_it_needs() -> None:
    asked = wanted("qwen3-32b")
    found = plan(asked, gpus(ram_gib=8))
    check(found, asked)
    (only,) = found.models
    assert not found.fits and not only.fits
    assert only.why == f"needs {only.ram_bytes / GIB:.1f} GiB, there are 7.2 GiB"


def test_one_that_fits_nowhere_costs_the_others_nothing() -> None:
    small = wanted("qwen3-0.6b-q4", "qwen3-1.7b-q4")
    alone = plan(small, gpus(ram_gib=12))
    found = plan([*small, *wanted("qwen3-32b")], gpus(ram_gib=12))
    check(found, [*small, *wanted("qwen3-32b")])
    assert [each.is_resident for each in found.models] == [True, True, False]
    assert [each.setting for each in found.models[:2]] == [each.setting for each in alone.models]


def test_without_a_gpu_nothing_is_offloaded() -> None:
    asked = of_cascade("cpu")
    found = plan(asked, gpus(ram_gib=16))
    check(found, asked)
    assert found.is_resident
    for each in found.models:
        assert each.setting.gpu_layers == 0 and each.gpu_bytes == () and each.shares == ()
        # RAM is shared with all other programs.
        assert each.setting.context == 8192


def test_short_heads_are_cached_in_eight_bits_in_ram_and_in_sixteen_on_a_gpu() -> None:
    spec = ModelSpec(file="x", bytes=GIB)
    shape = ModelShape(
        input_bytes=GIB // 10,
        layer_bytes=(GIB // 10,) * 9,
        output_bytes=0,
        layer_kv_values=(1024,) * 9,
        layer_state_bytes=(0,) * 9,
        vocabulary_size=1000,
        width=512,
        peak_values=4096,
        max_context=4096,
        head_size=32,
    )
    asked = [Wanted("x", shape, spec)]
    assert plan(asked, gpus(ram_gib=16)).models[0].setting.kv_type == "q8_0"
    assert plan(asked, gpus(16)).models[0].setting.kv_type == "f16"


def test_what_the_catalogue_fixes_is_kept() -> None:
    asked = wanted("qwen3-4b", context=12_345, kv_type="q8_0", gpu_layers=7, max_sequences=5)
    found = plan(asked, gpus(16))
    check(found, asked)
    assert found.models[0].setting == Setting(12_345, "q8_0", 7, 5)


def test_layers_that_are_fixed_stay_so_when_others_leave_the_gpu() -> None:
    asked = [*wanted("qwen3-0.6b-q8"), *wanted("qwen3-1.7b-q4", gpu_layers=10)]
    found = plan(asked, gpus(2, ram_gib=2))
    check(found, asked)
    assert found.models[1].setting.gpu_layers == 10


def test_an_asked_context_comes_first_and_shorter_ones_only_where_it_does_not_fit() -> None:
    asked = wanted("qwen3-4b")
    assert plan(asked, gpus(16), 20_000).models[0].setting.context == 20_000
    assert plan(asked, gpus(4), 20_000).models[0].setting.context < 20_000
    # A model never gets a longer context than it was trained for.
    assert plan(asked, gpus(80), 1_000_000).models[0].setting.context == 40_960


def test_headroom_is_a_tenth_of_small_memories_and_a_gibibyte_of_large_ones() -> None:
    assert gpus(80, ram_gib=4) == Room((79 * GIB,), 4 * GIB - 4 * GIB // 10, 8)
    assert HEADROOM_BYTES == GIB
    # The memory of other programs is not ours.
    assert room_of([(16 * GIB, 3 * GIB)], (8 * GIB, 0)).gpus == (2 * GIB,)
    assert room_of([(16 * GIB, 3 * GIB)], (8 * GIB, 0)).ram == 0


def test_every_worker_may_use_all_cores_but_the_first_of_many() -> None:
    assert threads_of(["a", "b"], 4) == {"a": 4, "b": 4}
    assert threads_of(["a"], 64) == {"a": 64}
    assert threads_of(["a", "b", "c"], 16) == {"a": 4, "b": 16, "c": 16}
    found = plan(of_cascade("16gb"), gpus(16, num_cores=16))
    assert [each.num_threads for each in found.models] == [4, 16, 16]


@pytest.mark.parametrize(
    "spec, before, after",
    [
        (ModelSpec(), Setting(8192, "f16", 5, 4), Setting(4096, "q8_0", 5, 4)),
        (ModelSpec(), Setting(8192, "q8_0", 0, 4), Setting(4096, "q8_0", 0, 4)),
        (ModelSpec(), Setting(1500, "q8_0", 0, 4), Setting(1024, "q8_0", 0, 4)),
        (ModelSpec(context=8192), Setting(8192, "f16", 0, 4), Setting(8192, "q8_0", 0, 4)),
        (ModelSpec(kv_type="f16"), Setting(8192, "f16", 0, 4), Setting(4096, "f16", 0, 4)),
        (ModelSpec(context=8192, kv_type="f16"), Setting(8192, "f16", 0, 4), None),
        (ModelSpec(), Setting(1024, "q8_0", 0, 4), None),
        # A context below the least is never made longer.
        (ModelSpec(), Setting(512, "q8_0", 0, 4), None),
        (ModelSpec(), Setting(512, "f16", 0, 4), Setting(512, "q8_0", 0, 4)),
    ],
)
def test_the_smaller_setting_halves_the_context_and_the_cache(
    spec: ModelSpec, before: Setting, after: Setting | None
) -> None:
    assert smaller(spec, before) == after


sizes = st.floats(0.5, 100)
specs = st.fixed_dictionaries(
    {
        "context": st.sampled_from([0, 0, 0, 2048, 50_000]),
        "kv_type": st.sampled_from([None, None, "f16", "q8_0"]),
        "gpu_layers": st.sampled_from([-1, -1, -1, 0, 10, 999]),
        "max_sequences": st.sampled_from([0, 1, 4, 16]),
    }
)


@settings(deadline=None, max_examples=150)
@given(
    cascade=st.sampled_from(CASCADES),
    found_gpus=st.lists(sizes, max_size=3),
    ram_gib=sizes,
    context=st.sampled_from([0, 0, 1024, 20_000, 200_000]),
    changes=st.lists(specs, min_size=8, max_size=8),
)
def test_no_plan_takes_more_than_there_is(
    cascade: str,
    found_gpus: list[float],
    ram_gib: float,
    context: int,
    changes: list[dict[str, object]],
) -> None:
    asked = [
        wanted(each.model, **change)[0]
        for each, change in zip(of_cascade(cascade), changes, strict=False)
    ]
    room = gpus(*found_gpus, ram_gib=ram_gib)
    found = plan(asked, room, context)
    check(found, asked)
    assert plan(asked, room, context) == found


@settings(deadline=None, max_examples=60)
@given(cascade=st.sampled_from(CASCADES), size=st.floats(1, 90))
def test_contexts_never_shrink_as_a_gpu_grows(cascade: str, size: float) -> None:
    asked = of_cascade(cascade)
    before, after = plan(asked, gpus(size)), plan(asked, gpus(size * 1.5))
    assert after.is_resident >= before.is_resident
    if before.is_resident and all(each.setting.gpu_layers == 41 for each in before.models):
        for less, more in zip(before.models, after.models, strict=True):
            assert more.setting.context >= less.setting.context


def test_the_catalogue_is_the_shipped_one(tmp_path: Path) -> None:
    assert load_catalogue(find_paths({"TIERCHAT_HOME": str(tmp_path)})).cascades.keys() == (
        CATALOGUE.cascades.keys()
    )
