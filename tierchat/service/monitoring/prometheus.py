"""Metrics as Prometheus reads them.

The one file that knows the library, which is imported when somebody asks: that takes a tenth of a
second. Names follow https://prometheus.io/docs/practices/naming/.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from tierchat.service.messages import DaemonStatus
from tierchat.service.monitoring.metrics import Histogram, Labels, Metrics

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_TIER = ("cascade", "tier")


def text(metrics: Metrics, status: DaemonStatus) -> bytes:
    """Write all metrics; takes no lock, and may run in a thread beside the event loop."""
    from prometheus_client.exposition import generate_latest

    return generate_latest(_Collected(metrics, status))


class _Collected:
    """What the library calls a registry: it only needs `collect`."""

    def __init__(self, metrics: Metrics, status: DaemonStatus) -> None:
        self._metrics, self._status = metrics, status

    def collect(self) -> Iterator[Any]:
        """Yield every family of metrics."""
        yield from _counters(self._metrics)
        yield from _times(self._metrics)
        yield from _gauges(self._status)


def _counters(metrics: Metrics) -> Iterator[Any]:
    yield _counter(
        "tierchat_prompts",
        "Prompts that were answered, by the tier that answered and how the answer ended",
        (*_TIER, "finish_reason"),
        metrics.prompts,
    )
    yield _counter(
        "tierchat_prompt_errors", "Prompts that ended with an error", ("code",), metrics.errors
    )
    yield _counter(
        "tierchat_escalations",
        "Hops from one tier to another",
        ("cascade", "from", "to"),
        metrics.escalations,
    )
    yield _counter(
        "tierchat_tokens",
        "Tokens of finished prompts: read, cached (not read again), written, discarded",
        (*_TIER, "kind"),
        metrics.tokens,
    )
    yield _counter(
        "tierchat_compute_parameter_tokens",
        "Parameters times tokens of all tiers visited",
        ("cascade",),
        metrics.compute,
    )
    yield _counter(
        "tierchat_top_compute_parameter_tokens",
        "The same had the top tier answered everything alone",
        ("cascade",),
        metrics.top_compute,
    )
    yield _counter(
        "tierchat_http_responses",
        "Responses by route",
        ("route", "method", "status"),
        metrics.responses,
    )
    yield _counter(
        "tierchat_http_refused", "Requests over TCP not let in", ("status",), metrics.refused
    )


def _times(metrics: Metrics) -> Iterator[Any]:
    yield _histogram(
        "tierchat_answer_seconds", "From a prompt's turn to its end", _TIER, metrics.answer_s
    )
    yield _histogram(
        "tierchat_first_token_seconds",
        "From a prompt's turn to the first piece of its answer",
        _TIER,
        metrics.first_token_s,
    )
    yield _histogram(
        "tierchat_queue_seconds", "What prompts waited for their turn", (), {(): metrics.queue_s}
    )


def _gauges(status: DaemonStatus) -> Iterator[Any]:
    loaded = [worker for worker in status.workers if worker.pid is not None]
    single = (
        ("tierchat_prompts_active", "Prompts that are being answered", status.num_active),
        ("tierchat_prompts_waiting", "Prompts that wait for their turn", status.num_waiting),
        ("tierchat_uptime_seconds", "Age of the daemon", status.uptime_s),
        ("tierchat_daemon_resident_bytes", "Memory of the daemon", status.rss_bytes or 0),
    )
    for name, told, value in single:
        yield _gauge(name, told, (), [((), value)])
    yield _gauge("tierchat_build_info", "The version", ("version",), [((status.version,), 1)])
    memory = [((worker.model,), float(worker.rss_bytes or 0)) for worker in loaded]
    yield _gauge("tierchat_model_resident_bytes", "Memory of loaded models", ("model",), memory)
    crashes: dict[Labels, float] = {(w.model,): w.num_crashes for w in status.workers}
    yield _counter("tierchat_model_crashes", "Crashes of a model's worker", ("model",), crashes)


def _counter(name: str, told: str, labels: Labels, values: Mapping[Labels, float]) -> Any:
    from prometheus_client.core import CounterMetricFamily

    family = CounterMetricFamily(name, told, labels=labels)
    for key, value in list(values.items()):
        family.add_metric(key, value)
    return family


def _gauge(name: str, told: str, labels: Labels, values: Iterable[tuple[Labels, float]]) -> Any:
    from prometheus_client.core import GaugeMetricFamily

    family = GaugeMetricFamily(name, told, labels=labels)
    for key, value in values:
        family.add_metric(key, value)
    return family


def _histogram(name: str, told: str, labels: Labels, values: Mapping[Labels, Histogram]) -> Any:
    from prometheus_client.core import HistogramMetricFamily

    family = HistogramMetricFamily(name, told, labels=labels)
    for key, value in list(values.items()):
        family.add_metric(key, buckets=value.buckets(), sum_value=value.sum)
    return family
