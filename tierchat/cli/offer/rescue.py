"""The way out for a prompt that the models here cannot answer: name what helps, or fetch it.

Imports what it needs only then: most prompts are answered, and pay nothing for this.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from tierchat.config.home import Home
from tierchat.errors import ModelMissing
from tierchat.terminal.output import Output
from tierchat.types import Prompt

if TYPE_CHECKING:
    from tierchat.cli.offer.offer import PullOffers

# Asks the prompt again in a cascade, from a tier on or from the lowest; returns an exit code.
AskAgain = Callable[[str, str | None], int]


class Rescue:
    """The rescues of one command or one chat.

    `is_asked` is False where nobody may be asked, `is_here` where another machine answers, whose
    models cannot be fetched from here.
    """

    def __init__(
        self, home: Home, output: Output, *, is_asked: bool = True, is_here: bool = True
    ) -> None:
        self._home, self._output, self._is_asked = home, output, is_asked
        self._is_here = is_here
        self._found: PullOffers | None = None

    def hint(self, prompt: Prompt) -> str:
        """Name the command that helps; empty where the person is asked instead."""
        return self._offers().hint(prompt) if self._is_here else ""

    def after_refusal(self, prompt: Prompt, ask_again: AskAgain) -> int | None:
        """Offer models and fetch them; returns the last exit code, None if none were fetched.

        Raises DoesNotFit, the errors of downloads, and KeyboardInterrupt.
        """
        offer = self._offers().accepted(prompt) if self._is_here else None
        if offer is None:
            return None
        from tierchat.cli.offer.first_pull import FirstPull

        def again(min_tier: str | None) -> int:
            return ask_again(offer.cascade, min_tier)

        return FirstPull(offer, self._home, self._output, again).run()

    def after_missing(self, prompt: Prompt, error: ModelMissing, ask_again: AskAgain) -> int:
        """Offer to fetch the models that a prompt needs; raises the error if nobody is asked."""
        if not (self._is_here and self._offers().will_ask(prompt)):
            raise error
        self._output.error(error.message)
        code = self.after_refusal(prompt, ask_again)
        return error.exit_code if code is None else code

    def _offers(self) -> PullOffers:
        if self._found is None:
            from tierchat.cli.offer.offer import PullOffers

            self._found = PullOffers(self._home, self._output, is_asked=self._is_asked)
        return self._found
