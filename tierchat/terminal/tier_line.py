"""An outcome in words: the tier line and the explanation. Does not know colours or streams."""

from __future__ import annotations

from collections.abc import Sequence

from tierchat.events import Working
from tierchat.outcomes import Outcome, Visit
from tierchat.terminal.units import duration_text, percent, seconds
from tierchat.tool_calls import CALLED

BAR, ARROW, DOT, ABOUT = "│", "→", "·", "≈"
_SAME_SHARE = 0.005


def tier_line(outcome: Outcome) -> str:
    """Say which tier answered, what the escalation cost, and what was saved."""
    parts = [_who(outcome), *([outcome.began] if outcome.began else [])]
    if outcome.tool_runs:
        parts.append(_tools(outcome))
    if outcome.escalation_tokens or len(_hops(outcome)) > 0:
        parts.append(_escalation(outcome))
    saved = _saved(outcome)
    return f" {BAR} ".join([*parts, saved] if saved else parts)


def hop_line(visit: Visit, target: str) -> str:
    """Say that a tier passes the prompt on, and why."""
    return f"{visit.tier} {ARROW} {target}: {visit.reason}{_probability(visit)}"


def working_line(event: Working) -> str:
    """Say what a tier does while nothing of its answer is shown."""
    if not event.generated:
        return f"{event.tier} {DOT} reads {event.computed} of {event.total} tokens"
    written = f"{event.tier} {DOT} {event.generated} tokens"
    rate = f"{event.generated / event.seconds:.0f} tokens/s" if event.seconds else ""
    return f"{written} {DOT} {rate}" if rate else written


def waiting_line(tier: str, left_s: float) -> str:
    """Say how long the answer of a tier that has just begun is expected to take."""
    return f"{tier} {DOT} {about(left_s)}"


def about(left_s: float) -> str:
    """Say a time that is expected: about 12 s."""
    return f"about {duration_text(max(1.0, left_s))}"


def explanation(path: Sequence[Visit], began: str = "") -> list[str]:
    """List every visited tier with its reason, tokens, time and the numbers behind it.

    `began` says where a follow-up began.
    """
    rows = [("tier", "model", "why it ended", "prompt", "cached", "new", "unused", "time")]
    rows += [
        (
            visit.tier,
            visit.model,
            visit.reason,
            str(visit.prompt_tokens),
            str(visit.cached_tokens),
            str(visit.generated_tokens),
            str(visit.discarded_tokens),
            seconds(visit.seconds),
        )
        for visit in path
    ]
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = []
    for row in rows:
        left = [cell.ljust(width) for cell, width in zip(row[:3], widths[:3], strict=True)]
        right = [cell.rjust(width) for cell, width in zip(row[3:], widths[3:], strict=True)]
        lines.append("  ".join([*left, *right]))
    for visit in path:
        if visit.estimates:
            numbers = ", ".join(f"{name} {value:.3f}" for name, value in visit.estimates.items())
            lines.append(f"{visit.tier}: {numbers}")
    return [*lines, began] if began else lines


def _who(outcome: Outcome) -> str:
    time = seconds(outcome.seconds)
    if outcome.tier is None:
        return f"no tier could answer {DOT} {time}"
    tokens = f"{outcome.generated_tokens} token{'s' * (outcome.generated_tokens != 1)}"
    return f" {DOT} ".join((outcome.tier, outcome.model or "", tokens, time))


def _hops(outcome: Outcome) -> list[Visit]:
    """Return the visits that neither gave the answer nor called tools for it."""
    path = outcome.path[:-1] if outcome.tier else outcome.path
    return [visit for visit in path if visit.reason != CALLED]


def _tools(outcome: Outcome) -> str:
    """Say what calls of tools have cost beside the last turn."""
    num = len(outcome.tool_runs)
    called = [visit for visit in outcome.path[:-1] if visit.reason == CALLED]
    read = sum(visit.prompt_tokens - visit.cached_tokens for visit in called)
    generated = sum(visit.generated_tokens for visit in called)
    time = seconds(sum(run.seconds for run in outcome.tool_runs))
    calls = f"{num} tool call{'s' * (num != 1)}"
    return f"{calls} cost {read} prompt + {generated} generated tokens, {time} to run"


def _escalation(outcome: Outcome) -> str:
    hops = _hops(outcome)
    way = ARROW.join(dict.fromkeys(visit.tier for visit in outcome.path))
    generated = sum(visit.generated_tokens for visit in hops)
    prompt = outcome.escalation_tokens - generated
    cost = f"{way} cost {prompt} prompt + {generated} generated tokens, "
    cost += seconds(outcome.escalation_seconds)
    return f"{cost} ({percent(outcome.escalation_compute)})" if outcome.tier else cost


def _saved(outcome: Outcome) -> str:
    if outcome.tier is None:
        return ""
    about = f"{ABOUT} " if outcome.is_compute_estimated else ""
    less = 1 - outcome.relative_compute
    if outcome.tier == outcome.top_tier and abs(less) < _SAME_SHARE:
        return f"the top tier {DOT} no compute saved"
    direction = "less" if less >= 0 else "more"
    return f"{about}{percent(abs(less))} {direction} compute than {outcome.top_tier}"


def _probability(visit: Visit) -> str:
    wish = visit.estimates.get("escalate_probability")
    return f", probability {wish:.2f}" if wish is not None else ""
