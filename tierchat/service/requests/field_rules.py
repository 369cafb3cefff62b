"""Which fields of a request are refused, taken without effect, or ignored aloud; and the model.

Does not know what single fields mean.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any

import msgspec

from tierchat.config.names import DEFAULT_MODEL
from tierchat.errors import InvalidRequest, did_you_mean
from tierchat.service.requests.json_body import decoded, refusal, shortened, without_nulls
from tierchat.types import TierOptions

# Other servers' grammars, beside JSON schemas: they ask for answers tierchat cannot give.
GRAMMARS = (
    *("grammar", "guided_json", "guided_regex", "guided_choice", "guided_grammar"),
    "structured_outputs",
)
# Pictures beside the text, as llama-server, Ollama and vLLM take them.
_PICTURES = ("image_data", "images", "multi_modal_data")
# Fields that change nothing here: labels of the caller, and advice to servers about their work.
HARMLESS = (
    *("metadata", "store", "service_tier", "safety_identifier", "prompt_cache_key"),
    *("prompt_cache_retention", "prediction", "parallel_tool_calls", "cache_prompt", "id_slot"),
)
_MAX_TOLD = 16
# Values that ask for plain text only.
_IDLE: tuple[Any, ...] = (
    *(None, False, "", [], {}, "none", "auto", "medium"),
    *(["text"], {"type": "text"}),
)


def refuse(raw: Mapping[str, msgspec.Raw], names: Collection[str], hint: str = "") -> None:
    """Raise InvalidRequest for a field that asks for what tierchat cannot do.

    Ignoring such a field would mislead the caller.
    """
    for name in names:
        if name in raw and decoded(raw[name], Any) not in _IDLE:
            raise InvalidRequest(
                f"{name} = {shortened(bytes(raw[name]))} is not supported",
                hint or "leave the field out",
                param=name,
            )


def refuse_pictures(raw: Mapping[str, msgspec.Raw]) -> None:
    """Raise InvalidRequest for pictures beside the text."""
    refuse(raw, _PICTURES, "no tier here sees images: send text")


def ignored(raw: Mapping[str, msgspec.Raw], known: Collection[str]) -> Iterator[str]:
    """Tell of each field that tierchat does not know, and of many how many there are."""
    unknown = [name for name in raw if name not in known]
    for name in unknown[:_MAX_TOLD]:
        near = did_you_mean(name, known, "tierchat does not know this field")
        yield f"{name:.60} was ignored: {near}"
    if (num_more := len(unknown) - _MAX_TOLD) > 0:
        yield f"{num_more:,} more fields were ignored: tierchat does not know them"


def options_of(model: str, sent: Mapping[str, Any]) -> TierOptions:
    """Read `model` as `cascade` or `cascade/tier`; `x_tierchat` takes precedence over it."""
    try:
        sent = without_nulls(dict(sent))
        options = msgspec.convert(sent, TierOptions)
    except RecursionError as error:
        raise InvalidRequest("x_tierchat is nested too deeply", param="x_tierchat") from error
    except msgspec.ValidationError as error:
        raise refusal(error, msgspec.json.encode(sent), TierOptions, "x_tierchat") from error
    if model in (DEFAULT_MODEL, ""):
        return options
    named, _, tier = model.partition("/")
    cascade = None if named == DEFAULT_MODEL else named
    return msgspec.structs.replace(
        options, cascade=options.cascade or cascade, tier=options.tier or tier or None
    )


def held(options: TierOptions, *, is_stream: bool) -> TierOptions:
    """Hold an answer back that its reader gets in one piece, unless the request says how much."""
    return options if is_stream or options.hold else msgspec.structs.replace(options, hold="answer")
