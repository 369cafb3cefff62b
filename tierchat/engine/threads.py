"""How many threads the next decode takes, learned from how the last ones went.

Pure: does not know llama.cpp, clocks, or which program takes the cores.

After every operation of a model its threads wait for each other. Where another program has the core
of one thread, all of them wait for that core, and often fewer threads are faster. Threads that get
their cores compute, or spin, all the time: a processor time well below one second for each thread
and second tells that cores are missing. What then is faster is measured, not guessed.
"""

from __future__ import annotations

from dataclasses import dataclass

# Batches of at least this many tokens are prompts. They gain more from threads than single tokens.
_MIN_PROMPT_TOKENS = 32

# So long are decodes added up before they are judged. A slower decode is judged alone.
_WINDOW_S = 0.03

# Measured on 2 cores: 0.96 to 1.0 where nothing else runs, 0.2 to 0.5 beside a busy program.
_MIN_SHARE_OF_CORES = 0.75

# How long the times may be of more threads, compared with those of fewer. More threads stay where
# they lose nothing. Where cores are missing they must win, for they take time from others.
_MAX_RATIO, _MAX_RATIO_WHERE_CORES_ARE_MISSING = 1.02, 0.97

# An attempt that is so much slower than before ends with the decode that shows it.
_HOPELESS_RATIO = 1.5

_FIRST_WAIT_S, _MAX_WAIT_S = 0.5, 10.0

# After a pause, what was found out before says little about the present.
_MAX_PAUSE_S = 3.0

# Attempts that fail may take this share of the time.
_SHARE_OF_ATTEMPTS = 0.1


@dataclass
class _Window:
    """Decodes of about one size, one after another, all with as many threads."""

    size: int
    num_tokens: int = 0
    wall_s: float = 0.0
    cpu_s: float = 0.0

    @property
    def pace_s(self) -> float:
        """Seconds for a token."""
        return self.wall_s / self.num_tokens


@dataclass(frozen=True)
class _Attempt:
    """Another number of threads that is tried out: what there was before it."""

    num_threads: int
    window: _Window


class _Lane:
    """The number of threads for one kind of batch."""

    def __init__(self, num_threads: int) -> None:
        self.num_threads = num_threads
        self.last_s = 0.0
        self._limit = num_threads
        self._window: _Window | None = None
        self._attempt: _Attempt | None = None
        self._wait_s = _FIRST_WAIT_S
        self._next_up_s = self._next_down_s = 0.0

    def limit(self, num_threads: int) -> None:
        """Allow so many threads; all of them are used at once unless fewer were faster."""
        if self._attempt:
            # Nothing is known of the greater number: it failed, or was not tried to the end.
            self.num_threads = min(self.num_threads, self._attempt.num_threads)
        if self.num_threads == self._limit or self.num_threads > num_threads:
            self.num_threads = num_threads
        self._limit, self._window, self._attempt = num_threads, None, None

    def add(self, num_tokens: int, wall_s: float, cpu_s: float, now_s: float) -> None:
        """Take the times of one decode and choose the number of threads of the next."""
        size = num_tokens if num_tokens < _MIN_PROMPT_TOKENS else num_tokens.bit_length()
        window = self._window
        if window is None or window.size != size:
            window = self._window = _Window(size)
        window.num_tokens += num_tokens
        window.wall_s += wall_s
        window.cpu_s += cpu_s
        if window.wall_s >= _WINDOW_S or self._is_hopeless(window):
            self._window = None
            self._judge(window, now_s)

    def _is_hopeless(self, window: _Window) -> bool:
        if self._attempt is None or self._attempt.window.size != window.size:
            return False
        return window.pace_s > self._attempt.window.pace_s * _HOPELESS_RATIO

    def _judge(self, window: _Window, now_s: float) -> None:
        are_cores_missing = window.cpu_s < _MIN_SHARE_OF_CORES * window.wall_s * self.num_threads
        if self._attempt:
            self._end_attempt(self._attempt, window, are_cores_missing, now_s)
        elif are_cores_missing and self.num_threads > 1 and now_s >= self._next_down_s:
            self._try(self.num_threads - max(1, self.num_threads // 4), window)
        elif self.num_threads < self._limit and now_s >= self._next_up_s:
            self._try(min(self._limit, 2 * self.num_threads), window)

    def _try(self, num_threads: int, window: _Window) -> None:
        self._attempt = _Attempt(self.num_threads, window)
        self.num_threads = num_threads

    def _end_attempt(
        self, before: _Attempt, window: _Window, are_cores_missing: bool, now_s: float
    ) -> None:
        self._attempt = None
        is_alike = before.window.size == window.size
        ratio = window.pace_s / before.window.pace_s
        if self.num_threads < before.num_threads:
            # Where nothing is alike, cores that are missing are reason enough for fewer threads.
            if not is_alike or ratio * _MAX_RATIO_WHERE_CORES_ARE_MISSING <= 1:
                self._next_up_s = now_s + self._wait_s
                return
            self._next_down_s = self._after_failure(window, now_s)
        else:
            most = _MAX_RATIO_WHERE_CORES_ARE_MISSING if are_cores_missing else _MAX_RATIO
            if is_alike and ratio <= most:
                self._wait_s, self._next_up_s = _FIRST_WAIT_S, now_s
                return
            self._next_up_s = self._after_failure(window, now_s)
        self.num_threads = before.num_threads

    def _after_failure(self, window: _Window, now_s: float) -> float:
        """Return when to try again: later each time."""
        self._wait_s = min(2 * self._wait_s, _MAX_WAIT_S)
        return now_s + max(self._wait_s, window.wall_s / _SHARE_OF_ATTEMPTS)


class ThreadGovernor:
    """Chooses the number of threads of each decode: at most the limit, fewer where that is faster.

    `choose` before each decode, `record` after it. Times are of one clock, in seconds.
    """

    def __init__(self, max_threads: int) -> None:
        self._max_threads = self._limit = max_threads
        self._lanes: dict[bool, _Lane] = {}

    @property
    def limit(self) -> int:
        """The most threads a decode may take at present."""
        return self._limit

    def set_limit(self, num_threads: int) -> None:
        """Take no more threads than this from the next decode on, and never more than at first."""
        self._limit = max(1, min(num_threads, self._max_threads))
        for lane in self._lanes.values():
            lane.limit(self._limit)

    def choose(self, num_tokens: int, now_s: float) -> int:
        """Return the number of threads for a batch of so many tokens."""
        if self._limit == 1:
            return 1
        is_prompt = num_tokens >= _MIN_PROMPT_TOKENS
        lane = self._lanes.get(is_prompt)
        if lane is None or now_s - lane.last_s > _MAX_PAUSE_S:
            lane = self._lanes[is_prompt] = _Lane(self._limit)
            lane.last_s = now_s
        return lane.num_threads

    def record(self, num_tokens: int, wall_s: float, cpu_s: float, now_s: float) -> None:
        """Take the times of the decode that `choose` was asked for: its own and this process's."""
        lane = self._lanes.get(num_tokens >= _MIN_PROMPT_TOKENS)
        if self._limit > 1 and lane and wall_s > 0:
            lane.last_s = now_s
            lane.add(num_tokens, wall_s, cpu_s, now_s)
