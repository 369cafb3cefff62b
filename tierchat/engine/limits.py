"""Sizes that the engine keeps to and that the memory planner predicts from.

Does not know llama.cpp.
"""

from __future__ import annotations

BATCH_SIZE = 512

# Rows of a batch whose logits may be asked for at once; each costs 4 bytes a token of vocabulary.
_USUAL_OUTPUTS = 64

DEFAULT_CONTEXT = 8192

_CELLS_FOR_MANY = 8192

# llama.cpp takes 64 half-precision numbers at a time on AVX-512: shorter heads go one by one.
MIN_HEAD_SIZE_FOR_F16 = 64

# Saved states of hybrid and recurrent models, in RAM.
MAX_STATE_BYTES = 1 << 30

# Below this a token is computed faster than threads can meet at a barrier.
MIN_BYTES_FOR_THREADS = 50_000_000


def num_outputs(max_sequences: int) -> int:
    """Say for how many tokens of a batch logits can be asked for."""
    return max(_USUAL_OUTPUTS, max_sequences)


def num_cells(context: int, max_sequences: int) -> int:
    """Say how many tokens the KV cache of a context holds.

    Short contexts get cells for many sequences at once; long ones share and may preempt.
    """
    return max(context, min(context * max_sequences, _CELLS_FOR_MANY))
