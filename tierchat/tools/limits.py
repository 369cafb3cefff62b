"""The bounds of tools: time, output, calls. Plain values."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class ToolLimits:
    """What the tools of one answer may use.

    `max_calls` counts all calls on the way to one answer, `max_output_chars` those of one result
    that the tier reads.
    """

    timeout_s: float = 30.0
    max_calls: int = 8
    max_output_chars: int = 16_000

    def cut(self, text: str) -> str:
        """Cut a result to its bound; a cut is said at its end."""
        if len(text) <= self.max_output_chars:
            return text
        left_out = len(text) - self.max_output_chars
        return f"{text[: self.max_output_chars]}\n... ({left_out:,} characters left out)"
