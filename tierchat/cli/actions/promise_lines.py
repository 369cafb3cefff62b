"""What a learned gate can promise, as a table. Does not know how a promise is measured."""

from __future__ import annotations

import math
from collections.abc import Iterator

from tierchat.gates.files import GateHead
from tierchat.terminal.table import table

_QUALITIES = (0.8, 0.9, 0.95, 0.98, 0.99)


def promise_lines(head: GateHead) -> Iterator[str]:
    """List what a number for `--quality` promises, what is expected then, and at which cost."""
    top, num = head.tiers[-1].name, head.report.num_held_out
    prompts = f"{num} held-out prompts" if num else "its held-out prompts"
    most = max((t.promised for t in head.tradeoffs if t.cost < 1.0), default=0.0)
    if not most:
        yield f"{prompts} cannot promise any quality for less than {top} costs: teach with more"
        return
    yield f"{prompts} are enough to promise (sure in 95 of 100 lessons, for prompts of this kind):"
    rows = [("--quality", "expected", f"compute of {top}")]
    for quality in sorted({*_QUALITIES, math.floor(1000 * most) / 1000}):
        setting = head.promise(quality)
        kept, cost = (setting.quality, setting.cost) if setting else (1.0, 1.0)
        by_top = "" if setting else f"   ({top} answers everything)"
        rows.append((f"{quality:g}", f"{kept:6.1%}", f"{cost:6.1%}{by_top}"))
    yield from table(rows)
