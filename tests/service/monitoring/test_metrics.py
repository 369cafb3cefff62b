"""Health and metrics of a real daemon, and what is counted of prompts."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.conftest import UserHome
from tests.service.test_routes import reply, request
from tierchat.cascade.ledger import Ledger
from tierchat.config.settings import load_settings
from tierchat.errors import EngineCrashed, Timeout
from tierchat.events import AnswerDelta, CascadeEvent, Done, Hop
from tierchat.outcomes import Usage, Visit
from tierchat.paths import Paths
from tierchat.service.admission import Admission
from tierchat.service.home.home_cascade import HomeCascade
from tierchat.service.messages import DaemonStatus, HealthReport
from tierchat.service.monitoring import prometheus
from tierchat.service.monitoring.health import Health
from tierchat.service.monitoring.measured import MeasuredAnswerer
from tierchat.service.monitoring.metrics import Metrics
from tierchat.types import Message, Prompt

STATUS = DaemonStatus(pid=1, version="1.0", uptime_s=2.0, socket="", cascades={}, workers=())


class Found:
    """Metrics as they were read; each is found by its name and the values of its labels."""

    def __init__(self, text: str) -> None:
        self._values = {
            (sample.name, frozenset(sample.labels.values())): sample.value
            for family in text_string_to_metric_families(text)
            for sample in family.samples
        }

    def __getitem__(self, key: tuple[str, ...]) -> float:
        return self._values[key[0], frozenset(key[1:])]


def get(home: UserHome, path: str) -> tuple[int, bytes]:
    head = f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    status, _, body = reply(home, head.encode())
    return status, body


def test_prompts_are_counted_by_tier_with_their_hops_tokens_and_times() -> None:
    class Script:
        async def answer(self, prompt: Prompt) -> AsyncGenerator[CascadeEvent, None]:
            if prompt.messages[-1].content == "boom":
                raise EngineCrashed("gone")
            yield Hop(visit=Visit(tier="XS", model="xs", reason="hard"), target="S")
            yield AnswerDelta(text="4")
            ledger = Ledger(lambda _tier: 10.0, "M")
            read = Usage(prompt_tokens=5, cached_tokens=2, generated_tokens=1)
            ledger.add("XS", "xs", "hard", read)
            ledger.add("S", "s", "stop", read, is_answer=True)
            yield Done(outcome=ledger.close("4", "", "stop", 0.3))

    metrics = Metrics()
    answerer = MeasuredAnswerer(Script(), metrics, lambda: "pocket")

    async def ask(text: str) -> None:
        prompt = Prompt(messages=(Message(role="user", content=text),))
        async for _ in answerer.answer(prompt):
            pass

    asyncio.run(ask("a secret"))
    with pytest.raises(EngineCrashed):
        asyncio.run(ask("boom"))
    written = prometheus.text(metrics, STATUS).decode()
    found = Found(written)
    assert found["tierchat_prompts_total", "pocket", "S", "stop"] == 1
    assert found["tierchat_escalations_total", "pocket", "XS", "S"] == 1
    assert found["tierchat_prompt_errors_total", "engine_crashed"] == 1
    assert found["tierchat_tokens_total", "pocket", "S", "read"] == 3
    assert found["tierchat_tokens_total", "pocket", "S", "cached"] == 2
    assert found["tierchat_tokens_total", "pocket", "S", "written"] == 1
    assert found["tierchat_answer_seconds_bucket", "pocket", "S", "0.25"] == 0
    assert found["tierchat_answer_seconds_bucket", "pocket", "S", "0.5"] == 1
    assert found["tierchat_answer_seconds_count", "pocket", "S"] == 1
    assert found["tierchat_answer_seconds_sum", "pocket", "S"] == 0.3
    assert found["tierchat_first_token_seconds_count", "pocket", "S"] == 1
    assert found["tierchat_compute_parameter_tokens_total", "pocket"] > 0
    assert "secret" not in written


def test_a_daemon_shows_its_metrics_and_counts_responses_by_route(home: UserHome) -> None:
    home.start_scripted()
    assert reply(home, request(stream=True))[0] == 200
    assert reply(home, request(stream=False, text="refuse"))[0] == 400
    assert get(home, "/v1/models/script/XS")[0] == 200
    assert get(home, "/nothing/secret")[0] == 404
    status, body = get(home, "/metrics")
    found = Found(body.decode())
    assert status == 200
    chat = "/v1/chat/completions", "POST"
    assert found["tierchat_http_responses_total", *chat, "200"] == 1
    assert found["tierchat_http_responses_total", *chat, "400"] == 1
    assert found["tierchat_http_responses_total", "/v1/models/{id:path}", "GET", "200"] == 1
    assert found["tierchat_http_responses_total", "other", "GET", "404"] == 1
    assert found["tierchat_prompts_total", "pocket", "XS", "stop"] == 1
    assert found["tierchat_queue_seconds_count",] == 2
    assert found["tierchat_prompts_active",] == 0 and found["tierchat_daemon_resident_bytes",] > 0
    assert b"secret" not in body


def test_health_is_a_token_that_was_written_now(home: UserHome) -> None:
    home.run("load", "pocket-xs")
    status, body = get(home, "/health")
    found = json.loads(body)
    assert status == 200 and found["status"] == "ok" and found["has_generated"]
    assert (found["tier"], found["model"]) == ("XS", "pocket-xs") and found["seconds"] > 0
    assert json.loads(get(home, "/healthz")[1]) == {"status": "ok"}


class _Keeper(HomeCascade):
    """A home whose models say nothing: only `say_a_word` is scripted."""

    def __init__(self, end: HealthReport | Exception | None) -> None:
        self._end = end
        self.num_asked = 0

    async def say_a_word(self, *, loads: bool) -> HealthReport:
        self.num_asked += 1
        await asyncio.sleep(0.02 if self._end else 60)
        if isinstance(self._end, HealthReport):
            return self._end
        raise self._end or AssertionError


def test_what_fails_is_told_and_many_who_ask_get_one_answer() -> None:
    async def status_of(
        end: HealthReport | Exception | None, *, is_busy: bool = False, num: int = 1
    ) -> tuple[set[str], int]:
        keeper, admission = _Keeper(end), Admission(2, 2)
        admission.num_active = int(is_busy)
        health = Health(keeper, admission, 0.2)
        found = await asyncio.gather(*(health.check(loads=False) for _ in range(num)))
        return {report.status for report in found}, keeper.num_asked

    fine = HealthReport(status="ok", has_generated=True)
    assert asyncio.run(status_of(fine, num=20)) == ({"ok"}, 1)
    assert asyncio.run(status_of(Timeout("too slow")))[0] == {"failing"}
    assert asyncio.run(status_of(None))[0] == {"failing"}
    assert asyncio.run(status_of(None, is_busy=True))[0] == {"busy"}


def test_asking_for_health_loads_nothing_and_does_not_keep_what_is_loaded(home: UserHome) -> None:
    async def main(paths: Paths) -> None:
        cascade = HomeCascade(paths, load_settings(paths, {}))
        try:
            report = await cascade.say_a_word(loads=False)
            assert report.status == "ok" and not report.has_generated
            assert "load=1" in report.message
            assert (await cascade.say_a_word(loads=True)).has_generated
            cascade._pool.keep(["pocket-xs"], 5.0)
            assert (await cascade.say_a_word(loads=False)).tier == "XS"
            (left_s,) = [w.expires_in_s for w in cascade.status_of_workers() if w.pid is not None]
            assert left_s is not None and left_s <= 5.0
        finally:
            await cascade.close()

    asyncio.run(main(home.paths))
