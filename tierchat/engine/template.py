"""The chat template of a GGUF, rendered under limits, into tokens that text cannot forge.

Does not know engines. A template is an untrusted program: it runs in a sandbox with a deadline and
limits of size and memory. Message texts never pass through it or the parser of special tokens.
"""

from __future__ import annotations

import resource
import secrets
import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any, Protocol

from jinja2 import TemplateError as JinjaError
from jinja2.exceptions import SecurityError
from jinja2.sandbox import ImmutableSandboxedEnvironment

from tierchat.errors import TemplateError
from tierchat.types import Message

MAX_RENDERED_CHARS = 1_000_000
RENDER_DEADLINE_S = 2.0
_RENDER_MEMORY_BYTES = 512 * 1024 * 1024


class Tokenizer(Protocol):
    """The part of a model that rendering needs."""

    def tokenize(self, text: str, *, parse_special: bool) -> list[int]: ...


class _Sandbox(ImmutableSandboxedEnvironment):
    intercepted_binops = frozenset(["*", "**", "%"])

    def call_binop(self, context: Any, operator: str, left: Any, right: Any) -> Any:
        if operator == "**" or not _is_small(operator, left, right):
            raise SecurityError(f"operator {operator} would build something too large")
        return super().call_binop(context, operator, left, right)


class ChatTemplate:
    """A compiled template; it uses a timer signal and so runs in the main thread only."""

    def __init__(self, source: str, deadline_s: float = RENDER_DEADLINE_S) -> None:
        """Compile a template; raises TemplateError when the source is not valid."""
        environment = _Sandbox(trim_blocks=True, lstrip_blocks=True)
        environment.globals["raise_exception"] = _raise_exception
        self._deadline_s = deadline_s
        self.has_think_switch = "enable_thinking" in source
        try:
            with _deadline(deadline_s), _memory_limit():
                self._template = environment.from_string(source)
        except (JinjaError, RecursionError, MemoryError) as error:
            raise TemplateError(f"the chat template does not compile: {error!r}") from error

    def tokens(
        self, messages: Sequence[Message], tokenizer: Tokenizer, *, think: bool | None = None
    ) -> list[int]:
        """Render and tokenise a conversation up to the beginning of the assistant's turn.

        The template sees a random mark instead of each message text, and only the text outside
        the marks can make control tokens. Raises TemplateError for a template that fails, takes
        too long, writes too much or loses a message.
        """
        nonce = secrets.token_hex(8)
        marks = [f"\ue000{nonce}:{index}\ue001" for index in range(len(messages))]
        turns = [
            {"role": message.role, "content": mark}
            for message, mark in zip(messages, marks, strict=True)
        ]
        rendered = self._render(turns, think)
        missing = [m.role for m, mark in zip(messages, marks, strict=True) if mark not in rendered]
        if missing:
            raise TemplateError(f"the chat template drops a {missing[0]} message")
        tokens: list[int] = []
        head, *rest = rendered.split(f"\ue000{nonce}:")
        tokens += tokenizer.tokenize(head, parse_special=True)
        for part in rest:
            index, _, tail = part.partition("\ue001")
            content = messages[int(index)].content
            tokens += tokenizer.tokenize(content, parse_special=False)
            tokens += tokenizer.tokenize(tail, parse_special=True)
        return tokens

    def _render(self, turns: list[dict[str, str]], think: bool | None) -> str:
        values: dict[str, Any] = {"messages": turns, "add_generation_prompt": True}
        if think is not None:
            values["enable_thinking"] = think
        parts, size = [], 0
        try:
            with _deadline(self._deadline_s), _memory_limit():
                for part in self._template.generate(**values):
                    size += len(part)
                    if size > MAX_RENDERED_CHARS:
                        raise TemplateError("the chat template writes too much text")
                    parts.append(part)
        except (JinjaError, ArithmeticError, LookupError, TypeError, ValueError) as error:
            raise TemplateError(f"the chat template failed: {error}") from error
        except (RecursionError, MemoryError) as error:
            raise TemplateError("the chat template ran out of memory") from error
        return "".join(parts)


def _is_small(operator: str, left: Any, right: Any) -> bool:
    if operator == "%":
        return not isinstance(left, str)
    sized, times = (right, left) if isinstance(left, int) else (left, right)
    if isinstance(sized, (str, list, tuple)) and isinstance(times, int):
        return len(sized) * times <= MAX_RENDERED_CHARS
    return not isinstance(sized, int) or abs(sized) < 2**64 > abs(int(times))


def _raise_exception(message: str) -> None:
    raise JinjaError(message)


@contextmanager
def _deadline(seconds: float) -> Iterator[None]:
    def expire(_signal: int, _frame: FrameType | None) -> None:
        raise TemplateError(f"the chat template ran longer than {seconds:g} s")

    before = signal.signal(signal.SIGALRM, expire)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


@contextmanager
def _memory_limit() -> Iterator[None]:
    # Only on Linux does the address space measure the memory that a template can allocate.
    if sys.platform != "linux":
        yield
        return
    before = resource.getrlimit(resource.RLIMIT_AS)
    num_pages = int(Path("/proc/self/statm").read_text().split()[0])
    limit = num_pages * resource.getpagesize() + _RENDER_MEMORY_BYTES
    if before[1] != resource.RLIM_INFINITY:
        limit = min(limit, before[1])
    resource.setrlimit(resource.RLIMIT_AS, (limit, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, before)
