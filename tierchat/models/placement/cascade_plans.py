"""Which models can be loaded together: the plan of each cascade.

Does not know workers; the pool asks for a plan before it loads a model.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from tierchat.config.catalogue import CascadeSpec, Catalogue
from tierchat.config.shared_models import owners
from tierchat.errors import TierchatError
from tierchat.models.file_stamp import ModelStamp
from tierchat.models.gguf.header import read_header
from tierchat.models.placement.footprint import ModelShape, shape_of_header, shape_of_spec
from tierchat.models.placement.hardware import Machine
from tierchat.models.placement.model_plan import ModelPlan, Plan, Room, Wanted, room_of
from tierchat.models.placement.planner import plan

_log = logging.getLogger(__name__)


class CascadePlans:
    """Plans each model as part of the cascade in which it was last asked for.

    A model that was not asked for belongs to the default cascade, else to the first one that has
    it. `look` measures the machine. Used from worker threads, one call at a time.
    """

    def __init__(
        self, catalogue: Catalogue, default: str, look: Callable[[], Machine], context: int = 0
    ) -> None:
        self._catalogue = catalogue
        self._owners = owners(catalogue.models)
        self._default = default
        self._look = look
        self._context = context
        self._room: Room | None = None
        self._taken: Sequence[ModelPlan] = ()
        self._asked: dict[str, str] = {}
        self._shapes: dict[str, tuple[ModelStamp, ModelShape]] = {}

    def of(self, model: str) -> ModelPlan | None:
        """Plan one model as part of its cascade; None if no cascade has it."""
        name = self._cascade_of(model)
        return None if name is None else self.of_cascade(name).of(model)

    def of_cascade(self, name: str) -> Plan:
        """Plan all models of a cascade."""
        spec = self._catalogue.cascades[name]
        # The first model of the cascade that is loaded in this way stands for the others.
        holders: dict[str, str] = {}
        shared = {m: holders.setdefault(self._owners[m], m) for m in spec.models}
        wanted = [Wanted(m, self._shape(m), self._catalogue.models[m]) for m in holders.values()]
        return replace(plan(wanted, self.room, self._context), shared=shared)

    @property
    def room(self) -> Room:
        """The memory for our models, loaded ones included; measured when first asked for."""
        if self._room is None:
            self._room = _with(room_of_machine(self._look()), self._taken)
        return self._room

    @property
    def has_looked(self) -> bool:
        return self._room is not None

    def look_again(self, loaded: Sequence[ModelPlan]) -> None:
        """Drop the cached measurement; count memory held by `loaded` as available to us.

        The plans of `loaded` hold measured sizes: memory that a model has not touched yet still
        counts as free on the machine.
        """
        self._room, self._taken = None, loaded

    def pinned(self) -> frozenset[str]:
        """Return the models that are never unloaded to make room.

        That is the smallest model of the default cascade, unless it takes turns with the others.
        """
        plans = self.of_cascade(self._default).models[:1]
        return frozenset(each.model for each in plans if each.is_resident)

    def plan_as_part_of(self, cascade: str, models: Iterable[str]) -> None:
        """Plan these models as part of this cascade from now on, because it is asked."""
        self._asked |= dict.fromkeys(models, cascade)

    def _cascade_of(self, model: str) -> str | None:
        cascades: Mapping[str, CascadeSpec] = self._catalogue.cascades
        asked = self._asked.get(model, self._default)
        names = [*([asked] if asked in cascades else []), self._default, *cascades]
        return next((name for name in names if model in cascades[name].models), None)

    def _shape(self, model: str) -> ModelShape:
        spec = self._catalogue.models[model]
        stamp = ModelStamp.of(spec.paths)
        known = self._shapes.get(model)
        if known and known[0] == stamp:
            return known[1]
        try:
            shape = shape_of_header(read_header(Path(spec.file)))
        except TierchatError:
            # Not pulled yet, or damaged; loading the model reports that.
            shape = shape_of_spec(spec)
        self._shapes[model] = (stamp, shape)
        return shape


def room_of_machine(machine: Machine) -> Room:
    """Return the memory that is free for our models on a machine as it is now."""
    return room_of(
        [(gpu.total_bytes, gpu.free_bytes) for gpu in machine.gpus],
        (machine.ram_total_bytes, machine.ram_free_bytes),
        machine.num_cores,
    )


def _with(room: Room, taken: Sequence[ModelPlan]) -> Room:
    gpus = tuple(
        free + sum(plan.gpu_bytes[gpu] for plan in taken) for gpu, free in enumerate(room.gpus)
    )
    return replace(room, gpus=gpus, ram=room.ram + sum(plan.ram_bytes for plan in taken))
