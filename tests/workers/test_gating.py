"""Which gate a request gets, and what of it the engine has to know."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

import pytest

from tierchat.engine.llama.model import LlamaModel
from tierchat.gates.order import GateOrder
from tierchat.types import GateKind
from tierchat.workers.child.gating import Gating

TOKEN = 5


@dataclass
class Facts:
    """What gating asks of a model."""

    known: dict[str, str] = field(default_factory=dict)

    def metadata(self, key: str) -> str | None:
        return self.known.get(key)


def gating(**metadata: str) -> Gating:
    facts = Facts({f"tierchat.{key}": value for key, value in metadata.items()})
    return Gating(cast(LlamaModel, facts))


def with_token() -> Gating:
    return gating(escalate_token_id=str(TOKEN), escalate_threshold="0.25")


@pytest.mark.parametrize(
    ("kind", "may_escalate", "read", "banned"),
    [
        ("token", True, TOKEN, None),
        ("token", False, TOKEN, TOKEN),
        ("untaught", True, TOKEN, None),
        ("none", True, None, TOKEN),
        ("none", False, None, TOKEN),
        # The gate file is gone: the model's own token decides.
        ("row", True, TOKEN, None),
    ],
)
def test_a_model_with_a_token_of_its_own(
    kind: GateKind, may_escalate: bool, read: int | None, banned: int | None
) -> None:
    order = GateOrder(kind=kind, may_escalate=may_escalate, file="/gone.json", tier="S")
    found = with_token().gate_for(order)
    assert (found.escalate_token, found.banned_token) == (read, banned)
    assert found.num_hidden_states == 0


@pytest.mark.parametrize("kind", ["untaught", "token", "none"])
def test_a_model_without_one_keeps_what_it_is_given(kind: GateKind) -> None:
    found = gating().gate_for(GateOrder(kind=kind, may_escalate=True, targets=("M",)))
    assert found.escalate_token is None and found.banned_token is None
    assert found.gate.stages == ()


def test_metadata_that_is_no_number_is_no_threshold() -> None:
    found = gating(escalate_token_id="five", escalate_threshold="high", answer_threshold="")
    assert found.escalate_token is found.escalate_threshold is found.answer_threshold is None


def test_a_missing_gate_file_is_said_on_stderr(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    with_token().gate_for(GateOrder(kind="row", file=str(tmp_path / "none.json")))
    assert "gate file ignored" in capfd.readouterr().err
