"""Jinja programs from GGUFs, run under limits: a sandbox, computing time, size and memory.

Knows what chat templates expect of their host (as Hugging Face and llama.cpp give it), but no
messages, models or tokens.
"""

from __future__ import annotations

import json
import re
import resource
import signal
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from types import FrameType
from typing import Any

from jinja2 import ChainableUndefined, Undefined, nodes
from jinja2 import TemplateError as JinjaError
from jinja2.exceptions import SecurityError
from jinja2.ext import Extension
from jinja2.filters import do_format
from jinja2.parser import Parser
from jinja2.sandbox import ImmutableSandboxedEnvironment

from tierchat.errors import TemplateError

ANOTHER_TEMPLATE = "give the model another one: `tierchat add NAME FILE --template chatml`"
MAX_RENDERED_CHARS = 1_000_000
RENDER_DEADLINE_S = 2.0
_RENDER_MEMORY_BYTES = 512 * 1024 * 1024
_MAX_DATE_FORMAT = 200
_MAX_FORMAT_WIDTH = 999
# Flags, width and precision of a printf directive.
_FORMAT_WIDTHS = re.compile(r"%(?:\([^)]*\))?[-+ #0]*(\d+|\*)?(?:\.(\d+|\*))?")
_FAILURES = (JinjaError, ArithmeticError, LookupError, TypeError, ValueError, AttributeError)


class TemplateRefusal(Exception):
    """A template failed on these values, or raised an exception of its own about them."""


class Program:
    """A compiled template; uses a timer signal and so runs in the main thread only."""

    def __init__(
        self,
        source: str,
        *,
        deadline_s: float = RENDER_DEADLINE_S,
        now: Callable[[], datetime] = datetime.now,
        is_lenient: bool = False,
    ) -> None:
        """Compile a template; raises TemplateError when the source is not valid.

        For a lenient program a value that nobody gave is an empty text, as for llama.cpp.
        """
        environment = _Sandbox(
            undefined=_Nothing if is_lenient else Undefined,
            trim_blocks=True,
            lstrip_blocks=True,
            extensions=["jinja2.ext.loopcontrols", "jinja2.ext.do", _Generation],
        )
        environment.filters["tojson"] = _to_json
        # Nothing is escaped here; jinja's own mark would have it escape what is added to a text.
        environment.filters["safe"] = str
        environment.filters["format"] = _format
        environment.globals["raise_exception"] = _raise_exception
        environment.globals["strftime_now"] = lambda form: _date(now(), form)
        self._deadline_s = deadline_s
        try:
            with _deadline(deadline_s), _memory_limit():
                self._template = environment.from_string(source)
        except (*_FAILURES, RecursionError, MemoryError, SyntaxError) as error:
            raise TemplateError(
                f"the chat template does not compile: {error!r}", ANOTHER_TEMPLATE
            ) from error

    def run(self, values: Mapping[str, Any], max_chars: int = MAX_RENDERED_CHARS) -> str:
        """Render; raises TemplateRefusal if the template fails, TemplateError beyond a limit."""
        parts, size = [], 0
        try:
            with _deadline(self._deadline_s), _memory_limit():
                for part in self._template.generate(**values):
                    size += len(part)
                    if size > max_chars:
                        raise TemplateError("the chat template writes too much text")
                    parts.append(part)
        except SecurityError as error:
            raise TemplateError(f"the chat template failed: {error}") from error
        except _FAILURES as error:
            raise TemplateRefusal(str(error) or repr(error)) from error
        except (RecursionError, MemoryError) as error:
            raise TemplateError("the chat template ran out of memory") from error
        return "".join(parts)


class _Sandbox(ImmutableSandboxedEnvironment):
    intercepted_binops = frozenset(["*", "**", "%"])

    def is_safe_attribute(self, obj: Any, attr: str, value: Any) -> bool:
        # Kimi's and Granite's templates collect calls in lists; a list lives as long as one run.
        if attr in ("append", "pop") and isinstance(obj, list):
            return True
        return super().is_safe_attribute(obj, attr, value)

    def call_binop(self, context: Any, operator: str, left: Any, right: Any) -> Any:
        if operator == "**" or not _is_small(operator, left, right):
            raise SecurityError(f"operator {operator} would build something too large")
        return super().call_binop(context, operator, left, right)


class _Nothing(ChainableUndefined):
    """A value that nobody gave; added to a text, it leaves that text alone."""

    def __add__(self, other: Any) -> Any:
        return other

    __radd__ = __add__


class _Generation(Extension):
    """`{% generation %}`: marks what the assistant wrote, for training; here only its text."""

    tags = {"generation"}  # noqa: RUF012

    def parse(self, parser: Parser) -> nodes.Node:
        line = next(parser.stream).lineno
        body = parser.parse_statements(("name:endgeneration",), drop_needle=True)
        return nodes.Scope(body, lineno=line)


def _is_small(operator: str, left: Any, right: Any) -> bool:
    if operator == "%":
        return not isinstance(left, str) or _has_small_widths(left)
    sized, times = (right, left) if isinstance(left, int) else (left, right)
    if isinstance(sized, (str, list, tuple)) and isinstance(times, int):
        return len(sized) * times <= MAX_RENDERED_CHARS
    return not isinstance(sized, int) or abs(sized) < 2**64 > abs(int(times))


def _has_small_widths(form: str) -> bool:
    widths = [width for found in _FORMAT_WIDTHS.findall(form) for width in found if width]
    return all(w != "*" and len(w) < 5 and int(w) <= _MAX_FORMAT_WIDTH for w in widths)


def _format(value: Any, *arguments: Any, **named: Any) -> str:
    if not _has_small_widths(str(value)):
        raise SecurityError("the filter format would build something too large")
    return do_format(str(value), *arguments, **named)


def _to_json(
    value: Any,
    ensure_ascii: bool = False,
    indent: int | str | None = None,
    separators: tuple[str, str] | None = None,
    sort_keys: bool = False,
) -> str:
    # Jinja's own filter writes for HTML pages: it would turn < into \u003c.
    separators = tuple(separators) if separators else None  # type: ignore[assignment]
    return json.dumps(
        value, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys
    )


def _date(now: datetime, form: str) -> str:
    if len(form) > _MAX_DATE_FORMAT:
        raise SecurityError("the format of a date is too long")
    return now.strftime(form)


def _raise_exception(message: str) -> None:
    raise JinjaError(message)


@contextmanager
def _deadline(seconds: float) -> Iterator[None]:
    def expire(_signal: int, _frame: FrameType | None) -> None:
        raise TemplateError(f"the chat template ran longer than {seconds:g} s")

    # Computing time: on a busy machine the clock would run out for a good template, too.
    before = signal.signal(signal.SIGPROF, expire)
    signal.setitimer(signal.ITIMER_PROF, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)


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
