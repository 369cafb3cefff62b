"""The way out of a chat whose models cannot answer: fetch others, and go on with them.

Does not know how models are fetched, or how prompts are printed.
"""

from __future__ import annotations

from collections.abc import Callable

from tierchat.cli.chat import settings
from tierchat.cli.chat.keys import Keys
from tierchat.cli.chat.session import ChatSession, Turn
from tierchat.cli.offer.rescue import Rescue
from tierchat.config.home import Home
from tierchat.errors import ModelMissing
from tierchat.terminal.output import Output
from tierchat.types import Prompt

# Asks and remembers; the turn, if any, is replaced.
Ask = Callable[[Prompt, Turn | None], None]


class ChatRescue:
    """The rescues of one chat: after a no, nothing is offered any more."""

    def __init__(
        self, session: ChatSession, home: Home, output: Output, keys: Keys, *, is_here: bool = True
    ) -> None:
        self._session, self._home, self._keys = session, home, keys
        self._rescue = Rescue(home, output, is_here=is_here)

    def hint(self, prompt: Prompt) -> str:
        """Name the command that helps; empty where the person is asked instead."""
        return self._rescue.hint(prompt)

    def after_refusal(self, prompt: Prompt, ask: Ask) -> None:
        """Offer models for a prompt that no tier could answer, and ask it again with them."""
        with self._keys.usual():
            self._rescue.after_refusal(prompt, self._again(prompt, ask))

    def after_missing(self, prompt: Prompt, error: ModelMissing, ask: Ask) -> None:
        """Offer the models that a prompt needs; raises the error if nobody is asked."""
        with self._keys.usual():
            self._rescue.after_missing(prompt, error, self._again(prompt, ask))

    def _again(self, prompt: Prompt, ask: Ask) -> Callable[[str, str | None], int]:
        session, text = self._session, prompt.messages[-1].content

        def again(cascade: str, min_tier: str | None) -> int:
            if session.cascade != cascade:
                settings.cascade(session, self._home.catalogue, cascade)
            last = session.last if session.last and session.last.prompt == text else None
            ask(session.ask(text, min_tier=min_tier, replaces=last), last)
            return 0

        return again
