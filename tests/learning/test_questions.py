"""Questions to the small tiers about themselves: each once, kept, and bounded."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from pathlib import Path

import numpy as np
import pytest

from tests.made_matrix import made_matrix
from tierchat.config.catalogue import TierSpec
from tierchat.errors import EngineCrashed
from tierchat.gates.order import Probe
from tierchat.learning.outcomes.questions import Said, ask_tiers
from tierchat.learning.outcomes.store import open_store
from tierchat.learning.outcomes.topics import Topic
from tierchat.learning.outcomes.work import Work
from tierchat.outcomes import Usage
from tierchat.types import Signals
from tierchat.workers.protocol import Failed, Finished, Generate, RequestEvent

MATRIX = made_matrix(6)
WORK = Work(tuple(TierSpec(name=n, model=n) for n in MATRIX.tiers), ("x", "s", "m"), 8)


class Scripted:
    """Says yes with 0.6 and no with 0.2; `fails_after` so many questions the worker dies."""

    def __init__(self, fails_after: int = 1_000) -> None:
        self.orders: list[tuple[str, Generate]] = []
        self._fails_after = fails_after

    async def generate(self, model: str, order: Generate) -> AsyncGenerator[RequestEvent, None]:
        if len(self.orders) >= self._fails_after:
            yield Failed(id=0, code="engine_crashed", message="gone", usage=Usage())
            return
        self.orders.append((model, order))
        await asyncio.sleep(0)
        watched = (0.6, 0.6, 0, 0, 0.2, 0, 0, 0) if len(order.watch) > 1 else (0.25,)
        signals = Signals(watched=watched)
        probe = Probe(
            first=signals,
            first_hidden=b"",
            second=signals,
            second_hidden=b"",
            logprobs=(),
            prompt_tokens=(),
        )
        yield Finished(id=0, reason="length", usage=Usage(prompt_tokens=31), probe=probe)


def ask(path: Path, models: Scripted, topic: Topic, rows: list[int] | None = None) -> Said:
    with open_store(path / "o.sqlite") as store:
        return asyncio.run(
            ask_tiers(WORK, MATRIX, topic, models, store, on_reply=lambda *_: None, rows=rows)
        )


def test_every_tier_but_the_top_one_is_asked_once_about_its_own_answer(tmp_path: Path) -> None:
    models = Scripted()
    said = ask(tmp_path, models, "is-right")
    assert said.probabilities == pytest.approx(np.full((6, 2), 0.75))
    assert (said.num_tokens == 31).all() and len(models.orders) == 12
    model, order = models.orders[0]
    assert model == "XS" and order.sampling.max_tokens == 1
    assert "Proposed answer:\n1" in order.messages[0].content
    assert ask(tmp_path, models, "is-right").num_tokens.sum() == 12 * 31
    assert len(models.orders) == 12


def test_a_tier_is_asked_in_the_system_turn_whether_it_is_unsure(tmp_path: Path) -> None:
    models = Scripted()
    said = ask(tmp_path, models, "unsure")
    assert said.probabilities == pytest.approx(np.full((6, 2), 0.75))
    system, user = models.orders[0][1].messages
    assert system.role == "system" and "UNSURE" in system.content and user.content == "0 0"


def test_a_stopped_run_goes_on_where_it_was(tmp_path: Path) -> None:
    dying = Scripted(fails_after=5)
    with pytest.raises(EngineCrashed):
        ask(tmp_path, dying, "is-right")
    models = Scripted()
    ask(tmp_path, models, "is-right")
    assert len(dying.orders) == 5 and len(models.orders) == 7


def test_only_chosen_rows_are_asked_about(tmp_path: Path) -> None:
    models = Scripted()
    said = ask(tmp_path, models, "is-right", rows=[1, 4])
    assert len(models.orders) == 4
    assert np.isnan(said.probabilities[:, 0]).tolist() == [True, False, True, True, False, True]
