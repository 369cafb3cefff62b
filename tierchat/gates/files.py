"""Learned gates on disk: a JSON head and an npz of numbers beside it. Data only, never pickle.

Does not fit or decide. The daemon reads heads, without numpy, to check which cascade and models a
gate was taught for; a worker reads the numbers.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from tierchat.atomic_file import changing_for_user, replace_file
from tierchat.errors import TierchatError
from tierchat.gates.unread import UnreadRows
from tierchat.types import Frozen, Stage

if TYPE_CHECKING:
    from tierchat.gates.row_gate import Floats, Head, RowGates

SCHEMA = 2
_MAX_HEAD_BYTES = 4 << 20
_MAX_NUMBERS_BYTES = 256 << 20


class GateFileBad(TierchatError):
    """A gate file that cannot be used; the cascade works without it."""

    code = "gate_file_bad"

    def __init__(
        self,
        message: str,
        hint: str = "teach it again with `tierchat train`, or remove it with `tierchat gate rm`",
    ) -> None:
        super().__init__(message, hint)


class GateTier(Frozen, frozen=True):
    """One tier as it was when the gate was taught; the gate is valid for no other."""

    name: str
    model_sha256: str
    quantisation: str
    template_sha256: str
    parameters: float
    generated: float
    num_features: int


class Tradeoff(Frozen, frozen=True):
    """Quality and cost, relative to the top tier, that one cost weight gave on held-out groups.

    `promised` is the quality that this weight is sure to keep on prompts of the same kind: of 100
    lessons, at least 95 keep it. 0 where nothing is sure.
    """

    cost_weight: float
    quality: float
    cost: float
    promised: float = 0.0


class GateReport(Frozen, frozen=True):
    """How the gate was taught, and how well it does on held-out groups."""

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
    num_held_out: int = 0


class GateHead(Frozen, frozen=True):
    """The JSON part of a gate file; `numbers_sha256` ties it to its npz and to `unread`.

    `learned` names the question groups that the gate was fitted on; it cannot be evaluated on
    these. `num_follow_ups` of its prompts came after an answer of a tier. `unread` chooses where a
    prompt begins; it is None where the lowest tier reads every prompt.
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
    num_follow_ups: int = 0
    unread: UnreadRows | None = None
    numbers_sha256: str = ""

    def promise(self, quality: float) -> Tradeoff | None:
        """Return the cheapest setting that is sure to keep `quality`.

        None where none is cheaper than the top tier alone, which keeps any quality.
        """
        return cheapest_keeping(self.tradeoffs, quality)

    def cost_weight(self, quality: float) -> float:
        """Return the cheapest cost weight that kept `quality` on the held-out groups.

        If none did, the one of best quality.
        """
        return self.expected(quality).cost_weight

    def expected(self, quality: float) -> Tradeoff:
        """Return the setting behind `cost_weight`, with what it kept and cost."""
        enough = [t for t in self.tradeoffs if t.quality >= quality]
        if enough:
            return min(enough, key=lambda t: t.cost)
        return max(self.tradeoffs, key=lambda t: (t.quality, -t.cost))

    def is_top_better(self, quality: float) -> bool:
        """Whether the top tier alone keeps a quality for less, and no worse."""
        setting = self.expected(quality)
        return setting.cost >= 1.0 and setting.quality <= 1.0


def cheapest_keeping(tradeoffs: Iterable[Tradeoff], quality: float) -> Tradeoff | None:
    """Return the cheapest setting that is sure to keep a quality for less than the top tier."""
    sure = [t for t in tradeoffs if t.promised >= quality and t.cost < 1.0]
    return min(sure, key=lambda t: t.cost, default=None)


def numbers_file(path: Path) -> Path:
    """Return the path of the npz beside a JSON head."""
    return path.with_suffix(".npz")


def read_head(path: Path) -> GateHead:
    """Read the head, and check that the npz is the one it was written with.

    Raises GateFileBad saying what is wrong.
    """
    try:
        raw = _read(path, _MAX_HEAD_BYTES)
        head = msgspec.json.decode(raw, type=GateHead)
    except ValueError as error:
        raise GateFileBad(f"{path} is not a gate file: {error}") from error
    if head.schema != SCHEMA:
        raise GateFileBad(f"{path} has schema {head.schema}, this tierchat reads {SCHEMA}")
    if not head.tiers or not head.tradeoffs:
        raise GateFileBad(f"{path} names no tiers or no tradeoffs")
    if head.unread and len(head.unread.tiers) != len(head.tiers):
        raise GateFileBad(f"{path} has letters of {len(head.unread.tiers)} tiers")
    sha256 = _sha256(_read(numbers_file(path), _MAX_NUMBERS_BYTES), head.unread)
    if sha256 != head.numbers_sha256:
        raise GateFileBad(f"{numbers_file(path)} does not belong to {path.name}")
    return head


def _sha256(numbers: bytes, unread: UnreadRows | None) -> str:
    """Return the checksum of all numbers: those of the npz, and those in the head."""
    in_head = msgspec.msgpack.encode(unread) if unread else b""
    return hashlib.sha256(numbers + in_head).hexdigest()


def load(path: Path) -> RowGates:
    """Read head and numbers; raises GateFileBad for numbers missing, misshapen or not finite."""
    from tierchat.gates.row_gate import STAGES, RowGates, TierCosts

    head = read_head(path)
    numbers = _load_numbers(numbers_file(path))
    heads = {
        (tier, stage): _head(numbers, tier, stage, len(head.tiers) - tier, path)
        for tier in range(len(head.tiers))
        for stage in STAGES
        if f"{tier}/{stage}/mean" in numbers
    }
    taught = {tier for tier, _ in heads}
    for index, tier in enumerate(head.tiers):
        if index not in taught:
            raise GateFileBad(f"{path} has no rows for {tier.name}")
    costs = TierCosts(tuple(t.parameters for t in head.tiers), head.unit)
    names = tuple(tier.name for tier in head.tiers)
    return RowGates(names, costs, head.has_token, heads, head.jumps, head.unread)


def save(path: Path, head: GateHead, gates: RowGates) -> None:
    """Write the numbers, then the head, each whole or not at all and readable by the owner alone.

    Raises UnsafePath where they cannot be written.
    """
    import io

    import numpy as np

    numbers: dict[str, Floats] = {}
    for (tier, stage), rows in gates.heads.items():
        prefix = f"{tier}/{stage}"
        numbers[f"{prefix}/mean"], numbers[f"{prefix}/scale"] = rows.mean, rows.scale
        numbers[f"{prefix}/lengths"], numbers[f"{prefix}/longest"] = rows.lengths, rows.longest
        if rows.reach:
            numbers[f"{prefix}/directions"] = rows.reach.directions
            numbers[f"{prefix}/limit"] = np.array([rows.reach.limit])
        if rows.landmarks:
            numbers[f"{prefix}/places"] = rows.landmarks.places
            numbers[f"{prefix}/places_in"] = rows.landmarks.directions
            numbers[f"{prefix}/width"] = np.array([rows.landmarks.width])
        for index, row in enumerate(rows.rows):
            numbers[f"{prefix}/{index}/weights"] = np.append(row.weights, row.bias)
            numbers[f"{prefix}/{index}/knots"] = np.stack((row.scores, row.probabilities))
    buffer = io.BytesIO()
    np.savez(buffer, **numbers)  # type: ignore[arg-type]
    raw = buffer.getvalue()
    sha256 = _sha256(raw, gates.unread)
    head = msgspec.structs.replace(head, unread=gates.unread, numbers_sha256=sha256)
    with changing_for_user(path):
        replace_file(numbers_file(path), raw)
        replace_file(path, msgspec.json.format(msgspec.json.encode(head), indent=1))


def _head(numbers: dict[str, Floats], tier: int, stage: Stage, num_rows: int, path: Path) -> Head:
    from tierchat.gates.landmarks import Landmarks
    from tierchat.gates.row_gate import Head, Reach, Row

    prefix = f"{tier}/{stage}"

    def take(name: str, num_dimensions: int) -> Floats:
        array = numbers.get(f"{prefix}/{name}")
        if array is None or array.ndim != num_dimensions:
            raise GateFileBad(f"{path}: {prefix}/{name} is missing or has the wrong shape")
        return array

    mean, scale = take("mean", 1), take("scale", 1)
    landmarks, num_weights = None, len(mean)
    if f"{prefix}/places" in numbers:
        places, places_in, width = take("places", 2), take("places_in", 2), take("width", 1)
        fits = places.shape[1] == places_in.shape[1] and len(places_in) <= len(mean)
        if not fits or len(width) != 1 or width[0] <= 0:
            raise GateFileBad(f"{path}: the landmarks of {prefix} have the wrong shape")
        landmarks, num_weights = Landmarks(places_in, places, float(width[0])), len(places)
    rows = []
    for index in range(num_rows):
        weights, knots = take(f"{index}/weights", 1), take(f"{index}/knots", 2)
        if len(weights) != num_weights + 1 or len(scale) != len(mean) or knots.shape[0] != 2:
            raise GateFileBad(f"{path}: the rows of {prefix} have different widths")
        rows.append(Row(weights[:-1], float(weights[-1]), knots[0], knots[1]))
    if not (scale > 0).all():
        raise GateFileBad(f"{path}: a scale of {prefix} is not positive")
    lengths, longest = take("lengths", 2), take("longest", 1)
    if lengths.shape != (num_rows, len(mean) + 1) or longest.shape != (num_rows,):
        raise GateFileBad(f"{path}: the lengths of {prefix} have the wrong shape")
    reach = None
    if f"{prefix}/directions" in numbers:
        directions, limit = take("directions", 2), take("limit", 1)
        if len(directions) > len(mean) or len(limit) != 1:
            raise GateFileBad(f"{path}: the directions of {prefix} have the wrong shape")
        reach = Reach(directions, float(limit[0]))
    return Head(mean, scale, tuple(rows), lengths, longest, reach, landmarks)


def _load_numbers(path: Path) -> dict[str, Floats]:
    """Read arrays of finite float64 numbers."""
    import zipfile

    import numpy as np

    try:
        with zipfile.ZipFile(path) as archive:
            if sum(info.file_size for info in archive.infolist()) > _MAX_NUMBERS_BYTES:
                raise GateFileBad(f"{path} unpacks to more than {_MAX_NUMBERS_BYTES} bytes")
        with np.load(path, allow_pickle=False) as stored:
            numbers = {name: stored[name] for name in stored.files}
    except (OSError, ValueError, EOFError, zipfile.BadZipFile, KeyError) as error:
        raise GateFileBad(f"{path} cannot be read: {error}") from error
    for name, array in numbers.items():
        if array.dtype != np.float64 or not np.isfinite(array).all():
            raise GateFileBad(f"{path}: {name} has values that are not finite numbers")
    return numbers


def _read(path: Path, max_bytes: int) -> bytes:
    try:
        with path.open("rb") as file:
            raw = file.read(max_bytes + 1)
    except OSError as error:
        raise GateFileBad(f"cannot read {path}: {error.strerror}") from error
    if len(raw) > max_bytes:
        raise GateFileBad(f"{path} is larger than {max_bytes} bytes")
    return raw
