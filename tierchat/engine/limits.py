"""Sizes that the engine keeps and the memory planner uses for its predictions.

Does not know llama.cpp.
"""

from __future__ import annotations

BATCH_SIZE = 512

# Rows of a batch with logits; each takes 4 bytes per token of the vocabulary.
_USUAL_OUTPUTS = 64

DEFAULT_CONTEXT = 8192

_CELLS_FOR_MANY = 8192

# How many sequences a model computes at once. They share the cells, so that more of them cost no
# memory; but a hybrid or recurrent model keeps a state for each, of up to 150 MiB.
_USUAL_SEQUENCES = 64
_USUAL_SEQUENCES_WITH_STATES = 16

# On AVX-512, llama.cpp processes 64 half-precision numbers at a time and the rest one by one.
MIN_HEAD_SIZE_FOR_F16 = 64

# For the saved states of hybrid and recurrent models, in RAM.
MAX_STATE_BYTES = 1 << 30

# A model smaller than this computes a token in less time than threads need for a barrier.
MIN_BYTES_FOR_THREADS = 50_000_000


def usual_sequences(*, has_states: bool) -> int:
    """Return how many sequences run at once where the catalogue leaves it open."""
    return _USUAL_SEQUENCES_WITH_STATES if has_states else _USUAL_SEQUENCES


def num_outputs(max_sequences: int) -> int:
    """Return for how many tokens of a batch logits can be computed."""
    return max(_USUAL_OUTPUTS, max_sequences)


def num_cells(context: int, max_sequences: int) -> int:
    """Return how many tokens the KV cache holds.

    A short context gets cells for many sequences. With a long one, sequences share the cells of a
    single context and may be preempted.
    """
    return max(context, min(context * max_sequences, _CELLS_FOR_MANY))
