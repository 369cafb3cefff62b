"""What a daemon is doing, as lines of text: prompts under way, tiers, models.

Pure; does not know streams.
"""

from __future__ import annotations

from collections.abc import Sequence

from tierchat.cli.actions.watching.status import NOT_RUNNING
from tierchat.service.messages import DaemonStatus, RunningPrompt
from tierchat.terminal.table import table
from tierchat.terminal.units import memory_text, percent
from tierchat.terminal.units import seconds as seconds_text


def top_lines(status: DaemonStatus | None) -> list[str]:
    """Describe the prompts under way, what each tier did so far, and the models."""
    if status is None:
        return [NOT_RUNNING]
    sections = (_prompts(status.prompts), _tiers(status), _models(status))
    lines = [_summary(status)]
    for section in sections:
        lines += ["", *section] if section else []
    return lines


def _summary(status: DaemonStatus) -> str:
    rate = sum(_rate(run) for run in status.prompts)
    return (
        f"{status.num_active} prompts running, {status.num_waiting} waiting, "
        f"{rate:.0f} tokens/s, daemon {memory_text(status.rss_bytes)}"
    )


def _prompts(running: Sequence[RunningPrompt]) -> list[str]:
    if not running:
        return []
    rows: list[tuple[str, ...]] = [
        ("CLIENT", "CASCADE", "TIER", "HOPS", "TOKENS", "TOKENS/S", "SINCE")
    ]
    rows += [
        (
            run.client or "-",
            run.cascade,
            run.tier or "-",
            str(run.num_hops),
            str(run.num_tokens),
            f"{_rate(run):.0f}" if run.writing_s else "-",
            seconds_text(run.seconds),
        )
        for run in running
    ]
    return table(rows)


def _tiers(status: DaemonStatus) -> list[str]:
    if not status.tiers:
        return []
    rows: list[tuple[str, ...]] = [("CASCADE", "TIER", "ANSWERED", "ESCALATED", "SHARE", "WRITTEN")]
    for counts in status.tiers:
        share = counts.num_escalated / (counts.num_answered + counts.num_escalated)
        rows.append(
            (
                counts.cascade,
                counts.tier,
                str(counts.num_answered),
                str(counts.num_escalated),
                percent(share),
                f"{counts.num_written} tokens",
            )
        )
    return table(rows)


def _models(status: DaemonStatus) -> list[str]:
    rows: list[tuple[str, ...]] = [("MODEL", "STATE", "PROMPTS", "RAM", "GPU")]
    rows += [
        (
            ", ".join(worker.models),
            worker.state,
            str(worker.num_active),
            memory_text(worker.rss_bytes),
            memory_text(worker.gpu_bytes or None),
        )
        for worker in status.workers
    ]
    return table(rows) if status.workers else []


def _rate(run: RunningPrompt) -> float:
    return run.num_tokens / run.writing_s if run.writing_s else 0.0
