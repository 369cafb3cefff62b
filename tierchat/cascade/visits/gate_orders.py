"""How the gate of a tier may decide, and how much of the answer is held back for that.

Pure; does not know workers or text.
"""

from __future__ import annotations

import msgspec

from tierchat.cascade.beginning import Beginning
from tierchat.cascade.promise import cost_weight
from tierchat.cascade.route import Route
from tierchat.config.catalogue import CascadeSpec, TierSpec
from tierchat.gates.lookup import FoundGate
from tierchat.gates.order import GateOrder
from tierchat.types import TierOptions


def order_for(
    tier: TierSpec,
    route: Route,
    options: TierOptions,
    spec: CascadeSpec,
    gate: FoundGate | None,
    beginning: Beginning,
) -> GateOrder:
    """Write the gate order of the tier that a route has reached; `gate` is the learned one."""
    if not route.targets:
        # With nobody above, a tier answers, and its answer is shown as it grows. Only the escalate
        # token that a model was trained with may decline, before the first word.
        return GateOrder(
            kind="none" if tier.gate == "none" else "token",
            may_escalate=route.may_escalate,
            hold_back=0,
            escalate_threshold=tier.escalate_threshold,
            earlier=beginning.earlier,
        )
    order = GateOrder(
        kind=tier.gate,
        may_escalate=True,
        hold=options.hold or "first",
        hold_back=spec.hold_back,
        escalate_threshold=tier.escalate_threshold,
        answer_threshold=tier.answer_threshold,
        targets=route.targets,
        earlier=beginning.earlier,
    )
    if gate is None:
        return order
    return msgspec.structs.replace(
        order,
        kind="row",
        file=str(gate.path),
        tier=tier.name,
        cost_weight=cost_weight(gate.head, options.quality),
        expected=beginning.expected,
    )
