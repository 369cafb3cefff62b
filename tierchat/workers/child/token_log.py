"""The log-probabilities of an answer's tokens, handed out with the text in which the tokens begin.

Does not know why text is held back, released or cut.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import msgspec

from tierchat.engine.prompt_reader import Scores
from tierchat.outcomes import ScoredToken, TokenLogprob
from tierchat.workers.protocol import Delta, Escalated, RequestEvent

Spell = Callable[[int], bytes]


class TokenLog:
    """Tokens that are drawn go in; each comes out with the piece of text in which it begins.

    Tokens that begin behind the end of the answer, as a stop string does, never come out. `spell`
    gives the bytes of a token, for a control token those of its name.
    """

    def __init__(self, spell: Spell) -> None:
        self._spell = spell
        # With the number of the answer's characters before each.
        self._waiting: list[tuple[int, ScoredToken]] = []
        self._num_written = self._num_shown = 0

    def add(self, scores: Scores, text: str) -> None:
        """Take a token of the answer and the text that it added."""
        self._waiting.append((self._num_written, scored(scores, self._spell)))
        self._num_written += len(text)

    def attached(self, events: Iterable[RequestEvent]) -> list[RequestEvent]:
        """Return the events; those with text of the answer have its tokens."""
        return [self._with_tokens(event) for event in events]

    def rest(self) -> tuple[ScoredToken, ...]:
        """Return the tokens that did not come out yet."""
        found = tuple(token for _, token in self._waiting)
        self._waiting.clear()
        return found

    def _with_tokens(self, event: RequestEvent) -> RequestEvent:
        text = event.answer if isinstance(event, Delta) else ""
        text = event.draft if isinstance(event, Escalated) else text
        if not text or not isinstance(event, Delta | Escalated):
            return event
        self._num_shown += len(text)
        num = sum(start < self._num_shown for start, _ in self._waiting)
        found = tuple(token for _, token in self._waiting[:num])
        del self._waiting[:num]
        return msgspec.structs.replace(event, logprobs=found)


def scored(scores: Scores, spell: Spell) -> ScoredToken:
    """Spell a token and its alternatives."""
    return ScoredToken(
        id=scores.token,
        raw=spell(scores.token),
        logprob=scores.logprob,
        top=tuple(TokenLogprob(id=t, raw=spell(t), logprob=p) for t, p in scores.top),
    )


def prompt_scores(found: Sequence[Scores], spell: Spell) -> tuple[ScoredToken, ...]:
    """Spell the tokens of a prompt."""
    return tuple(scored(scores, spell) for scores in found)
