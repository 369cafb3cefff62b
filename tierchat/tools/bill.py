"""What an answer with tools cost: the outcomes of its turns, added up into one.

Pure values.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from tierchat.outcomes import Outcome, Visit
from tierchat.tool_calls import CALLED, ToolRun


def added_up(outcomes: Sequence[Outcome], runs: Sequence[ToolRun]) -> Outcome:
    """Return the last outcome with the visits, tokens, time and compute of all turns."""
    last = outcomes[-1]
    if len(outcomes) == 1:
        return last
    top = sum(outcome.top_compute for outcome in outcomes)
    compute = sum(outcome.compute for outcome in outcomes)
    escalation = sum(outcome.escalation_compute * outcome.top_compute for outcome in outcomes)
    notices = [notice for outcome in outcomes for notice in outcome.notices]
    return msgspec.structs.replace(
        last,
        path=tuple(visit for outcome in outcomes for visit in _path(outcome, outcome is last)),
        escalation_tokens=sum(outcome.escalation_tokens for outcome in outcomes),
        escalation_seconds=sum(outcome.escalation_seconds for outcome in outcomes),
        seconds=sum(outcome.seconds for outcome in outcomes) + sum(run.seconds for run in runs),
        compute=compute,
        top_compute=top,
        relative_compute=compute / top if top else 1.0,
        escalation_compute=escalation / top if top else 0.0,
        is_compute_estimated=any(outcome.is_compute_estimated for outcome in outcomes),
        began=outcomes[0].began,
        thought="".join(outcome.thought for outcome in outcomes),
        notices=tuple(dict.fromkeys(notices)),
        tool_runs=tuple(runs),
    )


def _path(outcome: Outcome, is_last: bool) -> list[Visit]:
    """Return the visits of one turn; of a turn that ended in calls the last one says so."""
    path = list(outcome.path)
    if not is_last and path:
        path[-1] = msgspec.structs.replace(path[-1], reason=CALLED)
    return path
