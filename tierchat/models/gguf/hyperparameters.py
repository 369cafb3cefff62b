"""Checks the hyperparameters of a GGUF whose wrong values make llama.cpp abort its process.

Does not know tensors or vocabularies. Raises ModelCorrupt with the broken rule. Values that
llama.cpp refuses with a reason are not checked here.
"""

from __future__ import annotations

from collections.abc import Mapping

from tierchat.errors import ModelCorrupt
from tierchat.models.gguf.reader import FETCH_AGAIN, Value

# llama.cpp's limits: LLAMA_MAX_LAYERS and LLAMA_MAX_EXPERTS.
_MAX_LAYERS = 512
_MAX_EXPERTS = 1024
_MAX_CONTEXT = 2**31 - 1
_MAX_WIDTH = 1 << 20
_MAX_HEADS = 1 << 16
_ROPE_SCALINGS = ("none", "linear", "yarn", "longrope")


class Hyperparameters:
    """The values of `metadata` whose keys begin with the architecture's name."""

    def __init__(self, architecture: str, metadata: Mapping[str, Value]) -> None:
        self._prefix = architecture + "."
        self._metadata = metadata

    def check(self) -> None:
        """Check every rule; raises ModelCorrupt."""
        num_layers = self._whole("block_count", 1, _MAX_LAYERS)
        self._whole("context_length", 1, _MAX_CONTEXT)
        self._whole("embedding_length", 1, _MAX_WIDTH)
        self._optional("nextn_predict_layers", 0, num_layers)
        self._per_layer("attention.head_count", num_layers, _MAX_HEADS)
        self._per_layer("attention.head_count_kv", num_layers, _MAX_HEADS)
        self._check_experts(num_layers)
        scaling = self._get("rope.scaling.type")
        if scaling is not None and scaling not in _ROPE_SCALINGS:
            raise self._wrong("rope.scaling.type", f"one of {', '.join(_ROPE_SCALINGS)}")

    def _check_experts(self, num_layers: int) -> None:
        num_experts = self._optional("expert_count", 0, _MAX_EXPERTS)
        self._per_layer("expert_used_count", num_layers, num_experts)
        num_groups = self._optional("expert_group_count", 0, max(0, num_experts - 1))
        if num_groups > 1:
            if num_experts % num_groups:
                raise self._wrong("expert_group_count", f"a divisor of {num_experts} experts")
            self._optional("expert_group_used_count", 1, num_groups - 1, default=0)

    def _get(self, key: str) -> Value | None:
        return self._metadata.get(self._prefix + key)

    def _whole(self, key: str, least: int, most: int) -> int:
        if self._get(key) is None:
            raise ModelCorrupt(f"{self._prefix}{key} is missing", FETCH_AGAIN)
        return self._optional(key, least, most)

    def _optional(self, key: str, least: int, most: int, default: int = 0) -> int:
        value = self._get(key)
        if value is None:
            value = default
        if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
            raise self._wrong(key, f"a whole number from {least:,} to {most:,}")
        return value

    def _per_layer(self, key: str, num_layers: int, most: int) -> None:
        values = self._get(key)
        if values is None:
            return
        if not isinstance(values, tuple):
            self._optional(key, 0, most)
            return
        if len(values) != num_layers:
            raise self._wrong(key, f"one number for each of {num_layers} layers")
        if not all(isinstance(number, int) and 0 <= number <= most for number in values):
            raise self._wrong(key, f"whole numbers from 0 to {most:,}")

    def _wrong(self, key: str, wanted: str) -> ModelCorrupt:
        value = self._get(key)
        is_short = isinstance(value, bool | int | float | str)
        shown = f" {value!r:.60}" if is_short else ""
        return ModelCorrupt(f"{self._prefix}{key}{shown} is not {wanted}", FETCH_AGAIN)
