"""Where a prompt with tools begins: at a tier that was taught to call them.

Pure; does not know models. A model that was not taught to call tools answers in prose, and nothing
about that answer says that a call was missing; no lesson of a gate holds such prompts either.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from tierchat.cascade.beginning import Beginning


def begin_with_tools(
    beginning: Beginning, tiers: Sequence[str], knows_tools: Sequence[bool]
) -> Beginning:
    """Raise a beginning to the lowest tier whose model knows tools, if any does."""
    if beginning.earlier.stage == "none" or True not in knows_tools:
        return beginning
    lowest = knows_tools.index(True)
    if lowest == 0:
        return beginning
    beginning = replace(beginning, least=tiers[lowest])
    least = tiers.index(beginning.floor) if beginning.floor in tiers else 0
    if lowest <= least:
        return beginning
    others = " and ".join(tiers[:lowest])
    verb = "knows" if lowest == 1 else "know"
    return replace(beginning, floor=tiers[lowest], why=f"{others} {verb} no tools")
