"""Chooses context, number format, layers and device of every model so that their sum fits.

Pure: shapes and free memory in, a plan out. Does not know workers or files.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import msgspec

from tierchat.config.catalogue import ModelSpec
from tierchat.engine.limits import (
    DEFAULT_CONTEXT,
    MIN_BYTES_FOR_THREADS,
    MIN_HEAD_SIZE_FOR_F16,
    usual_sequences,
)
from tierchat.models.placement.footprint import (
    Footprint,
    Setting,
    gpu_footprint,
    ram_footprint,
)
from tierchat.models.placement.model_plan import ModelPlan, Plan, Room, Wanted
from tierchat.types import KvType

_GIB = 1 << 30
# Tried in this order; all models of a cascade get the same choice, within their own limits.
_CHOICES: tuple[tuple[int, KvType], ...] = (
    (32_768, "f16"),
    (16_384, "f16"),
    (8192, "f16"),
    (8192, "q8_0"),
    (4096, "q8_0"),
)
_NUM_SHORT_CHOICES = 3
_LEAST_CONTEXT = 1024
_MIN_CORES_TO_SHARE = 8


def plan(wanted: Sequence[Wanted], room: Room, context: int = 0) -> Plan:
    """Plan for models, cheapest first.

    `context` 0 takes the longest context that fits, up to 32,768 tokens on GPUs and 8,192 in RAM.

    1. Place all models whole on GPUs (in RAM without GPUs), with the longest context that fits.
    2. With GPUs: shorten the contexts, and move as many layers of the largest models to RAM as
       necessary.
    3. If they do not fit together: the smaller models stay loaded, and the larger ones take turns
       in the rest of the memory.
    4. The plan of a model that does not fit even alone says why.
    """
    choices = _choices(context, has_gpu=bool(room.gpus))
    for choice in choices:
        plans = _together(wanted, room, choice)
        if plans:
            return Plan(_with_threads(plans, room), room)
    if room.gpus:
        for choice in choices[-_NUM_SHORT_CHOICES:]:
            plans = _partly_offloaded(wanted, room, choice)
            if plans:
                return Plan(_with_threads(plans, room), room)
    return Plan(_with_threads(_in_turns(wanted, room, choices), room), room)


def smaller(spec: ModelSpec, setting: Setting) -> Setting | None:
    """Return the smaller setting to try when memory ran out; None if the catalogue fixes all."""
    context = setting.context
    if not spec.context:
        # A context below the least is not made longer.
        context = min(context, max(_LEAST_CONTEXT, context // 2))
    kv_type: KvType = spec.kv_type or "q8_0"
    reduced = replace(setting, context=context, kv_type=kv_type)
    return None if reduced == setting else reduced


def threads_of(models: Sequence[str], num_cores: int) -> dict[str, int]:
    """Return the most threads of each worker; workers that are busy together share the cores.

    With many cores the first model, which is small, gains nothing from all of them.
    """
    if num_cores < _MIN_CORES_TO_SHARE or len(models) < 2:
        return dict.fromkeys(models, num_cores)
    return {m: num_cores // 4 if m == models[0] else num_cores for m in models}


def _with_threads(plans: Sequence[ModelPlan], room: Room) -> tuple[ModelPlan, ...]:
    threads = threads_of([each.model for each in plans], room.num_cores)
    return tuple(
        replace(each, num_threads=threads[each.model] if _is_worth_threads(each) else 1)
        for each in plans
    )


def _is_worth_threads(plan: ModelPlan) -> bool:
    return plan.gpu.weights + plan.ram.weights >= MIN_BYTES_FOR_THREADS


def _choices(context: int, *, has_gpu: bool) -> tuple[tuple[int, KvType], ...]:
    if not context:
        # The memory of a GPU is there to be used; RAM is shared with all other programs.
        return _CHOICES if has_gpu else tuple(c for c in _CHOICES if c[0] <= DEFAULT_CONTEXT)
    shorter = [choice for choice in _CHOICES if choice[0] < context]
    return ((context, "f16"), (context, "q8_0"), *shorter)


def _setting(wanted: Wanted, choice: tuple[int, KvType], gpu_layers: int) -> Setting:
    context, kv_type = choice
    spec = wanted.spec
    most = wanted.shape.max_context or context
    if not gpu_layers and wanted.shape.head_size < MIN_HEAD_SIZE_FOR_F16:
        kv_type = "q8_0"
    return Setting(
        context=spec.context or min(context, most),
        kv_type=spec.kv_type or kv_type,
        gpu_layers=gpu_layers,
        max_sequences=spec.max_sequences
        or usual_sequences(has_states=any(wanted.shape.layer_state_bytes)),
    )


def _together(
    wanted: Sequence[Wanted], room: Room, choice: tuple[int, KvType]
) -> list[ModelPlan] | None:
    """Place every model whole, the largest first, each on the GPU with the most room.

    None if they do not fit together.
    """
    gpus, ram = list(room.gpus), room.ram
    plans: dict[str, ModelPlan] = {}
    for each in sorted(wanted, key=lambda w: -w.shape.weights_bytes):
        layers = _wanted_layers(each) if room.gpus else 0
        placed = _place(each, _setting(each, choice, layers), gpus)
        if placed is None or placed.ram_bytes > ram:
            return None
        gpus = [free - used for free, used in zip(gpus, placed.gpu_bytes, strict=True)]
        ram -= placed.ram_bytes
        plans[each.model] = placed
    return [plans[each.model] for each in wanted]


def _wanted_layers(wanted: Wanted) -> int:
    most, fixed = wanted.shape.num_layers + 1, wanted.spec.gpu_layers
    return most if fixed < 0 else min(most, fixed)


def _place(wanted: Wanted, setting: Setting, gpus: Sequence[int]) -> ModelPlan | None:
    """Find a GPU for a model, or split its layers between all GPUs; None if neither fits."""
    need = gpu_footprint(wanted.shape, setting)
    ram = ram_footprint(wanted.shape, setting)
    made = ModelPlan(
        model=wanted.model,
        setting=setting,
        gpu_bytes=(0,) * len(gpus),
        ram_bytes=ram.total,
        gpu=need,
        ram=ram,
        is_estimate=wanted.shape.is_estimate,
    )
    if not need.total:
        return made
    best = max(range(len(gpus)), key=gpus.__getitem__)
    if need.total <= gpus[best]:
        used = tuple(need.total if gpu == best else 0 for gpu in range(len(gpus)))
        shares = tuple(float(gpu == best) for gpu in range(len(gpus)))
        return replace(made, gpu_bytes=used, shares=shares if len(gpus) > 1 else ())
    return _split(made, need, gpus) if len(gpus) > 1 else None


def _split(made: ModelPlan, need: Footprint, gpus: Sequence[int]) -> ModelPlan | None:
    # Every GPU that gets layers has its own compute buffers and driver context.
    each = need.compute + need.overhead
    rooms = [max(0, free - each) for free in gpus]
    if need.weights + need.kv > sum(rooms):
        return None
    shares = tuple(room / sum(rooms) for room in rooms)
    used = tuple(int((need.weights + need.kv) * share) + each if share else 0 for share in shares)
    return replace(made, gpu_bytes=used, shares=shares)


def _partly_offloaded(
    wanted: Sequence[Wanted], room: Room, choice: tuple[int, KvType]
) -> list[ModelPlan] | None:
    """Move layers from GPUs to RAM, beginning with the largest model, until the sum fits."""
    layers = {each.model: _wanted_layers(each) for each in wanted}
    for each in sorted(wanted, key=lambda w: -w.shape.weights_bytes):
        if each.spec.gpu_layers >= 0:
            continue
        low, high = 0, layers[each.model]
        # Find the largest number of this model's layers with which all models fit.
        while low < high:
            middle = (low + high + 1) // 2
            tried = {**layers, each.model: middle}
            if _together(_fixed(wanted, tried), room, choice):
                low = middle
            else:
                high = middle - 1
        layers[each.model] = low
        plans = _together(_fixed(wanted, layers), room, choice)
        if plans:
            return plans
    return None


def _fixed(wanted: Sequence[Wanted], layers: dict[str, int]) -> list[Wanted]:
    return [
        replace(w, spec=msgspec.structs.replace(w.spec, gpu_layers=layers[w.model])) for w in wanted
    ]


def _in_turns(
    wanted: Sequence[Wanted], room: Room, choices: Sequence[tuple[int, KvType]]
) -> list[ModelPlan]:
    """Keep as many small models loaded as leave room for each larger one in its turn."""
    alone = [_alone(each, room, choices) or _refused(each, room, choices[-1]) for each in wanted]
    for num_kept in range(len(wanted) - 1, 0, -1):
        for choice in choices:
            kept = _together(wanted[:num_kept], room, choice)
            if not kept:
                continue
            left = _without(room, kept)
            # A model that fits nowhere takes no turn, and takes no room from the others.
            others = [
                _alone(each, left, choices) if by_itself.fits else by_itself
                for each, by_itself in zip(wanted[num_kept:], alone[num_kept:], strict=True)
            ]
            in_turn = [replace(each, is_resident=False) for each in others if each]
            if len(in_turn) == len(others):
                return [*kept, *in_turn]
    return [replace(each, is_resident=False) for each in alone]


def _without(room: Room, used: Sequence[ModelPlan]) -> Room:
    gpus = tuple(
        free - sum(each.gpu_bytes[gpu] for each in used) for gpu, free in enumerate(room.gpus)
    )
    return replace(room, gpus=gpus, ram=room.ram - sum(each.ram_bytes for each in used))


def _alone(wanted: Wanted, room: Room, choices: Sequence[tuple[int, KvType]]) -> ModelPlan | None:
    for choice in choices:
        plans = _together([wanted], room, choice)
        if plans:
            return plans[0]
    plans = _partly_offloaded([wanted], room, choices[-1]) if room.gpus else None
    return plans[0] if plans else None


def _refused(wanted: Wanted, room: Room, choice: tuple[int, KvType]) -> ModelPlan:
    setting = _setting(wanted, choice, 0)
    need = ram_footprint(wanted.shape, setting)
    available = room.ram + sum(room.gpus)
    return ModelPlan(
        model=wanted.model,
        setting=setting,
        gpu_bytes=(0,) * len(room.gpus),
        ram_bytes=need.total,
        gpu=Footprint(),
        ram=need,
        is_resident=False,
        is_estimate=wanted.shape.is_estimate,
        why=f"needs {need.total / _GIB:.1f} GiB, there are {available / _GIB:.1f} GiB",
    )
