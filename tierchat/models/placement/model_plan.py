"""The values of planning: what is wanted, the room there is, and the plan of each model.

Does not know how a plan is made.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from tierchat.config.catalogue import ModelSpec
from tierchat.models.placement.footprint import Footprint, ModelShape, Setting

# Left free on each device for other programs; at most a tenth of its memory.
HEADROOM_BYTES = 1 << 30


@dataclass(frozen=True)
class Wanted:
    """One model of a cascade: its shape and its catalogue entry."""

    model: str
    shape: ModelShape
    spec: ModelSpec


@dataclass(frozen=True)
class Room:
    """Bytes for our models on each GPU and in RAM: all that is free without them, less headroom."""

    gpus: tuple[int, ...]
    ram: int
    num_cores: int = 1


@dataclass(frozen=True)
class ModelPlan:
    """How to load one model. `gpu_bytes` and `shares` of the layers are per GPU.

    `why` says why the model does not fit, and is empty when it fits.
    """

    model: str
    setting: Setting
    gpu_bytes: tuple[int, ...]
    ram_bytes: int
    gpu: Footprint
    ram: Footprint
    shares: tuple[float, ...] = ()
    num_threads: int = 0
    is_resident: bool = True
    is_estimate: bool = False
    why: str = ""

    @property
    def fits(self) -> bool:
        return not self.why


@dataclass(frozen=True)
class Plan:
    """The plans of all models, cheapest first, and the room they were made for.

    Models in `shared` are held by the worker of another model, and have the plan of that one.
    """

    models: tuple[ModelPlan, ...]
    room: Room
    shared: Mapping[str, str] = field(default_factory=dict)

    @property
    def fits(self) -> bool:
        """Whether every model can be loaded, though perhaps not all at once."""
        return all(plan.fits for plan in self.models)

    @property
    def is_resident(self) -> bool:
        """Whether all models can stay loaded together."""
        return all(plan.is_resident for plan in self.models)

    def of(self, model: str) -> ModelPlan | None:
        """Return the plan of a model; None if the model is not part of this plan."""
        holder = self.shared.get(model, model)
        return next((plan for plan in self.models if plan.model == holder), None)


def room_of(gpus: Sequence[tuple[int, int]], ram: tuple[int, int], num_cores: int = 1) -> Room:
    """Subtract the headroom from the (total, free) bytes of each GPU and of RAM."""
    return Room(tuple(_less(*gpu) for gpu in gpus), _less(*ram), num_cores)


def _less(total: int, free: int) -> int:
    return max(0, min(free, total) - min(HEADROOM_BYTES, total // 10))
