"""Whether the models answer: one token of the lowest loaded tier, written now.

Does not know HTTP. Asking does not keep models loaded, interrupt a lesson or fill the KV cache.
"""

from __future__ import annotations

import asyncio

from tierchat.errors import TierchatError
from tierchat.service.admission import Admission
from tierchat.service.messages import HealthReport
from tierchat.service.protocols import ModelKeeper

_TIMEOUT_S = 10.0


class Health:
    """The health of one daemon; many who ask at once get one answer. One event loop owns it."""

    def __init__(
        self, keeper: ModelKeeper, admission: Admission, timeout_s: float = _TIMEOUT_S
    ) -> None:
        self._keeper, self._admission, self._timeout_s = keeper, admission, timeout_s
        self._running: dict[bool, asyncio.Task[HealthReport]] = {}

    async def check(self, *, loads: bool) -> HealthReport:
        """Write a token and report; with `loads`, a model is loaded if none is."""
        task = self._running.get(loads)
        if task is None:
            task = asyncio.create_task(self._check(loads))
            self._running[loads] = task
            task.add_done_callback(lambda _: self._running.pop(loads))
        # One who leaves must not end what others wait for.
        return await asyncio.shield(task)

    async def _check(self, loads: bool) -> HealthReport:
        if self._admission.is_closed:
            return HealthReport(status="stopping", message="the daemon is stopping")
        is_busy = self._admission.num_active > 0
        try:
            async with asyncio.timeout(None if loads else self._timeout_s):
                return await self._keeper.say_a_word(loads=loads)
        except TimeoutError:
            if is_busy:
                # Answers under way have deadlines of their own.
                return HealthReport(status="busy", message="prompts are being answered")
            return HealthReport(
                status="failing", message=f"no token within {self._timeout_s:g} seconds"
            )
        except TierchatError as error:
            return HealthReport(status="failing", message=error.message)
