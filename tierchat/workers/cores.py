"""One budget of cores for all workers of a pool: those that compute share them.

Does not know requests or memory. llama.cpp's threads wait for each other after every operation, so
two workers that each take all cores would bring each other down.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from tierchat.workers.seat import Seat


class CoreBudget:
    """Tells each busy worker how many threads it may use. Belongs to the pool's event loop."""

    def __init__(self, num_cores: int) -> None:
        self._num_cores = num_cores

    def share(self, seats: Iterable[Seat]) -> None:
        """Divide the cores between the workers that are busy now.

        A worker that is loading, and one that computes on a GPU, count as one core.
        """
        num_others, computing = 0, []
        for seat in seats:
            worker, info = seat.live_worker, seat.info
            if seat.is_coming:
                num_others += 1
            elif worker and info and seat.num_active:
                if info.is_gpu_offloaded:
                    num_others += 1
                else:
                    computing.append((info.num_threads, worker))
        computing.sort(key=lambda pair: pair[0])
        shares = divide(self._num_cores - num_others, [most for most, _ in computing])
        for share, (_, worker) in zip(shares, computing, strict=True):
            worker.set_threads(share)


def divide(num_cores: int, most: Sequence[int]) -> list[int]:
    """Divide cores fairly between workers of which each can use `most`, which is sorted.

    What one worker cannot use is left to the others; each gets one core at least.
    """
    shares: list[int] = []
    for index, wanted in enumerate(most):
        left = num_cores - sum(shares)
        shares.append(max(1, min(wanted, left // (len(most) - index))))
    return shares
