"""The values that travel between floors: messages, requests, signals, verdicts, outcomes.

Knows nothing of processes, files, models or terminals; it only names things and checks bounds.
"""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

# Names for how much of the top tier's quality is to be kept.
QUALITIES = {"frugal": 0.95, "balanced": 0.99, "best": 1.0}
Role = Literal["system", "user", "assistant"]
GateKind = Literal["token", "row", "command", "logprob", "none"]
FinishReason = Literal["stop", "length", "interrupted", "unanswered"]
Hold = Literal["first", "answer"]
"""How much of an answer is kept back while the gate reads on.

`first`: at most `hold_back` tokens (decision B); `answer`: all of it (decision C).
"""
Stage = Literal["prefill", "first", "answer"]
"""Where the gate reads: decision A at `prefill`, B at `first` tokens, C at the whole `answer`."""
# The number format of cached keys and values.
KvType = Literal["f16", "q8_0"]


class Frozen(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Parent of every value: immutable, keyword-only, unknown keys refused."""


class Message(Frozen, frozen=True):
    """One turn of a conversation, plain text."""

    role: Role
    content: str


class Sampling(Frozen, frozen=True):
    """How tokens are drawn; `None` leaves the choice to the model's own defaults.

    `temperature` 0 is greedy. `max_tokens` counts thoughts too. `ignore_eos` is for measuring
    speed: neither an end token nor repetition ends the answer. `json_schema`, as JSON text, lets
    only what fits it be drawn, and no thought before it. All ranges are checked on decode.
    """

    temperature: Annotated[float, msgspec.Meta(ge=0, le=10)] | None = None
    top_k: Annotated[int, msgspec.Meta(ge=0, le=100_000)] | None = None
    top_p: Annotated[float, msgspec.Meta(gt=0, le=1)] | None = None
    min_p: Annotated[float, msgspec.Meta(ge=0, le=1)] | None = None
    presence_penalty: Annotated[float, msgspec.Meta(ge=-2, le=2)] | None = None
    frequency_penalty: Annotated[float, msgspec.Meta(ge=-2, le=2)] | None = None
    seed: Annotated[int, msgspec.Meta(ge=0, le=2**32 - 1)] | None = None
    max_tokens: Annotated[int, msgspec.Meta(ge=1, le=10_000_000)] | None = None
    stop: Annotated[
        tuple[Annotated[str, msgspec.Meta(min_length=1, max_length=256)], ...],
        msgspec.Meta(max_length=16),
    ] = ()
    ignore_eos: bool = False
    json_schema: Annotated[str, msgspec.Meta(max_length=100_000)] | None = None

    def filled(self, default: Sampling) -> Sampling:
        """Keep what is chosen here, and take the default for the rest."""
        chosen = {
            field: getattr(default, field)
            for field in self.__struct_fields__
            if getattr(self, field) in (None, ())
        }
        return msgspec.structs.replace(self, **chosen)


_Id = Annotated[str, msgspec.Meta(pattern=r"^[0-9a-z]{8,32}$")]


class SaveOptions(Frozen, frozen=True):
    """Asks that an exchange be saved, under ids that the one who asks has made.

    `replaces` names an exchange that this one is shown instead of. A `summary` stands for all of
    its conversation that came before it. `template` is the one the prompt was made with.
    """

    conversation: _Id
    exchange: _Id
    replaces: _Id | None = None
    is_summary: bool = False
    template: Annotated[str, msgspec.Meta(max_length=256)] = ""


class TierOptions(Frozen, frozen=True):
    """What a caller may ask of the cascade; travels as `x_tierchat` in an API request.

    `tier` pins one tier (nothing escalates); `min_tier` and `max_tier` bound the climb;
    `no_escalate` makes the first tier answer; `draft` hands a rejected draft on;
    `hold` overrides how much is kept back; `keepalive_s` negative means for ever. `quality` is
    the share of the top tier's quality that a learned gate is to keep. Nothing is saved without
    `save`.
    """

    cascade: str | None = None
    tier: str | None = None
    min_tier: str | None = None
    max_tier: str | None = None
    no_escalate: bool = False
    draft: bool = False
    explain: bool = False
    hold: Hold | None = None
    quality: Annotated[float, msgspec.Meta(ge=0, le=1)] | None = None
    keepalive_s: float | None = None
    timeout_s: Annotated[float, msgspec.Meta(gt=0, le=86_400)] | None = None
    save: SaveOptions | None = None


class Signals(Frozen, frozen=True):
    """Numbers read from one position of a model; probabilities in 0..1, entropy in nats.

    `margin` is the probability of the best token minus that of the second best; `watched` are the
    probabilities of tokens that were asked for.
    """

    escalate_probability: float | None = None
    entropy: float | None = None
    margin: float | None = None
    num_prompt_tokens: int = 0
    watched: tuple[float, ...] = ()


class Verdict(Frozen, frozen=True):
    """A gate's decision: stay, or go up (to `target` when it can name one) and why.

    `estimates` holds the numbers behind it, by name, for `--explain`.
    """

    escalate: bool
    reason: str
    target: str | None = None
    estimates: dict[str, float] = {}


class Usage(Frozen, frozen=True):
    """Tokens and seconds of one visit, counted by the engine.

    `prompt_tokens` includes the `cached_tokens` that cost nothing.
    """

    prompt_tokens: int = 0
    cached_tokens: int = 0
    generated_tokens: int = 0
    seconds: float = 0.0


class Visit(Frozen, frozen=True):
    """One tier's part in an outcome: a line of the ledger.

    `reason` says why the prompt went on from here, or how it ended here.
    `discarded_tokens` are generated tokens nobody was shown as an answer.
    """

    tier: str
    model: str
    reason: str
    prompt_tokens: int = 0
    cached_tokens: int = 0
    generated_tokens: int = 0
    discarded_tokens: int = 0
    seconds: float = 0.0
    estimates: dict[str, float] = {}


class Outcome(Frozen, frozen=True):
    """The finished answer and what it cost; keys are added, never renamed.

    `relative_compute`: 1.0 is the top tier alone on this prompt. Its cost is counted when it
    ran and estimated from the answering tier's token counts when it did not
    (`is_compute_estimated`). `compute` and `top_compute` are the two amounts it is the ratio of,
    in parameters times computed tokens.
    """

    answer: str
    tier: str | None
    model: str | None
    finish_reason: FinishReason
    path: tuple[Visit, ...]
    prompt_tokens: int
    generated_tokens: int
    escalation_tokens: int
    escalation_seconds: float
    seconds: float
    relative_compute: float
    is_compute_estimated: bool
    top_tier: str
    escalation_compute: float = 0.0
    is_below_asked: bool = False
    thought: str = ""
    notices: tuple[str, ...] = ()
    conversation_id: str | None = None
    exchange_id: str | None = None
    compute: float = 0.0
    top_compute: float = 0.0


class DeviceInfo(Frozen, frozen=True):
    """One device as llama.cpp lists it; `backend` is such as CUDA, Metal, Vulkan or CPU."""

    name: str
    description: str
    kind: Literal["gpu", "cpu"]
    backend: str
    total_bytes: int
    free_bytes: int


class Prompt(Frozen, frozen=True):
    """One question to a cascade: the conversation, how to draw, what is asked of the tiers."""

    messages: tuple[Message, ...]
    sampling: Sampling = Sampling()
    options: TierOptions = TierOptions()
    think: bool | None = None
