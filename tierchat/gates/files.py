"""Learned gates on disk: a JSON head and an npz of numbers beside it. Data only, never pickle.

Does not fit or decide. The head can be read without numpy, so that the daemon can check who a
gate is for; the numbers are read in the worker.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from tierchat.atomic_file import changing, replace_file
from tierchat.errors import TierchatError
from tierchat.types import Frozen, Stage

if TYPE_CHECKING:
    from tierchat.gates.row_gate import RowGates

SCHEMA = 2
_MAX_HEAD_BYTES = 4 << 20
_MAX_NUMBERS_BYTES = 256 << 20


class GateFileBad(TierchatError):
    """A gate file that cannot be used; the cascade goes on without it."""

    code = "gate_file_bad"


class GateTier(Frozen, frozen=True):
    """One tier as it was when the gate was taught: the gate is for this and nothing else."""

    name: str
    model_sha256: str
    quantisation: str
    template_sha256: str
    parameters: float
    generated: float
    num_features: int


class Tradeoff(Frozen, frozen=True):
    """What one cost weight gave on held-out groups: quality and cost relative to the top tier."""

    cost_weight: float
    quality: float
    cost: float


class GateReport(Frozen, frozen=True):
    """How the gate was taught and what came of it, on held-out groups."""

    date: str
    data_sha256: str
    num_prompts: int
    num_groups: int
    num_rounds: int
    seconds: float
    nhg: tuple[float, float, float]
    auroc: dict[str, float]
    ece: dict[str, float]
    curve: tuple[tuple[int, float], ...]
    arbiter: str = "exact graders"


class GateHead(Frozen, frozen=True):
    """The JSON part of a gate file; `numbers_sha256` ties it to its npz.

    `learned` names the question groups it was fitted on, which can judge it no more.
    """

    schema: int
    cascade: str
    tiers: tuple[GateTier, ...]
    has_token: bool
    hold_back: int
    unit: float
    tradeoffs: tuple[Tradeoff, ...]
    report: GateReport
    learned: tuple[str, ...] = ()
    jumps: bool = True
    numbers_sha256: str = ""

    def cost_weight(self, quality: float) -> float:
        """Give the greatest cost weight that keeps `quality` of the top tier, else the best."""
        enough = [t for t in self.tradeoffs if t.quality >= quality]
        if enough:
            return min(enough, key=lambda t: t.cost).cost_weight
        return max(self.tradeoffs, key=lambda t: (t.quality, -t.cost)).cost_weight


def numbers_file(path: Path) -> Path:
    """Name the npz beside a JSON head."""
    return path.with_suffix(".npz")


def read_head(path: Path) -> GateHead:
    """Read and check the head and that its numbers are the ones it was written with.

    Raises GateFileBad saying what is wrong.
    """
    try:
        raw = _read(path, _MAX_HEAD_BYTES)
        head = msgspec.json.decode(raw, type=GateHead)
    except ValueError as error:
        raise GateFileBad(f"{path} is not a gate file: {error}", _HINT) from error
    if head.schema != SCHEMA:
        raise GateFileBad(f"{path} has schema {head.schema}, this tierchat reads {SCHEMA}", _HINT)
    if not head.tiers or not head.tradeoffs:
        raise GateFileBad(f"{path} names no tiers or no tradeoffs", _HINT)
    found = hashlib.sha256(_read(numbers_file(path), _MAX_NUMBERS_BYTES)).hexdigest()
    if found != head.numbers_sha256:
        raise GateFileBad(f"{numbers_file(path)} is not what {path.name} was written with", _HINT)
    return head


_HINT = "teach it again with `tierchat train`, or remove it with `tierchat gate rm`"


def load(path: Path) -> RowGates:
    """Read head and numbers; raises GateFileBad for numbers missing, misshapen or not finite."""
    from tierchat.gates.row_gate import RowGates, TierCosts

    head = read_head(path)
    numbers = _load_numbers(numbers_file(path))
    heads = {}
    for index, tier in enumerate(head.tiers):
        for stage in _stages_in(numbers, index):
            heads[index, stage] = _head(numbers, index, stage, len(head.tiers) - index, path)
        if not any(key[0] == index for key in heads):
            raise GateFileBad(f"{path} has no rows for {tier.name}", _HINT)
    costs = TierCosts(tuple(t.parameters for t in head.tiers), head.unit)
    names = tuple(tier.name for tier in head.tiers)
    return RowGates(names, costs, head.has_token, heads, head.jumps)


def save(path: Path, head: GateHead, gates: RowGates) -> None:
    """Write numbers, then head, each whole or not at all; for the owner alone."""
    import io

    import numpy as np

    numbers: dict[str, Any] = {}
    for (tier, stage), one in gates.heads.items():
        place = f"{tier}/{stage}"
        numbers[f"{place}/mean"], numbers[f"{place}/scale"] = one.mean, one.scale
        numbers[f"{place}/lengths"], numbers[f"{place}/longest"] = one.lengths, one.longest
        for index, row in enumerate(one.rows):
            numbers[f"{place}/{index}/weights"] = np.append(row.weights, row.bias)
            numbers[f"{place}/{index}/knots"] = np.stack((row.scores, row.probabilities))
    buffer = io.BytesIO()
    np.savez(buffer, **numbers)
    raw = buffer.getvalue()
    head = msgspec.structs.replace(head, numbers_sha256=hashlib.sha256(raw).hexdigest())
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with changing(path):
        replace_file(numbers_file(path), raw)
        replace_file(path, msgspec.json.format(msgspec.json.encode(head), indent=1))


def _head(numbers: dict[str, Any], tier: int, stage: Stage, num_rows: int, path: Path) -> Any:
    import numpy as np

    from tierchat.gates.row_gate import Head, Row

    place = f"{tier}/{stage}"

    def take(name: str, num_dimensions: int) -> Any:
        found = numbers.get(f"{place}/{name}")
        if found is None or found.ndim != num_dimensions or found.dtype != np.float64:
            raise GateFileBad(f"{path}: {place}/{name} is missing or has the wrong shape", _HINT)
        return found

    mean, scale = take("mean", 1), take("scale", 1)
    rows = []
    for index in range(num_rows):
        weights, knots = take(f"{index}/weights", 1), take(f"{index}/knots", 2)
        if len(weights) != len(mean) + 1 or len(scale) != len(mean) or knots.shape[0] != 2:
            raise GateFileBad(f"{path}: the rows of {place} have different widths", _HINT)
        rows.append(Row(weights[:-1], float(weights[-1]), knots[0], knots[1]))
    if not (scale > 0).all():
        raise GateFileBad(f"{path}: a scale of {place} is not positive", _HINT)
    lengths, longest = take("lengths", 2), take("longest", 1)
    if lengths.shape != (num_rows, len(mean) + 1) or longest.shape != (num_rows,):
        raise GateFileBad(f"{path}: the lengths of {place} have the wrong shape", _HINT)
    return Head(mean, scale, tuple(rows), lengths, longest)


def _load_numbers(path: Path) -> dict[str, Any]:
    import zipfile

    import numpy as np

    try:
        with zipfile.ZipFile(path) as archive:
            if sum(info.file_size for info in archive.infolist()) > _MAX_NUMBERS_BYTES:
                raise GateFileBad(f"{path} unpacks to more than {_MAX_NUMBERS_BYTES} bytes", _HINT)
        with np.load(path, allow_pickle=False) as stored:
            numbers = {name: stored[name] for name in stored.files}
    except (OSError, ValueError, EOFError, zipfile.BadZipFile, KeyError) as error:
        raise GateFileBad(f"{path} cannot be read: {error}", _HINT) from error
    for name, array in numbers.items():
        if array.dtype != np.float64 or not np.isfinite(array).all():
            raise GateFileBad(f"{path}: {name} holds what is not a finite number", _HINT)
    return numbers


def _stages_in(numbers: dict[str, Any], tier: int) -> tuple[Stage, ...]:
    stages: tuple[Stage, ...] = ("prefill", "first", "answer")
    return tuple(stage for stage in stages if f"{tier}/{stage}/mean" in numbers)


def _read(path: Path, most: int) -> bytes:
    try:
        with path.open("rb") as file:
            raw = file.read(most + 1)
    except OSError as error:
        raise GateFileBad(f"cannot read {path}: {error.strerror}", _HINT) from error
    if len(raw) > most:
        raise GateFileBad(f"{path} is larger than {most} bytes", _HINT)
    return raw
