"""Which models of a catalogue are the same file, loaded in the same way, under several names.

Does not know workers or memory, and reads no file.
"""

from __future__ import annotations

import os
from collections.abc import Mapping

import msgspec

from tierchat.config.catalogue import ModelSpec

# What is written of a model and changes nothing about a loaded one.
_SOFT = (
    *("repo", "revision", "bytes", "sha256", "license", "description"),
    *("parameters", "active_parameters", "max_context", "kv_bytes_per_token"),
    *("state_bytes_per_sequence", "has_think_switch", "sampling", "think_sampling"),
)


def owners(models: Mapping[str, ModelSpec]) -> dict[str, str]:
    """Map every model to the first one that is loaded in the same way from the same files.

    A model whose sha256 is published comes before one without, so that the file is checked.
    """
    plain = ModelSpec()
    soft = {key: getattr(plain, key) for key in _SOFT}
    found: dict[ModelSpec, str] = {}
    first: dict[str, str] = {}
    for name in sorted(models, key=lambda name: not _hashes(models[name])):
        spec = models[name]
        paths = tuple(os.path.realpath(path) for path in spec.paths)
        key = msgspec.structs.replace(spec, **soft, file=" ".join(paths), parts=())
        other = found.setdefault(key, name)
        is_same_file = _hashes(spec) in ((), _hashes(models[other]))
        first[name] = other if is_same_file else name
    return first


def _hashes(spec: ModelSpec) -> tuple[str, ...]:
    return tuple(file.sha256.lower() for file in spec.files if file.sha256)
