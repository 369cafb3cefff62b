"""Completions, embeddings and lists of models by the `openai` package.

Does not know chats.
"""

from __future__ import annotations

import base64
import math
import struct
from collections.abc import Sequence
from typing import Any

from calls import Place, call, expect, raised, short
from openai_chat import client


def go_on(place: Place, prompt: Any, **options: Any) -> Any:
    options = {"temperature": 0, "max_tokens": 8, **options}
    return client(place).completions.create(model=place.model, prompt=prompt, **options)


CAPITAL = "The capital of France is"


@call("openai", "completions: a text goes on")
def _(place: Place) -> object:
    reply = go_on(place, CAPITAL)
    expect(reply.object == "text_completion" and "Paris" in reply.choices[0].text, reply)
    return reply.choices[0].text


@call("openai", "completions: streamed, the same as whole")
def _(place: Place) -> object:
    whole = go_on(place, CAPITAL).choices[0].text
    chunks = list(go_on(place, CAPITAL, stream=True))
    told = "".join(choice.text or "" for chunk in chunks for choice in chunk.choices)
    expect(told == whole, [told, whole])
    return told


@call("openai", "completions: two prompts")
def _(place: Place) -> object:
    reply = go_on(place, [CAPITAL, "One, two, three,"])
    first, second = sorted(reply.choices, key=lambda choice: choice.index)
    expect("Paris" in first.text and "four" in second.text, reply.choices)
    return [first.text, second.text]


@call("openai", "completions: n = 2")
def _(place: Place) -> object:
    reply = go_on(place, "Once", n=2, temperature=1, seed=3)
    expect([choice.index for choice in reply.choices] == [0, 1], reply.choices)
    return "both"


@call("openai", "completions: stop")
def _(place: Place) -> object:
    reply = go_on(place, "1, 2, 3, 4,", stop=["7"], max_tokens=20)
    expect("6" in reply.choices[0].text and "7" not in reply.choices[0].text, reply)
    expect(reply.choices[0].finish_reason == "stop", reply.choices)
    return reply.choices[0].text


@call("openai", "completions: logprobs of what is written")
def _(place: Place) -> object:
    told = go_on(place, CAPITAL, logprobs=2, max_tokens=3).choices[0].logprobs
    expect(len(told.tokens) == len(told.token_logprobs) == 3, told)
    expect(all(len(tops) >= 2 for tops in told.top_logprobs), told)
    return told.tokens


@call("openai", "completions: echo, with logprobs of the prompt")
def _(place: Place) -> object:
    reply = go_on(place, f"{CAPITAL} Paris", echo=True, logprobs=1, max_tokens=1)
    (choice,) = reply.choices
    expect(choice.text.startswith(f"{CAPITAL} Paris"), choice.text)
    told = choice.logprobs
    scored = [value for value in told.token_logprobs if value is not None]
    expect(len(told.tokens) == reply.usage.prompt_tokens + 1 and len(scored) >= 5, told)
    at = next(n for n, token in enumerate(told.tokens) if "Paris" in token)
    expect(told.token_logprobs[at] > -5, told)
    return f"Paris {told.token_logprobs[at]:.2f}"


def _cosine(one: Sequence[float], other: Sequence[float]) -> float:
    return sum(a * b for a, b in zip(one, other, strict=True)) / (
        math.hypot(*one) * math.hypot(*other)
    )


@call("openai", "embeddings: one text")
def _(place: Place) -> object:
    reply = client(place).embeddings.create(model=place.model, input="a fox")
    (vector,) = (row.embedding for row in reply.data)
    expect(len(vector) > 64 and abs(math.hypot(*vector) - 1) < 1e-3, len(vector))
    expect(reply.usage.prompt_tokens > 0, reply.usage)
    return f"{len(vector)} numbers"


@call("openai", "embeddings: several texts, near and far")
def _(place: Place) -> object:
    texts = ["The dog sleeps on the sofa.", "A dog is sleeping on a sofa.", "x = 3 ** 7 % 11"]
    reply = client(place).embeddings.create(model=place.model, input=texts)
    expect([row.index for row in reply.data] == [0, 1, 2], reply.data)
    one, other, far = (row.embedding for row in reply.data)
    expect(_cosine(one, other) > _cosine(one, far), [_cosine(one, other), _cosine(one, far)])
    return "in order"


@call("openai", "embeddings: as base64, the same numbers")
def _(place: Place) -> object:
    asking = client(place).embeddings
    plain = asking.create(model=place.model, input="a fox", encoding_format="float")
    coded = asking.create(model=place.model, input="a fox", encoding_format="base64")
    data: Any = coded.data[0].embedding
    expect(isinstance(data, str), type(data))
    raw = base64.b64decode(data)
    vector = struct.unpack(f"<{len(raw) // 4}f", raw)
    expect(_cosine(vector, plain.data[0].embedding) > 0.999, len(vector))
    return f"{len(vector)} numbers"


@call("openai", "models: the list has the model that is asked")
def _(place: Place) -> object:
    ids = [model.id for model in client(place).models.list()]
    expect(place.model in ids, ids)
    return short(ids, 40)


@call("openai", "models: one of them")
def _(place: Place) -> object:
    model = client(place).models.retrieve(place.model)
    expect(model.id == place.model and model.object == "model" and model.owned_by, model)
    return model.owned_by


@call("openai", "models: one that does not exist")
def _(place: Place) -> object:
    import openai

    return raised(openai.NotFoundError, lambda: client(place).models.retrieve("no-such-model"))
