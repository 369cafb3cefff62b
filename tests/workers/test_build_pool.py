"""Whoever needs workers gets them planned, checked and healed, lessons as well as the daemon."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from tierchat.config.home import Home
from tierchat.errors import DoesNotFit, UsageError
from tierchat.learning.outcomes.work import workers
from tierchat.models.placement import hardware
from tierchat.models.placement.hardware import Machine
from tierchat.paths import find_paths
from tierchat.workers.build_pool import build_pool


@pytest.fixture
def home(tmp_path: Path) -> Home:
    env = {"TIERCHAT_HOME": str(tmp_path)}
    return Home(find_paths(env), env)


def test_the_workers_of_a_lesson_are_planned_as_the_daemon_s_are(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    small = Machine(ram_total_bytes=1 << 20, ram_free_bytes=1 << 20)
    monkeypatch.setattr(hardware, "look", lambda: small)

    async def main() -> None:
        async with workers(home, "pocket") as pool:
            with pytest.raises(DoesNotFit, match="pocket-m does not fit: it needs"):
                await pool.load("pocket-m")

    asyncio.run(main())


def test_a_pool_of_a_cascade_that_is_not_there_is_refused(home: Home) -> None:
    with pytest.raises(UsageError, match="no cascade named 'none'"):
        build_pool(home.catalogue, "none", home.paths, home.settings, keepalive_s=1)
