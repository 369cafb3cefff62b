"""What the routes of Anthropic's API do: read a request to be answered, or count its tokens.

Does not know HTTP or how prompts are answered.
"""

from __future__ import annotations

from typing import Any

from tierchat.service.answers import Asked
from tierchat.service.anthropic.messages_format import least_tiers, read_count, read_messages
from tierchat.service.anthropic.messages_reply import MessagesForm
from tierchat.service.protocols import ModelKeeper
from tierchat.service.replies import Ask


class ClaudeRoutes:
    """Handlers for one home."""

    def __init__(self, keeper: ModelKeeper) -> None:
        self._keeper = keeper

    def ask(self, body: bytes, client: str) -> Ask:
        """Read a request for POST /v1/messages; raises InvalidRequest naming the field."""
        found = read_messages(body, self._tiers())
        form = MessagesForm(shows_thoughts=found.shows_thoughts)
        return Ask(Asked([found.prompt], client, found.notices), form, found.is_stream)

    async def count(self, body: bytes, _client: str) -> dict[str, Any]:
        """Answer POST /v1/messages/count_tokens, as the first tier that may answer counts."""
        prompt = read_count(body, self._tiers()).prompt
        texts = self._keeper.texts
        return {"input_tokens": await texts.count(texts.find(prompt.options), prompt)}

    def _tiers(self) -> dict[str, str]:
        keeper = self._keeper
        return least_tiers(keeper.cascades()[keeper.default], keeper.claude_tiers)
