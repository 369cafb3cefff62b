"""Requests in OpenAI's older completions JSON: text, or tokens, that a tier continues.

Does not know HTTP or how a prompt is answered. Shapes follow
https://platform.openai.com/docs/api-reference/completions.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

import msgspec

from tierchat.config.names import DEFAULT_MODEL
from tierchat.errors import InvalidRequest
from tierchat.service.openai_format import MAX_CHOICES, StreamOptions
from tierchat.service.requests.field_rules import (
    GRAMMARS,
    HARMLESS,
    held,
    ignored,
    options_of,
    refuse,
    refuse_pictures,
)
from tierchat.service.requests.json_body import decoded, fields_of
from tierchat.service.requests.sampling_fields import (
    SAMPLING_NAMES,
    Seed,
    Stop,
    sampling_of,
    whole,
    with_own_seed,
)
from tierchat.types import SAMPLING_ALIASES, Message, NumLogprobs, Prompt, TokenId

MAX_ANSWERS = 2048
# OpenAI's default; a base model without a limit writes until its context is full.
_DEFAULT_TOKENS = 16
_UNSUPPORTED = ("suffix", *GRAMMARS, "tools", "response_format")
_WHOLE = ("n", "best_of", "seed", "logprobs", "max_tokens")
_LIMITS = tuple(name for name, field in SAMPLING_ALIASES.items() if field == "max_tokens")
_Piece = str | TokenId | list[TokenId]


class TextBody(msgspec.Struct, kw_only=True):
    """The body of a request, but for the fields that say how tokens are drawn."""

    prompt: str | Annotated[list[_Piece], msgspec.Meta(min_length=1)]
    model: Annotated[str, msgspec.Meta(max_length=256)] = DEFAULT_MODEL
    stream: bool = False
    stream_options: StreamOptions = StreamOptions()
    n: Annotated[int, msgspec.Meta(ge=1, le=MAX_CHOICES)] = 1
    best_of: int | None = None
    echo: bool = False
    logprobs: NumLogprobs | None = None
    seed: Seed | None = None
    stop: Stop | None = None
    user: Annotated[str, msgspec.Meta(max_length=256)] | None = None
    x_tierchat: dict[str, Any] = msgspec.field(default_factory=dict)


_KNOWN = frozenset((*TextBody.__struct_fields__, *SAMPLING_NAMES, *_UNSUPPORTED, *HARMLESS))


class TextRequest(msgspec.Struct, frozen=True):
    """The texts to continue, `num_choices` times each, and how the answers are written.

    `notices` tell the caller of fields that were ignored.
    """

    texts: tuple[Prompt, ...]
    is_stream: bool
    num_choices: int
    has_echo: bool
    has_logprobs: bool
    includes_usage: bool
    user: str | None = None
    notices: tuple[str, ...] = ()

    def prompts(self) -> list[Prompt]:
        """Return the prompt of each choice: all choices of the first text, then the second's."""
        return [
            msgspec.structs.replace(text, sampling=with_own_seed(text.sampling, number))
            for text in self.texts
            for number in range(self.num_choices)
        ]


def read_text_request(body: bytes) -> TextRequest:
    """Decode and check a request; raises InvalidRequest naming the field."""
    raw = fields_of(body)
    refuse(raw, _UNSUPPORTED)
    refuse_pictures(raw)
    raw |= {name: whole(raw[name]) for name in _WHOLE if name in raw}
    asked: TextBody = decoded(msgspec.json.encode(raw), TextBody)
    if asked.best_of is not None and asked.best_of != asked.n:
        raise InvalidRequest(
            f"best_of = {asked.best_of} is not supported, with n = {asked.n}",
            "ask for `n` answers and choose the best by their logprobs",
            param="best_of",
        )
    limits = [name for name in ("max_tokens", *_LIMITS) if name in raw]
    only_reads = any(bytes(raw[name]).strip() == b"0" for name in limits)
    sampling = sampling_of(raw, asked.seed, asked.stop)
    if not limits:
        sampling = msgspec.structs.replace(sampling, max_tokens=_DEFAULT_TOKENS)
    pieces = _pieces(asked.prompt)
    _refuse_too_many(len(pieces), asked.n)
    options = held(options_of(asked.model, asked.x_tierchat), is_stream=asked.stream)
    _refuse_save(options.save is not None)
    prompts = tuple(
        Prompt(
            messages=(Message(role="user", content=piece if isinstance(piece, str) else ""),),
            tokens=() if isinstance(piece, str) else tuple(piece),
            sampling=sampling,
            options=msgspec.structs.replace(options, raw=True),
            logprobs=asked.logprobs,
            # The text of tokens is known only to the model.
            scores_prompt=asked.echo and (asked.logprobs is not None or not isinstance(piece, str)),
            only_reads=only_reads,
        )
        for piece in pieces
    )
    return TextRequest(
        texts=prompts,
        is_stream=asked.stream,
        num_choices=asked.n,
        has_echo=asked.echo,
        has_logprobs=asked.logprobs is not None,
        includes_usage=asked.stream and asked.stream_options.include_usage,
        user=asked.user,
        notices=tuple(ignored(raw, _KNOWN)),
    )


def _pieces(prompt: str | list[_Piece]) -> Sequence[str | Sequence[int]]:
    """Return the texts or tokens of a prompt; raises InvalidRequest where kinds are mixed."""
    if isinstance(prompt, str):
        return [prompt]
    numbers = [piece for piece in prompt if isinstance(piece, int)]
    if numbers:
        if len(numbers) < len(prompt):
            raise InvalidRequest(
                "prompt: a list holds ids of tokens, or texts and lists of ids, not both",
                param="prompt",
            )
        return [numbers]
    if any(not piece and isinstance(piece, list) for piece in prompt):
        raise InvalidRequest("prompt: a list of tokens is empty", param="prompt")
    return [piece for piece in prompt if not isinstance(piece, int)]


def _refuse_too_many(num_prompts: int, num_choices: int) -> None:
    if num_prompts * num_choices > MAX_ANSWERS:
        raise InvalidRequest(
            f"prompt: {num_prompts:,} prompts with n = {num_choices} ask for "
            f"{num_prompts * num_choices:,} answers, more than {MAX_ANSWERS:,}",
            "send several requests",
            param="prompt",
        )


def _refuse_save(is_saved: bool) -> None:
    if is_saved:
        raise InvalidRequest(
            "x_tierchat.save: texts that are continued are not saved",
            "leave it out",
            param="x_tierchat.save",
        )
