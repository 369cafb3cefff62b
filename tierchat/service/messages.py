"""Requests to the daemon and its replies, apart from prompts and answers.

Does not know HTTP.
"""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

from tierchat.types import Frozen
from tierchat.workers.status import WorkerStatus


class LoadReport(Frozen, frozen=True):
    """What loading or unloading one model did, measured.

    `ram_bytes` is the resident size of its worker; `gpu_free_*` are the free bytes of all GPUs
    together.
    """

    model: str
    has_changed: bool
    ram_bytes: int = 0
    gpu_free_before: int = 0
    gpu_free_after: int = 0
    seconds: float = 0.0
    notice: str = ""


class ModelsChange(Frozen, frozen=True):
    """A request to load or unload a model, a tier of the default cascade, or a cascade."""

    name: Annotated[str, msgspec.Meta(max_length=64)]


class ServedModel(Frozen, frozen=True):
    """A name that a request may give as its model and that can be answered on this machine.

    `created` is when its file came here, in seconds since 1970; of several files the last.
    """

    id: str
    created: int


class HealthReport(Frozen, frozen=True):
    """Whether the models answer.

    `has_generated` tells whether a token was written for it, by `tier`, in `seconds`: without a
    loaded model none is.
    """

    status: Literal["ok", "busy", "failing", "stopping"]
    has_generated: bool = False
    tier: str = ""
    model: str = ""
    seconds: float = 0.0
    message: str = ""


class RowsChanged(msgspec.Struct, frozen=True):
    """The number of rows that a change of saved conversations touched."""

    changed: int


class ServeStatus(Frozen, frozen=True):
    """How the daemon listens on TCP; `url` is what clients take as their base URL.

    Only with `is_open` other machines reach it. A `problem` says why the daemon does not listen
    although its settings ask for it.
    """

    url: str = ""
    key_file: str = ""
    is_open: bool = False
    problem: str = ""


class RunningPrompt(Frozen, frozen=True):
    """A prompt that is answered now; not a word of it.

    `client` is empty for those who ask over TCP, `tier` until a tier has the prompt. `tier` wrote
    `num_tokens` in `writing_s`, as it last told; the prompt's turn came `seconds` ago.
    """

    client: str
    cascade: str
    tier: str = ""
    num_hops: int = 0
    num_tokens: int = 0
    writing_s: float = 0.0
    seconds: float = 0.0


class TierCounts(Frozen, frozen=True):
    """What a tier has done since the daemon started.

    `num_escalated` prompts left it for another tier; `num_written` counts tokens of its answers.
    """

    cascade: str
    tier: str
    num_answered: int = 0
    num_escalated: int = 0
    num_written: int = 0


class DaemonStatus(Frozen, frozen=True):
    """The daemon's description of itself, as `daemon status`, `ps` and `top` show it.

    `teaching` is the cascade that teaches itself now; a paused lesson waits for a quiet time.
    """

    pid: int
    version: str
    uptime_s: float
    socket: str
    cascades: dict[str, tuple[str, ...]]
    workers: tuple[WorkerStatus, ...]
    rss_bytes: int | None = None
    num_active: int = 0
    num_waiting: int = 0
    is_stopping: bool = False
    default_cascade: str = ""
    teaching: str = ""
    is_teaching_paused: bool = False
    serving: ServeStatus = ServeStatus()
    prompts: tuple[RunningPrompt, ...] = ()
    tiers: tuple[TierCounts, ...] = ()
