"""The state of the daemon, the workers and the catalogue as lines of text.

Pure; does not know streams.
"""

from __future__ import annotations

import msgspec

from tierchat.config.catalogue import Catalogue
from tierchat.service.messages import DaemonStatus, ServeStatus
from tierchat.terminal.table import table
from tierchat.terminal.units import memory_text
from tierchat.workers.status import WorkerStatus

NOT_RUNNING = "the daemon is not running; `tierchat ask` or `tierchat daemon up` starts it"


def status_facts(status: DaemonStatus | None) -> dict[str, object]:
    """Return the status as plain values, for JSON; only `running` without a daemon."""
    known = {} if status is None else msgspec.to_builtins(status)
    return {"running": status is not None, **known}


def daemon_lines(status: DaemonStatus | None) -> list[str]:
    """Describe the daemon itself."""
    if status is None:
        return [NOT_RUNNING]
    state = "stopping" if status.is_stopping else "running"
    return [
        f"{state} (PID {status.pid}), version {status.version}, up {_duration(status.uptime_s)}, "
        f"{memory_text(status.rss_bytes)}",
        f"{status.num_active} prompts running, {status.num_waiting} waiting",
        f"socket {status.socket}",
        *_serving_lines(status.serving),
    ]


def _serving_lines(serving: ServeStatus) -> list[str]:
    if serving.problem:
        return [f"does not listen on TCP: {serving.problem}"]
    return [f"listening at {serving.url}"] if serving.url else []


def worker_lines(status: DaemonStatus | None) -> list[str]:
    """List the workers in a table, then the memory of the daemon and the models."""
    if status is None:
        return [NOT_RUNNING]
    rows: list[tuple[str, ...]] = [
        ("TIER", "MODEL", "STATE", "PID", "RAM", "GPU", "CONTEXT", "UNLOADS IN")
    ]
    rows += [_worker_row(worker) for worker in status.workers]
    lines = table(rows)
    lines += [f"{w.model}: {w.reason}" for w in status.workers if w.reason]
    loaded = sum(worker.rss_bytes or 0 for worker in status.workers)
    own = f"daemon {memory_text(status.rss_bytes)}, models {memory_text(loaded)}"
    if status.teaching:
        how = "waits until nobody asks" if status.is_teaching_paused else "runs"
        own += f"; the lesson of {status.teaching} {how}"
    return [*lines, own]


def catalogue_lines(catalogue: Catalogue) -> list[str]:
    """List every cascade with its tiers."""
    lines = []
    for name, cascade in catalogue.cascades.items():
        lines += ["", f"cascade {name}"]
        lines += table([(f"  {t.name}", t.model, f"gate {t.gate}") for t in cascade.tiers])
    return lines


def _worker_row(worker: WorkerStatus) -> tuple[str, ...]:
    is_loaded = worker.pid is not None
    expires = "never" if worker.expires_in_s is None else _duration(worker.expires_in_s)
    if worker.num_active:
        expires = "in use"
    return (
        ",".join([tier for tier in worker.tiers if ":" not in tier] or worker.tiers) or "-",
        ", ".join(worker.models),
        worker.state,
        str(worker.pid or "-"),
        memory_text(worker.rss_bytes),
        memory_text(worker.gpu_bytes or None),
        str(worker.context or "-"),
        expires if is_loaded else "-",
    )


def _duration(seconds: float) -> str:
    whole = int(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min"
    return f"{whole // 3600} h {whole % 3600 // 60} min"
