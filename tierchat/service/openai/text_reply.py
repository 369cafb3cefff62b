"""Texts that were continued, in OpenAI's older completions JSON: whole, or as chunks.

Does not know HTTP. Log-probabilities have the older shape: parallel lists of tokens, numbers,
likely tokens and offsets, the prompt's own tokens first where it is echoed.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Sequence
from typing import Any

from tierchat.errors import TierchatError
from tierchat.events import AnswerDelta, Done, PromptScored
from tierchat.outcomes import Outcome, ScoredToken, TokenLogprob
from tierchat.service.answers import Asked, ChoiceEvent
from tierchat.service.openai.chat_reply import event_line
from tierchat.service.openai.text_format import TextRequest, read_text_request
from tierchat.service.openai_format import ANY_MODEL
from tierchat.service.openai_replies import FINGERPRINT, error_body, facts
from tierchat.service.replies import Ask


class _Choice:
    """What is known of one choice; `length` counts the characters that were written so far."""

    def __init__(self, echo: str | None) -> None:
        self.echo = echo
        self.has_begun = False
        self.prompt: Sequence[ScoredToken] = ()
        self.text: list[str] = []
        self.tokens: list[ScoredToken] = []
        self.outcome: Outcome | None = None
        self.length = 0


class TextForm:
    """Writes the answers to one request. Owned by that request."""

    def __init__(self, asked: TextRequest) -> None:
        self._id, self._created = f"cmpl-{secrets.token_hex(12)}", int(time.time())
        self._asked = asked
        self._model: str | None = None
        self._choices = [
            _Choice(prompt.question if asked.has_echo else None) for prompt in asked.prompts()
        ]

    def see(self, found: ChoiceEvent) -> None:
        """Take note of an event, perhaps long before its lines are written."""
        choice = self._choices[found.index]
        match found.event:
            case PromptScored(tokens=tokens):
                choice.prompt = tokens
                if not choice.echo and self._asked.has_echo:
                    choice.echo = _spelled(tokens)
            case AnswerDelta(text=text, model=model, logprobs=tokens):
                self._model = self._model or model
                choice.text.append(text)
                choice.tokens += tokens
            case Done(outcome=outcome):
                self._model = self._model or outcome.model
                choice.outcome = outcome

    def lines(self, found: ChoiceEvent) -> list[bytes]:
        """Write the lines of a stream for one event."""
        choice, event = self._choices[found.index], found.event
        text, reason = "", None
        tokens: Sequence[ScoredToken] = ()
        rest: dict[str, Any] = {}
        match event:
            case AnswerDelta():
                text, tokens = event.text, event.logprobs
            case Done(outcome=outcome):
                reason = _reason(outcome)
                rest = {"x_tierchat": {"type": "done", "outcome": facts(outcome)}}
                if not self._asked.includes_usage and len(self._outcomes()) == len(self._choices):
                    rest["usage"] = self._usage()
            case PromptScored():
                # It comes with the first text.
                return []
            case _:
                rest = {"x_tierchat": event}
        if isinstance(event, AnswerDelta | Done) and not choice.has_begun:
            choice.has_begun = True
            text, tokens = (choice.echo or "") + text, (*choice.prompt, *tokens)
        written = {
            "index": found.index,
            "text": text,
            "logprobs": self._logprobs(choice, tokens) if tokens else None,
            "finish_reason": reason,
        }
        usage = {"usage": None} if self._asked.includes_usage else {}
        return [event_line({**self._head(), "choices": [written], **usage, **rest})]

    def end(self) -> list[bytes]:
        """Write the lines that end a stream."""
        last = b"data: [DONE]\n\n"
        if not self._asked.includes_usage:
            return [last]
        return [event_line({**self._head(), "choices": [], "usage": self._usage()}), last]

    def error(self, error: TierchatError) -> bytes:
        """Write the line of an error in a stream that has begun."""
        return event_line(error_body(error))

    def whole(self) -> dict[str, Any]:
        """Write all answers in one piece."""
        outcomes = self._outcomes()
        choices = [self._whole(index, choice) for index, choice in enumerate(self._choices)]
        if len(outcomes) > 1:
            for choice, outcome in zip(choices, outcomes, strict=True):
                choice["x_tierchat"] = facts(outcome)
        return {
            **self._head(),
            "choices": choices,
            "usage": self._usage(),
            "x_tierchat": facts(outcomes[0]),
        }

    def _whole(self, index: int, choice: _Choice) -> dict[str, Any]:
        assert choice.outcome is not None
        tokens = (*choice.prompt, *choice.tokens)
        return {
            "index": index,
            "text": (choice.echo or "") + "".join(choice.text),
            "logprobs": self._logprobs(choice, tokens),
            "finish_reason": _reason(choice.outcome),
        }

    def _logprobs(self, choice: _Choice, tokens: Sequence[ScoredToken]) -> dict[str, Any] | None:
        if not self._asked.has_logprobs:
            return None
        offsets = []
        for number, token in enumerate(tokens):
            offsets.append(choice.length)
            # The token that begins every text of a model is not part of the echoed text.
            is_first = choice.length == 0 and number == 0 and len(choice.prompt) > 0
            if not is_first or (choice.echo or "").startswith(_text(token)):
                choice.length += len(token.raw.decode(errors="ignore"))
        return {
            "tokens": [_text(token) for token in tokens],
            "token_logprobs": [token.logprob for token in tokens],
            "top_logprobs": [_top(token) for token in tokens],
            "text_offset": offsets,
        }

    def _head(self) -> dict[str, Any]:
        return {
            "id": self._id,
            "object": "text_completion",
            "created": self._created,
            "model": self._model or ANY_MODEL,
            "system_fingerprint": FINGERPRINT,
        }

    def _outcomes(self) -> list[Outcome]:
        return [choice.outcome for choice in self._choices if choice.outcome]

    def _usage(self) -> dict[str, Any]:
        """Count the tokens of each text once, and those of all choices."""
        first_of_each = self._choices[:: self._asked.num_choices]
        read = sum(choice.outcome.prompt_tokens for choice in first_of_each if choice.outcome)
        generated = sum(outcome.generated_tokens for outcome in self._outcomes())
        return {
            "prompt_tokens": read,
            "completion_tokens": generated,
            "total_tokens": read + generated,
        }


def _top(token: ScoredToken) -> dict[str, float | None] | None:
    """Write the likeliest tokens, and the token itself; the first token of a text has none."""
    if token.logprob is None:
        return None
    return {_text(each): each.logprob for each in (*token.top, token)}


def _text(token: TokenLogprob) -> str:
    """Write a token; one that is no whole character as OpenAI does: bytes:\\xf0\\x9f."""
    try:
        return token.raw.decode()
    except UnicodeDecodeError:
        return "bytes:" + "".join(f"\\x{byte:02x}" for byte in token.raw)


def _spelled(tokens: Sequence[ScoredToken]) -> str:
    return b"".join(token.raw for token in tokens).decode(errors="replace")


def _reason(outcome: Outcome) -> str:
    return "length" if outcome.finish_reason == "length" else "stop"


def text_ask(body: bytes, client: str) -> Ask:
    """Read a request to continue texts; raises InvalidRequest naming the field."""
    text = read_text_request(body)
    is_same = len(text.texts) == 1
    asked = Asked(text.prompts(), text.user or client, text.notices, is_same=is_same)
    return Ask(asked, TextForm(text), text.is_stream)
