"""Where a prompt with tools is: at the question, at what a tool has found, or after it has failed.

Pure; does not know tiers or models. No protocol has a field that says of every failure that it is
one, so a result is judged by its first words.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

from tierchat.gates.order import ToolStage
from tierchat.types import Prompt

# A long text that mentions an error somewhere is no failure.
_FAILED = re.compile(
    r"\W*(?:error|exception|traceback|fatal|failed|failure|tool_use_error|ошибка|не удалось"
    r"|(?:cannot|can't|could not|couldn't|unable to|no such|command not found|permission denied)"
    r"|timed? ?out|exit(?:ed with)? (?:code|status):? [1-9])(?!\w)",
    re.IGNORECASE,
)
_ERROR_KEYS = ("error", "errors", "isError", "is_error")
_MAX_JSON_CHARS = 4_000


def stage_of(prompt: Prompt) -> ToolStage:
    """Say where a prompt with tools is; `none` for a prompt without."""
    results = list(_last_results(prompt))
    if results:
        return "failed" if any(map(has_failed, results)) else "result"
    return "question" if prompt.tools.callable else "none"


def has_failed(result: str) -> bool:
    """Whether a result of a tool says in its first words, or as JSON, that the call failed."""
    found = _object_in(result)
    if found is None:
        return _FAILED.match(result) is not None
    says_so = any(found.get(key) for key in _ERROR_KEYS)
    return says_so or False in (found.get("ok"), found.get("success"))


def _object_in(result: str) -> dict[str, Any] | None:
    """Return the JSON object that a result is; None for any other text."""
    if not result.lstrip().startswith("{") or len(result) > _MAX_JSON_CHARS:
        return None
    try:
        found = json.loads(result)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def _last_results(prompt: Prompt) -> Iterator[str]:
    """Yield what the tools that were called last have found."""
    for message in reversed(prompt.messages):
        if message.role != "tool":
            return
        yield message.content
