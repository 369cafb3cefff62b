"""A request run to its end on a scripted model: the whole answer, or our error."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator

import pytest

from tierchat.errors import ContextTooLong, EngineCrashed, TemplateError
from tierchat.outcomes import Usage
from tierchat.types import Message, Verdict
from tierchat.workers.complete import Completed, complete
from tierchat.workers.protocol import (
    Delta,
    Escalated,
    Failed,
    Finished,
    Generate,
    Progress,
    RequestEvent,
)

ORDER = Generate(id=0, messages=(Message(role="user", content="2+2"),))


class Scripted:
    """Yields the given events, and notes whether its iterator was closed."""

    def __init__(self, *events: RequestEvent) -> None:
        self._events = events
        self.is_closed = False

    async def generate(self, model: str, order: Generate) -> AsyncGenerator[RequestEvent, None]:
        assert (model, order) == ("m", ORDER)
        try:
            for event in self._events:
                yield event
        finally:
            self.is_closed = True


def run(models: Scripted) -> Completed:
    return asyncio.run(complete(models, "m", ORDER))


def test_the_pieces_of_an_answer_are_joined_and_thoughts_left_out() -> None:
    usage = Usage(prompt_tokens=5, generated_tokens=3, seconds=0.1)
    verdict = Verdict(escalate=False, reason="keeps it")
    models = Scripted(
        Progress(id=1, computed=5, total=5),
        Delta(id=1, thought="2+2=4"),
        Delta(id=1, answer="It is "),
        Delta(id=1, answer="4"),
        Finished(id=1, reason="stop", usage=usage, verdict=verdict),
        Delta(id=1, answer="never read"),
    )
    assert run(models) == Completed("It is 4", "stop", usage, verdict, None)
    assert models.is_closed


def test_a_prompt_that_is_too_long_is_raised_with_its_number_of_tokens() -> None:
    usage = Usage(prompt_tokens=9_000)
    failed = Failed(id=1, code=ContextTooLong.code, message="long", hint="shorter", usage=usage)
    models = Scripted(failed)
    with pytest.raises(ContextTooLong) as caught:
        run(models)
    assert (caught.value.num_tokens, caught.value.hint) == (9_000, "shorter")
    assert models.is_closed


def test_what_a_worker_reports_is_raised_as_our_error() -> None:
    with pytest.raises(TemplateError, match="no such filter"):
        run(Scripted(Failed(id=1, code=TemplateError.code, message="no such filter")))


@pytest.mark.parametrize(
    "events",
    [
        (),
        (Delta(id=1, answer="4"),),
        (
            Escalated(
                id=1, stage="prefill", verdict=Verdict(escalate=True, reason="-"), usage=Usage()
            ),
        ),
    ],
)
def test_a_request_without_a_result_is_an_error(events: tuple[RequestEvent, ...]) -> None:
    with pytest.raises(EngineCrashed, match="the worker of m ended a request without a result"):
        run(Scripted(*events))
