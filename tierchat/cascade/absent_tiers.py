"""Models of a cascade that are not on this machine: which, and what the user does next.

Does not know routes, or how a download works.
"""

from __future__ import annotations

from collections.abc import Mapping

from tierchat.config.catalogue import ModelSpec
from tierchat.errors import ModelMissing


def missing(absent: Mapping[str, ModelSpec], to_pull: str) -> ModelMissing:
    """Describe models that are not here; `to_pull` is the model or cascade that gets them."""
    on_hub = [name for name, spec in absent.items() if spec.repo]
    files = [spec.file for spec in absent.values() if not spec.repo]
    found = []
    if on_hub:
        found.append(f"not on this machine yet: {', '.join(on_hub)}")
    if files:
        found.append(f"no model file at {', '.join(files)}")
    return ModelMissing("; ".join(found), next_step(absent, to_pull))


def next_step(absent: Mapping[str, ModelSpec], to_pull: str) -> str:
    """Say how to get the models: pull those of the hub, correct the path of a local file."""
    steps = []
    if any(spec.repo for spec in absent.values()):
        steps.append(f"run: tierchat pull {to_pull}")
    if any(not spec.repo for spec in absent.values()):
        steps.append("check `file` in models.toml")
    return "; ".join(steps)
