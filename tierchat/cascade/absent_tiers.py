"""Models of a cascade that are not on this machine: which, and what the user does next.

Does not know routes, or how a download works.
"""

from __future__ import annotations

from collections.abc import Mapping

from tierchat.config.catalogue import ModelSpec
from tierchat.config.model_parts import missing_part
from tierchat.errors import ModelMissing
from tierchat.models.on_disk import absent_files

_MAX_NAMED = 3


def missing(absent: Mapping[str, ModelSpec], to_pull: str) -> ModelMissing:
    """Describe models that are not here; `to_pull` is the model or cascade that gets them."""
    on_hub = [name for name, spec in absent.items() if spec.repo]
    local = [path for spec in absent.values() if not spec.repo for path in absent_files(spec)]
    for spec in absent.values():
        some = absent_files(spec)
        if not spec.repo and 0 < len(some) < len(spec.files):
            # The first of the parts that are not beside the others.
            return missing_part(some[0], spec.paths.index(some[0]) + 1, len(spec.files))
    found = []
    if on_hub:
        found.append(f"not on this machine yet: {', '.join(on_hub)}")
    if local:
        more = f" and {len(local) - _MAX_NAMED} more" if len(local) > _MAX_NAMED else ""
        found.append(f"no model file at {', '.join(map(str, local[:_MAX_NAMED]))}{more}")
    return ModelMissing("; ".join(found), next_step(absent, to_pull))


def next_step(absent: Mapping[str, ModelSpec], to_pull: str) -> str:
    """Say how to get the models: pull those of the hub, correct the path of a local file."""
    steps = []
    if any(spec.repo for spec in absent.values()):
        steps.append(f"run: tierchat pull {to_pull}")
    if any(not spec.repo for spec in absent.values()):
        steps.append("check `file` in models.toml")
    return "; ".join(steps)
