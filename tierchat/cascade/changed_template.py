"""A learned gate holds for the chat templates that it was taught with, and for no others.

Does not know how a template is read: workers report the hash of theirs.
"""

from __future__ import annotations

from collections.abc import Callable

from tierchat.config.catalogue import CascadeSpec
from tierchat.gates.lookup import FoundGate


def other_template(
    gate: FoundGate, spec: CascadeSpec, template_of: Callable[[str], str | None]
) -> str:
    """Return why a gate is not used: a tier has another template by now. Empty if none has.

    `template_of` gives the hash of a model's template; None where it was never loaded.
    """
    taught = {tier.name: tier.template_sha256 for tier in gate.head.tiers}
    for tier in spec.tiers:
        then, now = taught.get(tier.name), template_of(tier.model)
        if then and now is not None and now != then:
            return (
                f"the learned gate of {gate.head.cascade} is not used: {tier.name} has another "
                "chat template than the one it was taught with; "
                f"`tierchat train -m {gate.head.cascade}` teaches it anew"
            )
    return ""
