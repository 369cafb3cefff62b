"""The values that travel between rooms: messages, requests, signals, verdicts.

Does not know processes, files, models or terminals; it names things and checks bounds.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, get_args

import msgspec

from tierchat.tool_calls import ToolCall, ToolUse

QualityName = Literal["frugal", "balanced", "best"]
# The share of the top tier's quality that a name expects of a learned gate, and does not promise.
QUALITIES: dict[QualityName, float] = {"frugal": 0.95, "balanced": 0.99, "best": 1.0}
Role = Literal["system", "user", "assistant", "tool"]
GateKind = Literal["token", "row", "untaught", "none"]
Hold = Literal["first", "judged", "answer"]
"""How much of an answer is kept back while the prompt may still go to a higher tier.

`first`: at most `hold_back` tokens (decision B); `judged`: all of it if the gate reads finished
answers (decision C), else as `first`; `answer`: all of it, because nobody sees it grow.
"""
Stage = Literal["unread", "prefill", "first", "answer"]
"""Where the gate decides: decision 0 on the `unread` prompt, A at `prefill`, B at `first` tokens, C
at the whole `answer`."""
# The number format of cached keys and values.
KvType = Literal["f16", "q8_0"]
SamplerName = Literal[
    "penalties", "dry", "top_n_sigma", "top_k", "typ_p", "top_p", "min_p", "xtc", "temperature"
]
# In the order in which llama.cpp applies them.
SAMPLERS: tuple[SamplerName, ...] = get_args(SamplerName)
Fraction = Annotated[float, msgspec.Meta(ge=0, le=1)]
# How many tokens are looked back at; -1 is the whole context.
LastN = Annotated[int, msgspec.Meta(ge=-1, le=2**31 - 1)]


MAX_SCHEMA_CHARS = 100_000
MAX_TOP_LOGPROBS = 20
TokenId = Annotated[int, msgspec.Meta(ge=0, le=2**31 - 1)]
# How many likely tokens are told at each place, beside the one that was drawn.
NumLogprobs = Annotated[int, msgspec.Meta(ge=0, le=MAX_TOP_LOGPROBS)]


class Frozen(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Parent of every value: immutable, keyword-only, refuses unknown keys."""


class Message(Frozen, frozen=True, omit_defaults=True):
    """One turn of a conversation, plain text.

    A turn of the assistant may end in `tool_calls`. A turn of the role `tool` is the result of the
    call `tool_call_id` in an earlier turn.
    """

    role: Role
    content: str
    tool_calls: tuple[ToolCall, ...] = ()
    tool_call_id: str = ""


class Sampling(Frozen, frozen=True, omit_defaults=True, repr_omit_defaults=True):
    """How tokens are drawn; `None` leaves a value to the model. All ranges are checked on decode.

    Names and meanings are llama.cpp's, and so are the values that switch something off:
    `temperature` 0 draws the likeliest token; `top_k` 0 or -1, `top_p` 1, `min_p` 0, `typical_p`
    1, `top_n_sigma` 0 or -1, `repeat_penalty` 1, the other penalties 0. Penalties look back at
    `repeat_last_n` tokens, prompt included, -1 at the whole context. `mirostat` (1 or 2) takes the
    place of all other samplers but the temperature. `samplers` is the order in which they are
    applied. `seed` -1 is a new one each time. `max_tokens` counts thoughts too; 0, -1 and -2
    set no limit. `ignore_eos` is for measuring speed: neither an end token nor repetition ends the
    answer. `json_schema` is JSON text; with it the answer follows that schema, without a thought
    before it. `logit_bias` is added to the logits of tokens, by their ids, as OpenAI has it.
    """

    temperature: Annotated[float, msgspec.Meta(ge=0, le=10)] | None = None
    top_k: Annotated[int, msgspec.Meta(ge=-1, le=2**31 - 1)] | None = None
    top_p: Fraction | None = None
    min_p: Fraction | None = None
    presence_penalty: Annotated[float, msgspec.Meta(ge=-2, le=2)] | None = None
    frequency_penalty: Annotated[float, msgspec.Meta(ge=-2, le=2)] | None = None
    seed: Annotated[int, msgspec.Meta(ge=-1, le=2**32 - 1)] | None = None
    max_tokens: Annotated[int, msgspec.Meta(ge=-2, le=2**31 - 1)] | None = None
    stop: Annotated[
        tuple[Annotated[str, msgspec.Meta(min_length=1, max_length=256)], ...],
        msgspec.Meta(max_length=16),
    ] = ()
    ignore_eos: bool = False
    json_schema: Annotated[str, msgspec.Meta(max_length=MAX_SCHEMA_CHARS)] | None = None
    typical_p: Fraction | None = None
    top_n_sigma: Annotated[float, msgspec.Meta(ge=-1, le=100)] | None = None
    repeat_penalty: Annotated[float, msgspec.Meta(ge=0.1, le=10)] | None = None
    repeat_last_n: LastN | None = None
    dry_multiplier: Annotated[float, msgspec.Meta(ge=0, le=100)] | None = None
    dry_base: Annotated[float, msgspec.Meta(ge=1, le=100)] | None = None
    dry_allowed_length: Annotated[int, msgspec.Meta(ge=0, le=2**31 - 1)] | None = None
    dry_penalty_last_n: LastN | None = None
    dry_sequence_breakers: Annotated[
        tuple[Annotated[str, msgspec.Meta(min_length=1, max_length=40)], ...],
        msgspec.Meta(max_length=16),
    ] = ()
    xtc_probability: Fraction | None = None
    xtc_threshold: Fraction | None = None
    dynatemp_range: Annotated[float, msgspec.Meta(ge=0, le=10)] | None = None
    dynatemp_exponent: Annotated[float, msgspec.Meta(ge=0, le=100)] | None = None
    mirostat: Annotated[int, msgspec.Meta(ge=0, le=2)] | None = None
    mirostat_tau: Annotated[float, msgspec.Meta(ge=0, le=100)] | None = None
    mirostat_eta: Annotated[float, msgspec.Meta(ge=0, le=10)] | None = None
    samplers: tuple[SamplerName, ...] = ()
    logit_bias: (
        Annotated[
            dict[TokenId, Annotated[float, msgspec.Meta(ge=-100, le=100)]],
            msgspec.Meta(max_length=1024),
        ]
        | None
    ) = None

    def limit(self, room: int) -> int:
        """Return how many tokens may be generated where there is room for `room`."""
        is_limited = self.max_tokens is not None and self.max_tokens > 0
        return min(self.max_tokens or room, room) if is_limited else room

    def given(self) -> dict[str, Any]:
        """Return the values that are not left open."""
        values = {field: getattr(self, field) for field in self.__struct_fields__}
        # Not `in`, since 0 equals False.
        return {f: v for f, v in values.items() if v is not None and v is not False and v != ()}

    def filled(self, default: Sampling) -> Sampling:
        """Return a copy in which `default` fills the fields that were left open here."""
        return Sampling(**{**default.given(), **self.given()})


# What other programs call these values.
SAMPLING_ALIASES = {
    "max_completion_tokens": "max_tokens",
    "n_predict": "max_tokens",
    "num_predict": "max_tokens",
    "repetition_penalty": "repeat_penalty",
    "typ_p": "typical_p",
    "temp": "temperature",
    "max_new_tokens": "max_tokens",
    "typical": "typical_p",
    "rep_pen": "repeat_penalty",
    "penalty_last_n": "repeat_last_n",
    "mirostat_mode": "mirostat",
}


_Id = Annotated[str, msgspec.Meta(pattern=r"^[0-9a-z]{8,32}$")]


class SaveOptions(Frozen, frozen=True):
    """Asks the daemon to save an exchange, under ids chosen by the client.

    This exchange is shown instead of the one that `replaces` names. A summary stands for all
    earlier exchanges of its conversation. `template` names the template that made the prompt. With
    `goes_on` the request goes on with an exchange whose tools were run: costs add up.
    """

    conversation: _Id
    exchange: _Id
    replaces: _Id | None = None
    is_summary: bool = False
    template: Annotated[str, msgspec.Meta(max_length=256)] = ""
    goes_on: bool = False


class TierOptions(Frozen, frozen=True):
    """What a caller may ask of the cascade; travels as `x_tierchat` in an API request.

    `tier` pins one tier (nothing escalates); `min_tier` and `max_tier` bound the tiers that are
    tried; `no_escalate` makes the first tier answer; `draft` hands a rejected draft on; `hold`
    says how much is held back where a higher tier may still answer; `progress` asks for signs of
    life while no text comes; a negative `keepalive_s` keeps the models loaded for ever.
    `quality` is the share of the top tier's right answers that the cascade keeps: a number is a
    promise, a name is what the lesson expects. Tiers that are expected to take longer than
    `max_wait_s` are not chosen; `timeout_s` gives up after so long. With `raw` the last message is
    text that the first tier continues, without a chat template and without a gate. An exchange is
    saved only with `save`.

    `answered_by` is the tier that gave the last answer of the conversation, where the client knows;
    `floor` the tier below which the topic is not to be answered. With `up`, a person found the last
    answer not good enough: the tier that answers now becomes the floor of the topic.
    """

    cascade: str | None = None
    tier: str | None = None
    min_tier: str | None = None
    max_tier: str | None = None
    no_escalate: bool = False
    draft: bool = False
    explain: bool = False
    hold: Hold | None = None
    progress: bool = False
    quality: QualityName | Fraction | None = None
    keepalive_s: float | None = None
    raw: bool = False
    timeout_s: Annotated[float, msgspec.Meta(gt=0, le=86_400)] | None = None
    max_wait_s: Annotated[float, msgspec.Meta(gt=0, le=86_400)] | None = None
    save: SaveOptions | None = None
    answered_by: str | None = None
    floor: str | None = None
    up: bool = False


class Signals(Frozen, frozen=True):
    """Numbers read from one position of a model; probabilities in 0..1, entropy in nats.

    `margin` is the probability of the best token minus that of the second best; `watched` holds
    the probabilities of the tokens that a request watches.
    """

    escalate_probability: float | None = None
    entropy: float | None = None
    margin: float | None = None
    num_prompt_tokens: int = 0
    watched: tuple[float, ...] = ()


class Verdict(Frozen, frozen=True):
    """A gate's decision, with its reason: answer here, or escalate.

    `target` names the tier to go to, from gates that can choose one. `estimates` holds the
    numbers behind the decision, by name, for `--explain`. `lengths` are the tokens that each tier
    is expected to write; `too_slow` is the tier that would have been chosen in more time.
    """

    escalate: bool
    reason: str
    target: str | None = None
    estimates: dict[str, float] = {}
    lengths: dict[str, float] = {}
    too_slow: str | None = None


class DeviceInfo(Frozen, frozen=True):
    """One device as llama.cpp lists it; `backend` is CUDA, Metal, Vulkan or CPU, for example."""

    name: str
    description: str
    kind: Literal["gpu", "cpu"]
    backend: str
    total_bytes: int
    free_bytes: int


class Prompt(Frozen, frozen=True):
    """One question to a cascade: the conversation, how to draw tokens, which tiers may answer.

    `tools` are what the answer may ask the client to do.
    With `logprobs`, the log-probabilities of so many likely tokens come with each token of the
    answer. A prompt that is `raw` may be given as `tokens` of the first tier, and with
    `scores_prompt` the log-probabilities of its own tokens come, too; with `only_reads` nothing is
    written after it.
    """

    messages: tuple[Message, ...]
    sampling: Sampling = Sampling()
    options: TierOptions = TierOptions()
    think: bool | None = None
    tools: ToolUse = ToolUse()
    logprobs: NumLogprobs | None = None
    tokens: tuple[TokenId, ...] = ()
    scores_prompt: bool = False
    only_reads: bool = False

    @property
    def question(self) -> str:
        """The text that is to be answered: the last one of the user."""
        return next((m.content for m in reversed(self.messages) if m.role == "user"), "")

    @property
    def begun(self) -> str:
        """The beginning of the answer, which the answer continues; empty without one."""
        return self.messages[-1].content if self.messages[-1].role == "assistant" else ""
