"""The tools of a chat, as `/tools` and -T choose them.

Does not know prompts; everything it prints goes through `Output`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from tierchat.cli.ask.hands import Hands
from tierchat.cli.ask.person import PersonAtTerminal
from tierchat.cli.ask.printer import AsksDaemon
from tierchat.cli.chat.keys import Keys
from tierchat.cli.chat.session import ChatSession
from tierchat.config.home import Home
from tierchat.terminal.output import Output
from tierchat.types import Message

if TYPE_CHECKING:
    from tierchat.tools.loop import ToolLoop

_NONE = "off"


class ChatHands:
    """The tools that the answers of one chat may use; none at first."""

    def __init__(self, session: ChatSession, home: Home, output: Output, keys: Keys) -> None:
        self._session, self._home, self._output = session, home, output
        self._person = PersonAtTerminal(output, keys.usual)
        self._hands = self._made(())
        self._words: list[str] = []
        self._loop: ToolLoop | None = None

    @property
    def said(self) -> tuple[Message, ...]:
        """The calls of the last answer and their results, as messages."""
        return self._loop.said if self._loop else ()

    def _made(self, words: Sequence[str]) -> Hands:
        return Hands(words, self._home, self._person, is_saved=self._session.is_saved)

    def choose(self, rest: str) -> None:
        """Let tiers call these tools from now on, or none with `off`; raises UsageError."""
        if rest:
            words = [] if rest == _NONE else rest.replace(",", " ").split()
            hands = self._made(words)
            self._hands.close()
            self._hands, self._words, self._loop = hands, words, None
        self._output.say(f"tools: {' '.join(self._words) or '(none)'}")

    def asker(self, asks: AsksDaemon, *, is_bare: bool = False) -> AsksDaemon:
        """Return who answers the next prompt with these tools; without, if it `is_bare`."""
        if is_bare:
            self._loop = None
            return asks
        self._loop = self._hands.loop(asks, self._session.cascade, self._output, is_held=False)
        return self._loop or asks

    def close(self) -> None:
        """End what runs for the tools."""
        self._hands.close()
