"""What a tool raises when it cannot do what it was asked; the tier reads the message."""

from __future__ import annotations

from tierchat.errors import TierchatError


class ToolFailed(TierchatError):
    """A call that came to nothing; the message goes back to the tier as the result."""

    code = "tool_failed"
