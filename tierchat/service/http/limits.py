"""Bounds of the service: how much it reads, and how long it waits for clients.

Does not know who keeps to them.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Limits:
    """Bounds of the service; seconds and bytes.

    `max_connections` and `idle_s`, for a connection without a request, hold over TCP.
    """

    max_body_bytes: int = 16 * 1024 * 1024
    max_connections: int = 256
    idle_s: float = 75.0
    head_s: float = 10.0
    body_s: float = 30.0
    stall_s: float = 60.0
    keep_alive_s: float = 15.0
