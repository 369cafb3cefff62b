"""Gates are read back as they were saved; damaged gates and those of other models are not used."""

from __future__ import annotations

import io
import json
import os
import random
import shutil
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import msgspec
import numpy as np
import pytest

from tests.made_matrix import made_matrix

pytest.importorskip("sklearn", reason="extra [train]")

from tierchat.config.catalogue_files import load_catalogue
from tierchat.errors import UnsafePath
from tierchat.gates import files as gate_files
from tierchat.gates.files import (
    SCHEMA,
    GateFileBad,
    GateHead,
    GateReport,
    GateTier,
    Tradeoff,
    numbers_file,
    read_head,
)
from tierchat.gates.landmarks import Landmarks
from tierchat.gates.lookup import SHIPPED, GateLookup
from tierchat.gates.order import GateOrder
from tierchat.gates.row_gate import Row
from tierchat.learning.training.fit import Fit, fit_gates
from tierchat.models.verified_files import VerifiedFiles
from tierchat.paths import find_paths
from tierchat.types import QUALITIES, Message
from tierchat.workers.child.held_model import HeldModel
from tierchat.workers.protocol import Generate, LoadModel

MATRIX = made_matrix(120)
FIT: Fit = fit_gates(MATRIX, has_token=False)
# Whether a lesson takes landmarks depends on its prompts.
NEAR = Landmarks(np.eye(len(FIT.gates.heads[0, "prefill"].mean))[:, :2], np.ones((3, 2)), 2.0)
ROW = Row(np.ones(3), 0.0, np.array([0.0, 1.0]), np.array([0.1, 0.9]))
FIT.gates.heads[0, "prefill"] = replace(  # type: ignore[index]
    FIT.gates.heads[0, "prefill"], rows=(ROW, ROW, ROW), landmarks=NEAR
)


def head(**changes: object) -> GateHead:
    catalogue = load_catalogue(find_paths({"TIERCHAT_HOME": "/nonexistent"}))
    models = [catalogue.models[f"pocket-{name}"] for name in ("xs", "s", "m")]
    tiers = tuple(
        GateTier(
            name=name,
            model_sha256=model.sha256 or "",
            quantisation="",
            template_sha256="",
            parameters=1.0,
            generated=2.0,
            num_features=9,
        )
        for name, model in zip(("XS", "S", "M"), models, strict=True)
    )
    report = GateReport(
        date="2026-01-01",
        data_sha256="",
        num_prompts=1,
        num_groups=1,
        num_rounds=1,
        seconds=1.0,
        nhg=(0.5, 0.4, 0.6),
        auroc={},
        ece={},
        curve=((1, 0.5),),
    )
    found = dict(
        schema=SCHEMA,
        cascade="pocket",
        tiers=tiers,
        has_token=False,
        hold_back=8,
        unit=10.0,
        tradeoffs=(
            Tradeoff(cost_weight=0.0, quality=1.01, cost=0.9),
            Tradeoff(cost_weight=0.1, quality=0.992, cost=0.4),
            Tradeoff(cost_weight=1.0, quality=0.6, cost=0.1),
        ),
        report=report,
    )
    return GateHead(**{**found, **changes})  # type: ignore[arg-type]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "pocket.json"
    gate_files.save(path, head(), FIT.gates)
    return path


def test_gates_come_back_as_they_were(path: Path) -> None:
    gates = gate_files.load(path)
    assert gates.tiers == ("XS", "S", "M") and gates.heads.keys() == FIT.gates.heads.keys()
    for place in FIT.gates.heads:
        x = MATRIX.features(*place, has_token=False)
        again, before = (g.heads[place].guess(x).right for g in (gates, FIT.gates))
        assert np.array_equal(again, before)
    assert gates.heads[0, "prefill"].landmarks and not gates.heads[1, "first"].landmarks
    assert gates.unread == FIT.gates.unread == gate_files.read_head(path).unread
    assert path.stat().st_mode & 0o077 == 0 and numbers_file(path).stat().st_mode & 0o077 == 0


@pytest.mark.parametrize("name", ["pocket.json.lock", "pocket.npz"])
def test_a_gate_that_cannot_be_written_says_why(tmp_path: Path, name: str) -> None:
    (tmp_path / name).mkdir()
    with pytest.raises(UnsafePath, match="Is a directory") as caught:
        gate_files.save(tmp_path / "pocket.json", head(), FIT.gates)
    assert name in caught.value.hint


@pytest.mark.parametrize(
    ("quality", "weight"), [(0.99, 0.1), (1.0, 0.0), (0.5, 1.0), (0.0, 1.0), (1.1, 0.0)]
)
def test_a_quality_is_the_cheapest_setting_that_keeps_it(quality: float, weight: float) -> None:
    assert head().cost_weight(quality) == weight


def _not_finite(numbers: dict[str, np.ndarray]) -> None:
    numbers["0/prefill/0/weights"][3] = np.nan


def _misshapen(numbers: dict[str, np.ndarray]) -> None:
    numbers["0/prefill/0/weights"] = numbers["0/prefill/0/weights"][:-2]


def _missing(numbers: dict[str, np.ndarray]) -> None:
    del numbers["1/first/1/knots"]


def _other_type(numbers: dict[str, np.ndarray]) -> None:
    numbers["0/prefill/mean"] = numbers["0/prefill/mean"].astype(np.float32)


def _no_scale(numbers: dict[str, np.ndarray]) -> None:
    numbers["0/prefill/scale"][0] = 0.0


def _no_width(numbers: dict[str, np.ndarray]) -> None:
    numbers["0/prefill/width"][0] = 0.0


def _landmarks_elsewhere(numbers: dict[str, np.ndarray]) -> None:
    numbers["0/prefill/places"] = numbers["0/prefill/places"][:, :1]


def _too_few_landmarks(numbers: dict[str, np.ndarray]) -> None:
    numbers["0/prefill/places"] = numbers["0/prefill/places"][:2]


def _pickled(numbers: dict[str, np.ndarray]) -> None:
    numbers["0/prefill/mean"] = np.array([{"a": 1}], dtype=object)


@pytest.mark.parametrize(
    "damage",
    [
        *(_not_finite, _misshapen, _missing, _other_type, _no_scale, _pickled),
        *(_no_width, _landmarks_elsewhere, _too_few_landmarks),
    ],
)
def test_wrong_numbers_are_refused_even_when_head_and_numbers_agree(
    path: Path, damage: Callable[[dict[str, np.ndarray]], None]
) -> None:
    import hashlib

    with np.load(numbers_file(path)) as stored:
        numbers = {name: stored[name] for name in stored.files}
    damage(numbers)
    buffer = io.BytesIO()
    np.savez(buffer, **numbers)
    numbers_file(path).write_bytes(buffer.getvalue())
    data = json.loads(path.read_text())
    data |= {"unread": None, "numbers_sha256": hashlib.sha256(buffer.getvalue()).hexdigest()}
    path.write_text(json.dumps(data))
    with pytest.raises(
        GateFileBad, match=r"finite|wrong shape|width|missing|positive|cannot be read"
    ):
        gate_files.load(path)


def test_a_bomb_is_not_unpacked(path: Path) -> None:
    import hashlib

    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for number in range(3):
            archive.writestr(f"{number}.npy", bytes(100 << 20))
    numbers_file(path).write_bytes(buffer.getvalue())
    data = json.loads(path.read_text())
    data |= {"unread": None, "numbers_sha256": hashlib.sha256(buffer.getvalue()).hexdigest()}
    path.write_text(json.dumps(data))
    with pytest.raises(GateFileBad, match="unpacks to more"):
        gate_files.load(path)


def test_letters_that_are_not_those_that_were_written_are_refused(path: Path) -> None:
    head = gate_files.read_head(path)
    assert head.unread
    tiers = head.unread.tiers
    for unread in (
        msgspec.structs.replace(head.unread, tiers=tiers[:2]),
        msgspec.structs.replace(head.unread, tiers=(tiers[1], *tiers[1:])),
        None,
    ):
        changed = msgspec.structs.replace(head, unread=unread)
        path.write_bytes(msgspec.json.encode(changed))
        with pytest.raises(GateFileBad):
            gate_files.read_head(path)
    for weights in (b"", tiers[0].right[:-2], b"\x00\x7c" + tiers[0].right[2:]):
        with pytest.raises(ValueError, match="letters"):
            msgspec.structs.replace(tiers[0], right=weights)


def test_any_damaged_byte_is_refused_or_harmless(path: Path) -> None:
    rng = random.Random(3)
    for file in (path, numbers_file(path)):
        whole = file.read_bytes()
        for _ in range(60):
            raw = bytearray(whole)
            raw[rng.randrange(len(raw))] ^= 1 << rng.randrange(8)
            file.write_bytes(raw[: rng.choice((len(raw), rng.randrange(len(raw))))])
            try:
                gate_files.load(path)
            except GateFileBad:
                continue
            assert file == path, "a changed npz was taken for the one that was written"
        file.write_bytes(whole)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"cascade": "other"}, "taught for other"),
        ({"hold_back": 3}, "hold_back 3"),
        ({"tiers": head().tiers[:2]}, "letters of 3 tiers"),
        ({"tiers": (head().tiers[1], *head().tiers[1:])}, "taught for"),
        ({"schema": 1}, "schema 1"),
        ({"tradeoffs": ()}, "names no"),
    ],
)
def test_a_gate_of_something_else_is_left_aside_with_a_notice(
    tmp_path: Path, changes: dict[str, object], said: str
) -> None:
    catalogue = load_catalogue(find_paths({"TIERCHAT_HOME": str(tmp_path / "home")}))
    gate_files.save(tmp_path / "pocket.json", head(**changes), FIT.gates)
    lookup = GateLookup(tmp_path, VerifiedFiles(tmp_path / "verified.json"))
    found, notice = lookup.find("pocket", catalogue.cascades["pocket"], catalogue.models)
    assert found is None and said in notice
    again, silence = lookup.find("pocket", catalogue.cascades["pocket"], catalogue.models)
    assert again is None and silence == "", "a notice is said once"


def test_a_gate_for_another_file_of_the_same_name_is_left_aside(tmp_path: Path) -> None:
    catalogue = load_catalogue(find_paths({"TIERCHAT_HOME": str(tmp_path / "home")}))
    model = tmp_path / "other.gguf"
    model.write_bytes(b"other")
    models = {
        **catalogue.models,
        "pocket-s": msgspec.structs.replace(
            catalogue.models["pocket-s"], file=str(model), sha256=None
        ),
    }
    gate_files.save(tmp_path / "pocket.json", head(), FIT.gates)
    lookup = GateLookup(tmp_path, VerifiedFiles(tmp_path / "verified.json"))
    found, notice = lookup.find("pocket", catalogue.cascades["pocket"], models)
    assert found is None and "S is another model" in notice


def test_a_gate_that_fits_is_found_and_a_new_one_noticed(path: Path, tmp_path: Path) -> None:
    catalogue = load_catalogue(find_paths({"TIERCHAT_HOME": str(tmp_path / "home")}))
    lookup = GateLookup(tmp_path, VerifiedFiles(tmp_path / "verified.json"))
    spec = catalogue.cascades["pocket"]
    found, notice = lookup.find("pocket", spec, catalogue.models)
    assert found is not None and notice == "" and found.head == read_head(path)
    path.write_text("{}")
    found, notice = lookup.find("pocket", spec, catalogue.models)
    assert found is None and "not a gate file" in notice


def test_a_gate_is_checked_again_when_the_catalogue_changes(path: Path, tmp_path: Path) -> None:
    catalogue = load_catalogue(find_paths({"TIERCHAT_HOME": str(tmp_path / "home")}))
    lookup = GateLookup(tmp_path, VerifiedFiles(tmp_path / "verified.json"))
    spec, right = catalogue.cascades["pocket"], catalogue.models
    wrong = {**right, "pocket-m": right["pocket-s"]}
    for _ in range(2):
        assert lookup.find("pocket", spec, right)[0]
        found, notice = lookup.find("pocket", spec, wrong)
        assert found is None and "M is another model" in notice
        assert lookup.find("pocket", spec, wrong) == (None, "")
    held = msgspec.structs.replace(spec, hold_back=3)
    assert "hold_back" in lookup.find("pocket", held, right)[1]
    fewer = msgspec.structs.replace(spec, tiers=spec.tiers[:2])
    assert "not XS, S" in lookup.find("pocket", fewer, right)[1]


def test_a_gate_is_checked_again_when_a_model_without_a_hash_changes(
    path: Path, tmp_path: Path, models_dir: Path
) -> None:
    catalogue = load_catalogue(find_paths({"TIERCHAT_HOME": str(tmp_path / "home")}))
    lookup = GateLookup(tmp_path, VerifiedFiles(tmp_path / "verified.json"))
    file = tmp_path / "s.gguf"
    shutil.copy(models_dir / "pocket-s.gguf", file)
    bare = msgspec.structs.replace(catalogue.models["pocket-s"], file=str(file), sha256=None)
    models = {**catalogue.models, "pocket-s": bare}
    assert lookup.find("pocket", catalogue.cascades["pocket"], models)[0]
    file.write_bytes(b"another")
    found, notice = lookup.find("pocket", catalogue.cascades["pocket"], models)
    assert found is None and "S is another model" in notice


def test_an_unchanged_gate_is_not_read_again(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    catalogue = load_catalogue(find_paths({"TIERCHAT_HOME": str(tmp_path / "home")}))
    lookup = GateLookup(tmp_path, VerifiedFiles(tmp_path / "verified.json"))
    first = lookup.find("pocket", catalogue.cascades["pocket"], catalogue.models)
    monkeypatch.setattr("tierchat.gates.lookup.read_head", None)
    # A reload makes other objects of the same values.
    again = load_catalogue(find_paths({"TIERCHAT_HOME": str(tmp_path / "home")}))
    assert lookup.find("pocket", again.cascades["pocket"], again.models) == first


def copy_over(path: Path, text: str) -> None:
    """Overwrite a file with fewer bytes and keep its modification time."""
    times = path.stat().st_atime_ns, path.stat().st_mtime_ns
    path.write_text(text)
    os.utime(path, ns=times)


def test_a_gate_replaced_with_its_time_kept_is_noticed(path: Path, tmp_path: Path) -> None:
    catalogue = load_catalogue(find_paths({"TIERCHAT_HOME": str(tmp_path / "home")}))
    lookup = GateLookup(tmp_path, VerifiedFiles(tmp_path / "verified.json"))
    spec = catalogue.cascades["pocket"]
    assert lookup.find("pocket", spec, catalogue.models)[0]
    copy_over(path, "{}")
    found, notice = lookup.find("pocket", spec, catalogue.models)
    assert found is None and "not a gate file" in notice


def test_a_worker_reads_a_gate_again_that_was_replaced_with_its_time_kept(
    path: Path, models_dir: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    held = HeldModel(LoadModel(name="xs", path=str(models_dir / "pocket-xs.gguf")), lambda _: None)
    order = Generate(
        id=1,
        messages=(Message(role="user", content="2+2"),),
        gate=GateOrder(kind="row", may_escalate=True, file=str(path), tier="XS"),
    )
    assert held.request(order).sequence.num_hidden_states == order.gate.hold_back
    copy_over(path, "{}")
    assert held.request(order).sequence.num_hidden_states == 0
    assert "gate file ignored" in capfd.readouterr().err
    held.close()


@pytest.mark.parametrize("path", sorted(SHIPPED.glob("*.json")), ids=lambda path: path.stem)
def test_a_gate_in_the_package_is_for_the_published_models(path: Path, tmp_path: Path) -> None:
    catalogue = load_catalogue(find_paths({"TIERCHAT_HOME": str(tmp_path)}))
    lookup = GateLookup(tmp_path, VerifiedFiles(tmp_path / "verified.json"))
    gate, spec = gate_files.read_head(path), catalogue.cascades[path.stem]
    assert gate.cascade == path.stem and lookup.why_not_for(gate, spec, catalogue.models) == ""
    gates = gate_files.load(path)
    # What the cascade is asked for without options costs less than the top tier alone.
    assert gate.expected(QUALITIES["balanced"]).cost < 1.0 and gates.unread
    assert path.stat().st_size + numbers_file(path).stat().st_size < 1_000_000


def test_a_shipped_gate_is_used_until_the_user_has_one(path: Path, tmp_path: Path) -> None:
    catalogue = load_catalogue(find_paths({"TIERCHAT_HOME": str(tmp_path / "home")}))
    spec, models, own = catalogue.cascades["pocket"], catalogue.models, tmp_path / "own"
    own.mkdir()
    lookup = GateLookup(own, VerifiedFiles(tmp_path / "verified.json"), shipped=path.parent)
    found, notice = lookup.find("pocket", spec, models)
    assert found and found.path == path and notice == "" and lookup.is_shipped("pocket")
    assert lookup.names() == ["pocket"] and lookup.path("pocket").parent == own
    gate_files.save(lookup.path("pocket"), head(), FIT.gates)
    found, _ = lookup.find("pocket", spec, models)
    assert found and found.path.parent == own and not lookup.is_shipped("pocket")


def test_a_shipped_gate_says_nothing_of_another_cascade_of_its_name(
    path: Path, tmp_path: Path
) -> None:
    catalogue = load_catalogue(find_paths({"TIERCHAT_HOME": str(tmp_path / "home")}))
    spec = catalogue.cascades["pocket"]
    fewer = msgspec.structs.replace(spec, tiers=spec.tiers[:2])
    files = VerifiedFiles(tmp_path / "verified.json")
    lookup = GateLookup(tmp_path / "own", files, shipped=path.parent)
    assert lookup.find("pocket", fewer, catalogue.models) == (None, "")
