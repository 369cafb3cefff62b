"""Chat completions by the `openai` package: whole, streamed, sampled, by schemas, refused.

Does not know tools; `openai_tools.py` calls them.
"""

from __future__ import annotations

import asyncio
import json
from enum import Enum
from typing import Any

from calls import TIMEOUT_S, Place, call, expect, raised

SUM = [{"role": "user", "content": "What is 2+2? Answer with the number only."}]
TALE = [{"role": "user", "content": "Write a poem about the sea."}]


def client(place: Place) -> Any:
    import openai

    return openai.OpenAI(base_url=place.v1, api_key=place.key, timeout=TIMEOUT_S, max_retries=0)


def ask(place: Place, messages: list[dict[str, Any]] = SUM, **options: Any) -> Any:
    """Ask for the likeliest answer, unless `options` say how to draw."""
    options = {"temperature": 0, "max_tokens": 60, **options}
    return client(place).chat.completions.create(model=place.model, messages=messages, **options)


def text(reply: Any) -> str:
    (choice,) = reply.choices
    return choice.message.content or ""


@call("openai", "chat: one answer")
def _(place: Place) -> object:
    reply = ask(place)
    (choice,) = reply.choices
    expect(reply.object == "chat.completion" and reply.id and reply.created > 1e9, reply)
    expect(choice.message.role == "assistant" and choice.finish_reason == "stop", choice)
    used = reply.usage
    expect(used.total_tokens == used.prompt_tokens + used.completion_tokens > 2, used)
    expect("4" in text(reply), text(reply))
    return text(reply)


@call("openai", "chat: a system message")
def _(place: Place) -> object:
    system = {"role": "system", "content": "You answer every question with the word BANANA only."}
    said = text(ask(place, [system, {"role": "user", "content": "What is your favourite fruit?"}]))
    expect("banana" in said.lower(), said)
    return said


@call("openai", "chat: a developer message")
def _(place: Place) -> object:
    system = {"role": "developer", "content": "You answer every question with the word KIWI only."}
    said = text(ask(place, [system, {"role": "user", "content": "What is your favourite fruit?"}]))
    expect("kiwi" in said.lower(), said)
    return said


@call("openai", "chat: several turns")
def _(place: Place) -> object:
    said = text(
        ask(
            place,
            [
                {"role": "user", "content": "My name is Marguerite. Remember it."},
                {"role": "assistant", "content": "I will remember it, Marguerite."},
                {"role": "user", "content": "What is my name? Answer with the name only."},
            ],
        )
    )
    expect("Marguerite" in said, said)
    return said


@call("openai", "chat: the answer is begun by the client")
def _(place: Place) -> object:
    begun = {"role": "assistant", "content": "Monday, Tuesday, Wednesday, Thursday,"}
    question = {"role": "user", "content": "List the seven days of the week, on one line."}
    said = text(ask(place, [question, begun]))
    expect("Friday" in said and "Monday" not in said, said)
    return said


@call("openai", "chat: content in parts of text")
def _(place: Place) -> object:
    parts = [
        {"type": "text", "text": "What is 3+4?"},
        {"type": "text", "text": "Answer with the number only."},
    ]
    said = text(ask(place, [{"role": "user", "content": parts}]))
    expect("7" in said, said)
    return said


@call("openai", "chat: letters of many scripts")
def _(place: Place) -> object:
    line = "Привет, 世界! Ça va? 🌍"
    said = text(ask(place, [{"role": "user", "content": f"Repeat exactly this line: {line}"}]))
    expect("Привет" in said and "世界" in said and "🌍" in said, said)
    return said


@call("openai", "chat: a long prompt")
def _(place: Place) -> object:
    lines = "\n".join(f"Line {n}: the box holds {n * 7 % 100} stones." for n in range(90))
    question = f"{lines}\nThe password is HELIOTROPE.\nWhat is the password? One word."
    reply = ask(place, [{"role": "user", "content": question}])
    expect(reply.usage.prompt_tokens > 1000, reply.usage)
    expect("HELIOTROPE" in text(reply).upper(), text(reply))
    return text(reply)


@call("openai", "chat: max_tokens ends the answer")
def _(place: Place) -> object:
    reply = ask(place, TALE, max_tokens=7)
    expect(reply.choices[0].finish_reason == "length", reply.choices)
    expect(reply.usage.completion_tokens == 7, reply.usage)
    return text(reply)


@call("openai", "chat: max_completion_tokens ends the answer")
def _(place: Place) -> object:
    reply = client(place).chat.completions.create(
        model=place.model, messages=TALE, max_completion_tokens=5, temperature=0
    )
    expect(reply.choices[0].finish_reason == "length", reply.choices)
    expect(reply.usage.completion_tokens == 5, reply.usage)
    return text(reply)


@call("openai", "chat: stop, a text")
def _(place: Place) -> object:
    reply = ask(
        place, [{"role": "user", "content": "Count: one, two, three, up to ten."}], stop="five"
    )
    expect("four" in text(reply).lower() and "five" not in text(reply), text(reply))
    expect(reply.choices[0].finish_reason == "stop", reply.choices)
    return text(reply)


@call("openai", "chat: stop, two texts")
def _(place: Place) -> object:
    question = [{"role": "user", "content": "Count from 1 to 9, with commas between."}]
    reply = ask(place, question, stop=["zebra", "6"])
    expect("5" in text(reply) and "6" not in text(reply), text(reply))
    return text(reply)


@call("openai", "chat: n = 3")
def _(place: Place) -> object:
    reply = ask(place, TALE, n=3, temperature=1, seed=5, max_tokens=12)
    expect([choice.index for choice in reply.choices] == [0, 1, 2], reply.choices)
    told = {choice.message.content for choice in reply.choices}
    expect(len(told) > 1, told)
    return f"{len(told)} different"


@call("openai", "chat: the same seed, the same answer")
def _(place: Place) -> object:
    told = [text(ask(place, TALE, temperature=1, seed=11, max_tokens=20)) for _ in range(2)]
    others = {text(ask(place, TALE, temperature=1, seed=n, max_tokens=20)) for n in (12, 13)}
    expect(told[0] == told[1], told)
    expect(others - {told[0]}, others)
    return told[0]


@call("openai", "chat: temperature 0 twice")
def _(place: Place) -> object:
    told = [text(ask(place, TALE, max_tokens=20)) for _ in range(2)]
    expect(told[0] == told[1], told)
    return told[0]


@call("openai", "chat: top_p, penalties, user, metadata, store")
def _(place: Place) -> object:
    said = text(
        ask(
            place,
            top_p=0.9,
            presence_penalty=0.1,
            frequency_penalty=0.1,
            user="someone",
            metadata={"job": "trial"},
            store=False,
        )
    )
    expect("4" in said, said)
    return said


@call("openai", "chat: logprobs")
def _(place: Place) -> object:
    reply = ask(place, TALE, max_tokens=8, logprobs=True)
    told = reply.choices[0].logprobs.content
    expect(len(told) == 8 and all(token.logprob <= 0 for token in told), told)
    joined = b"".join(bytes(token.bytes) for token in told).decode()
    expect(joined == text(reply), [joined, text(reply)])
    return f"{sum(token.logprob for token in told):.1f}"


@call("openai", "chat: top_logprobs = 3")
def _(place: Place) -> object:
    told = ask(place, TALE, max_tokens=4, logprobs=True, top_logprobs=3).choices[0].logprobs.content
    for token in told:
        tops = [top.logprob for top in token.top_logprobs]
        expect(len(tops) == 3 and tops == sorted(tops, reverse=True), token)
        expect(token.top_logprobs[0].token == token.token, token)
    return told[0].token


@call("openai", "chat: logit_bias forbids a token")
def _(place: Place) -> object:
    import httpx

    first = ask(place, TALE, max_tokens=1, logprobs=True).choices[0].logprobs.content[0].token
    reply = httpx.post(
        f"{place.url}/tokenize",
        json={"content": first, "add_special": False, "model": place.model},
        headers={"Authorization": f"Bearer {place.key}"},
        timeout=TIMEOUT_S,
    )
    (token,) = reply.json()["tokens"]
    said = text(ask(place, TALE, max_tokens=1, logit_bias={str(token): -100}))
    expect(said and said != first, said)
    return f"{said} instead of {first}"


@call("openai", "chat: streamed, the same as whole")
def _(place: Place) -> object:
    whole = text(ask(place, TALE, max_tokens=24))
    chunks = list(ask(place, TALE, max_tokens=24, stream=True))
    choices = [chunk.choices[0] for chunk in chunks if chunk.choices]
    expect(choices[0].delta.role == "assistant", choices[0])
    expect([c.finish_reason for c in choices if c.finish_reason] == ["length"], choices[-1])
    pieces = [choice.delta.content for choice in choices if choice.delta.content]
    expect(len(pieces) > 3, pieces)
    expect("".join(pieces) == whole, ["".join(pieces), whole])
    return whole


@call("openai", "chat: streamed, with the usage at the end")
def _(place: Place) -> object:
    chunks = list(ask(place, stream=True, stream_options={"include_usage": True}))
    expect(not chunks[-1].choices and chunks[-1].usage.completion_tokens > 0, chunks[-1])
    expect(all(chunk.usage is None for chunk in chunks[:-1]), chunks[:-1])
    return f"{chunks[-1].usage.prompt_tokens} tokens read"


@call("openai", "chat: streamed, n = 2")
def _(place: Place) -> object:
    told = {0: "", 1: ""}
    for chunk in ask(place, TALE, n=2, temperature=1, max_tokens=10, stream=True):
        for choice in chunk.choices:
            told[choice.index] += choice.delta.content or ""
    expect(all(told.values()), told)
    return "both"


@call("openai", "chat: streamed by its helper")
def _(place: Place) -> object:
    kinds = set()
    with client(place).chat.completions.stream(
        model=place.model, messages=SUM, temperature=0, max_tokens=20
    ) as stream:
        for event in stream:
            kinds.add(event.type)
        said = text(stream.get_final_completion())
    expect({"chunk", "content.delta", "content.done"} <= kinds and "4" in said, [kinds, said])
    return said


@call("openai", "chat: a stream that is left, then the next")
def _(place: Place) -> object:
    with ask(place, TALE, max_tokens=200, stream=True) as stream:
        for chunk in stream:
            if chunk.choices and chunk.choices[0].delta.content:
                break
    return text(ask(place))


@call("openai", "chat: four at once, async")
def _(place: Place) -> object:
    import openai

    async def all_four() -> list[str]:
        async with openai.AsyncOpenAI(
            base_url=place.v1, api_key=place.key, timeout=TIMEOUT_S, max_retries=0
        ) as asking:
            return [
                text(reply)
                for reply in await asyncio.gather(
                    *(
                        asking.chat.completions.create(
                            model=place.model,
                            messages=[{"role": "user", "content": f"Say the number {n} only."}],
                            temperature=0,
                            max_tokens=10,
                        )
                        for n in range(3, 7)
                    )
                )
            ]

    told = asyncio.run(all_four())
    expect(all(str(n) in said for n, said in zip(range(3, 7), told, strict=True)), told)
    return told


@call("openai", "chat: response_format json_object")
def _(place: Place) -> object:
    question = 'Give JSON with a key "city" for the capital of France.'
    messages = [{"role": "user", "content": question}]
    value = json.loads(text(ask(place, messages, response_format={"type": "json_object"})))
    expect("Paris" in json.dumps(value), value)
    return json.dumps(value)


def _person() -> Any:
    import pydantic

    class Person(pydantic.BaseModel):
        name: str
        age: int

    return Person


class Mood(Enum):
    GOOD = "good"
    BAD = "bad"


@call("openai", "chat: parse into a class")
def _(place: Place) -> object:
    reply = client(place).chat.completions.parse(
        model=place.model,
        messages=[{"role": "user", "content": "Extract: Anna is 31 years old."}],
        response_format=_person(),
        temperature=0,
        max_tokens=60,
    )
    person = reply.choices[0].message.parsed
    expect(person and person.name == "Anna" and person.age == 31, reply.choices)
    return person


@call("openai", "chat: parse into nested classes, lists and enums")
def _(place: Place) -> object:
    import pydantic

    person = _person()

    class Group(pydantic.BaseModel):
        people: list[person]  # type: ignore[valid-type]
        mood: Mood
        note: str | None

    question = "Extract: Anna is 31, Bert is 7. Everybody is happy, so the mood is good."
    reply = client(place).chat.completions.parse(
        model=place.model,
        messages=[{"role": "user", "content": question}],
        response_format=Group,
        temperature=0,
        max_tokens=150,
    )
    group = reply.choices[0].message.parsed
    expect(group and [one.age for one in group.people] == [31, 7], reply.choices)
    expect(group.mood is Mood.GOOD, group)
    return group


@call("openai", "chat: parse, streamed")
def _(place: Place) -> object:
    with client(place).chat.completions.stream(
        model=place.model,
        messages=[{"role": "user", "content": "Extract: Omar is 58 years old."}],
        response_format=_person(),
        temperature=0,
        max_tokens=60,
    ) as stream:
        person = stream.get_final_completion().choices[0].message.parsed
    expect(person and person.age == 58, person)
    return person


@call("openai", "chat: reasoning_effort low")
def _(place: Place) -> object:
    said = text(ask(place, reasoning_effort="low"))
    expect("4" in said, said)
    return said


@call("openai", "chat: the raw response")
def _(place: Place) -> object:
    raw = client(place).chat.completions.with_raw_response.create(
        model=place.model, messages=SUM, temperature=0, max_tokens=10
    )
    kind = raw.headers["content-type"]
    expect(raw.status_code == 200 and kind.startswith("application/json"), kind)
    return text(raw.parse())


@call("openai", "error: a model that does not exist")
def _(place: Place) -> object:
    import openai

    elsewhere = Place(place.url, place.key, "no-such-model")
    return raised(openai.NotFoundError, lambda: ask(elsewhere))


@call("openai", "error: a wrong key")
def _(place: Place) -> object:
    import openai

    stranger = Place(place.url, "sk-wrong-0123456789", place.model)
    return raised(openai.AuthenticationError, lambda: ask(stranger))


@call("openai", "error: no messages")
def _(place: Place) -> object:
    import openai

    return raised(openai.BadRequestError, lambda: ask(place, []))


@call("openai", "error: a temperature that is text")
def _(place: Place) -> object:
    import openai

    error = raised(openai.BadRequestError, lambda: ask(place, temperature="warm"))
    expect("temperature" in str(error), error)
    return error


@call("openai", "error: an image for models that read text")
def _(place: Place) -> object:
    import openai

    dot = "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk"
    parts = [
        {"type": "text", "text": "What is this?"},
        {"type": "image_url", "image_url": {"url": dot + "+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="}},
    ]
    error = raised(openai.APIStatusError, lambda: ask(place, [{"role": "user", "content": parts}]))
    expect("image" in str(error), error)
    return error


@call("openai", "error: a prompt that fits no context")
def _(place: Place) -> object:
    import openai

    long = [{"role": "user", "content": "one two three four five six seven " * 20_000}]
    error = raised(openai.BadRequestError, lambda: ask(place, long))
    expect("context" in str(error), error)
    return error
