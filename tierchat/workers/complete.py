"""One request, run to its end: the whole answer as a value, or our error.

Does not know tiers or escalation, and shows nothing while the answer is written.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass
from typing import Protocol

from tierchat.errors import ContextTooLong, EngineCrashed, TierchatError, error_from_code
from tierchat.gates.order import Probe
from tierchat.outcomes import Usage
from tierchat.types import Verdict
from tierchat.workers.protocol import Delta, Failed, Finished, Generate, RequestEvent


class Generates(Protocol):
    """Runs requests on models by name, as the pool does."""

    def generate(self, model: str, order: Generate) -> AsyncGenerator[RequestEvent, None]: ...


@dataclass(frozen=True)
class Completed:
    """A whole answer, thoughts left out, and the facts that `Finished` reports."""

    answer: str
    reason: str
    usage: Usage
    verdict: Verdict | None
    probe: Probe | None


async def complete(models: Generates, model: str, order: Generate) -> Completed:
    """Run a request that must not escalate, and return its whole answer.

    Raises ContextTooLong with the number of tokens of the prompt, EngineCrashed when the worker
    dies or sends no result, and what else the worker reports.
    """
    answer: list[str] = []
    async with aclosing(models.generate(model, order)) as events:
        async for event in events:
            match event:
                case Delta():
                    answer.append(event.answer)
                case Finished():
                    return Completed(
                        "".join(answer), event.reason, event.usage, event.verdict, event.probe
                    )
                case Failed():
                    raise _error_of(event)
    raise EngineCrashed(f"the worker of {model} ended a request without a result")


def _error_of(failed: Failed) -> TierchatError:
    if failed.code == ContextTooLong.code:
        return ContextTooLong(failed.message, failed.hint, failed.usage.prompt_tokens)
    return error_from_code(failed.code, failed.message, failed.hint)
