"""A bounded queue that is fair between clients."""

from __future__ import annotations

import asyncio
import random

import pytest

from tierchat.errors import Overloaded, Timeout
from tierchat.service.admission import Admission


async def settle() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


def test_the_excess_is_sent_away_at_once_with_a_time_to_come_back() -> None:
    async def main() -> None:
        admission = Admission(max_active=1, max_waiting=1)
        async with admission.turn("a"):
            waiting = asyncio.create_task(hold(admission, "b", asyncio.Event()))
            await settle()
            with pytest.raises(Overloaded) as caught:
                async with admission.turn("c"):
                    pass
            assert caught.value.retry_after_s > 0
            waiting.cancel()
            await asyncio.gather(waiting, return_exceptions=True)
            assert admission.num_waiting == 0

    asyncio.run(main())


async def hold(admission: Admission, client: str, release: asyncio.Event) -> None:
    async with admission.turn(client):
        await release.wait()


def test_a_greedy_client_does_not_starve_another() -> None:
    async def main() -> None:
        admission, order = Admission(max_active=1, max_waiting=50), []

        async def ask(client: str) -> None:
            async with admission.turn(client):
                order.append(client)
                await asyncio.sleep(0)

        async with admission.turn("first"):
            greedy = [asyncio.create_task(ask("greedy")) for _ in range(10)]
            await settle()
            modest = [asyncio.create_task(ask("modest")) for _ in range(2)]
            await settle()
        await asyncio.gather(*greedy, *modest)
        assert order[:4] == ["greedy", "modest", "greedy", "modest"]

    asyncio.run(main())


def test_closing_refuses_waiting_and_later_prompts() -> None:
    async def main() -> None:
        admission = Admission(max_active=1, max_waiting=5)
        async with admission.turn("a"):
            waiting = asyncio.create_task(hold(admission, "b", asyncio.Event()))
            await settle()
            admission.close()
            with pytest.raises(Overloaded, match="stopping"):
                await waiting
        with pytest.raises(Overloaded, match="stopping"):
            async with admission.turn("c"):
                pass

    asyncio.run(main())


def test_leaving_in_the_moment_of_the_close_gives_no_turn_back() -> None:
    async def main() -> None:
        admission = Admission(max_active=1, max_waiting=5)
        async with admission.turn("a"):
            waiting = asyncio.create_task(hold(admission, "b", asyncio.Event()))
            await settle()
            admission.close()
            waiting.cancel()
            await asyncio.gather(waiting, return_exceptions=True)
            assert admission.num_active == 1
        assert admission.num_active == admission.num_waiting == 0

    asyncio.run(main())


@pytest.mark.parametrize("seed", range(20))
def test_places_are_never_lost_whatever_is_cancelled(seed: int) -> None:
    async def main() -> None:
        rng = random.Random(seed)
        admission, most = Admission(max_active=3, max_waiting=20), 0

        async def ask(client: str) -> None:
            nonlocal most
            async with admission.turn(client):
                most = max(most, admission.num_active)
                for _ in range(rng.randrange(4)):
                    await asyncio.sleep(0)

        tasks = []
        for _ in range(60):
            tasks.append(asyncio.create_task(ask(rng.choice("abc"))))
            if rng.random() < 0.4:
                await asyncio.sleep(0)
            if rng.random() < 0.3:
                rng.choice(tasks).cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        assert admission.num_active == admission.num_waiting == 0
        assert most <= 3

    asyncio.run(main())


def test_waiting_counts_against_the_time_a_prompt_has() -> None:
    async def main() -> None:
        admission, release = Admission(max_active=1, max_waiting=4), asyncio.Event()
        holding = asyncio.create_task(hold(admission, "a", release))
        await settle()
        with pytest.raises(Timeout, match=r"no turn within 0\.05 s"):
            async with admission.turn("b", 0.05):
                pytest.fail("there was no place")
        assert admission.num_waiting == 0
        asyncio.get_running_loop().call_later(0.05, release.set)
        async with admission.turn("b", 30.0) as left_s:
            assert left_s is not None and 29 < left_s < 30
        async with admission.turn("b") as left_s:
            assert left_s is None
        await holding

    asyncio.run(main())
