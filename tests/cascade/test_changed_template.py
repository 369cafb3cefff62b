"""A gate is not used for tiers whose chat template changed."""

from __future__ import annotations

from pathlib import Path

import pytest

from tierchat.cascade.changed_template import other_template
from tierchat.config.catalogue import CascadeSpec, TierSpec
from tierchat.gates.files import GateHead, GateReport, GateTier
from tierchat.gates.lookup import FoundGate


def gate_for(*templates: str) -> FoundGate:
    names = ("S", "M")
    tiers = tuple(
        GateTier(
            name=name,
            model_sha256="0",
            quantisation="",
            template_sha256=template,
            parameters=1.0,
            generated=1.0,
            num_features=1,
        )
        for name, template in zip(names, templates, strict=True)
    )
    report = GateReport(
        date="", data_sha256="", num_prompts=1, num_groups=1, num_rounds=1, seconds=0.0,
        nhg=(0.0, 0.0, 0.0), auroc={}, ece={}, curve=(),
    )  # fmt: skip
    head = GateHead(
        schema=1, cascade="mine", tiers=tiers, has_token=False, hold_back=8, unit=1.0,
        tradeoffs=(), report=report,
    )  # fmt: skip
    return FoundGate(Path("mine.json"), head)


@pytest.mark.parametrize(
    ("now", "is_other"),
    [
        ({"s": "one", "m": "two"}, False),
        ({"s": "one", "m": "other"}, True),
        # Not loaded yet: nothing is known.
        ({"s": "one"}, False),
        ({"s": ""}, True),
    ],
)
def test_another_template_is_noticed_as_soon_as_its_model_is_loaded(
    now: dict[str, str], is_other: bool
) -> None:
    spec = CascadeSpec(tiers=(TierSpec(name="S", model="s"), TierSpec(name="M", model="m")))
    why = other_template(gate_for("one", "two"), spec, now.get)
    assert bool(why) is is_other
    if is_other:
        assert "another chat template" in why and "tierchat train -m mine" in why
    # A gate that was taught without a template says nothing of it.
    assert not other_template(gate_for("", ""), spec, now.get)
