"""A chat in figures: the line below the prompt, `/context`, `/stats`.

Pure text; does not know terminals or the daemon.
"""

from __future__ import annotations

from tierchat.cli.chat.session import ChatSession
from tierchat.errors import UsageError
from tierchat.service.messages import DaemonStatus
from tierchat.terminal.units import seconds
from tierchat.workers.status import WorkerStatus

_ANY = 1 << 30


def status_line(session: ChatSession, status: DaemonStatus | None, lesson: str = "") -> str:
    """Say in one line which tiers are loaded, how full a context is, and what was saved."""
    workers = [worker for worker in status.workers if worker.pid] if status else []
    loaded = {t for w in workers if status for t in _tiers(status, w, session.cascade)}
    tiers = " ".join(t if t in loaded else f"({t})" for t in session.tiers)
    parts = [f"{session.options.tier} only" if session.options.tier else tiers]
    sizes = _sizes(status, session.cascade)
    if session.used:
        tier = max(session.used, key=lambda name: session.used[name] / sizes.get(name, _ANY))
        of = f"/{sizes[tier]}" if tier in sizes else ""
        parts.append(f"context {session.used[tier]}{of}")
    if session.spent:
        parts.append(f"{session.num_tokens:,} tokens")
    if session.compute_saved is not None:
        parts.append(f"{session.compute_saved:.0%} compute saved")
    if lesson:
        parts.append(lesson)
    return " · ".join(parts)


def contexts(session: ChatSession, status: DaemonStatus | None) -> list[str]:
    """Say how full the context of each tier is."""
    sizes = _sizes(status, session.cascade)
    lines = []
    for tier in session.tiers:
        used = session.used.get(tier)
        # A tier that was not asked since the conversation changed has not counted it.
        if used is None:
            room = f"; {sizes[tier]} tokens fit" if tier in sizes else ""
            lines.append(f"{tier}: not read yet{room}")
        else:
            lines.append(f"{tier}: {used}{f' of {sizes[tier]}' if tier in sizes else ''} tokens")
    return lines


def spent(session: ChatSession) -> list[str]:
    """Say which tiers answered, what escalation cost, and the compute saved.

    Raises UsageError before the first prompt.
    """
    outcomes = session.spent
    if not outcomes:
        raise UsageError("nothing was asked yet")
    tiers = [outcome.tier or "no tier" for outcome in outcomes]
    shares = ", ".join(f"{tier} {tiers.count(tier)}" for tier in dict.fromkeys(tiers))
    tokens = sum(outcome.escalation_tokens for outcome in outcomes)
    lines = [
        f"{len(outcomes)} prompts answered by: {shares}",
        f"{session.num_tokens:,} tokens computed, {tokens:,} of them for escalation",
        f"waited {seconds(sum(outcome.seconds for outcome in outcomes))}",
    ]
    saved = session.compute_saved
    if saved is not None:
        lines.append(f"compute saved, compared with asking only the top tier: {saved:.1%}")
    return lines


def _sizes(status: DaemonStatus | None, cascade: str) -> dict[str, int]:
    if status is None:
        return {}
    return {
        tier: worker.context
        for worker in status.workers
        for tier in _tiers(status, worker, cascade)
        if worker.context
    }


def _tiers(status: DaemonStatus, worker: WorkerStatus, cascade: str) -> list[str]:
    """Return the tiers of a worker by the names they have in one cascade."""
    if cascade == status.default_cascade:
        return [tier for tier in worker.tiers if ":" not in tier]
    own = f"{cascade}:"
    return [tier.removeprefix(own) for tier in worker.tiers if tier.startswith(own)]
