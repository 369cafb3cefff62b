"""One answer on its way to one client: what happens when the client leaves."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from typing import Any

import pytest

from tierchat.errors import TierchatError
from tierchat.events import AnswerDelta
from tierchat.service.answers import ChoiceEvent
from tierchat.service.http.limits import Limits
from tierchat.service.openai.chat_reply import ChatForm
from tierchat.service.replies import Reply


@pytest.mark.parametrize("num_turns", range(10))
def test_a_client_that_leaves_in_the_moment_of_a_line_ends_the_answer(num_turns: int) -> None:
    """The line is `num_turns` turns of the event loop later than the disconnect."""
    has_left = asyncio.Event()
    ends: list[str] = []

    async def answer() -> AsyncGenerator[ChoiceEvent, None]:
        try:
            yield ChoiceEvent(0, AnswerDelta(text="a"))
            await asyncio.sleep(0.01)
            has_left.set()
            for _ in range(num_turns):
                await asyncio.sleep(0)
            yield ChoiceEvent(0, AnswerDelta(text="b"))
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            ends.append("cancelled")
            raise

    async def receive() -> dict[str, Any]:
        await has_left.wait()
        return {"type": "http.disconnect"}

    async def send(_message: Any) -> None:
        return

    async def main() -> None:
        reply = Reply(answer(), ChatForm(), Limits(), lambda: TierchatError("a bug"))
        async with asyncio.timeout(5):
            await reply.stream()({"type": "http"}, receive, send)

    asyncio.run(main())
    assert ends == ["cancelled"]
