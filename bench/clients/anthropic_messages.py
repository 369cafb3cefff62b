"""Messages by the `anthropic` package.

Does not know OpenAI's protocols.
"""

from __future__ import annotations

import asyncio
from typing import Any

from calls import TIMEOUT_S, Place, call, expect, raised

SUM = [{"role": "user", "content": "What is 2+2? Answer with the number only."}]
TALE = [{"role": "user", "content": "Write a poem about the sea."}]
IN_PARIS = [{"role": "user", "content": "What is the weather in Paris? Use the tool."}]
WEATHER = {
    "name": "get_weather",
    "description": "The weather of a city today.",
    "input_schema": {
        "type": "object",
        "properties": {"city": {"type": "string"}},
        "required": ["city"],
    },
}


def client(place: Place) -> Any:
    import anthropic

    return anthropic.Anthropic(
        base_url=place.url, api_key=place.key, timeout=TIMEOUT_S, max_retries=0
    )


def options(place: Place, messages: list[dict[str, Any]], **more: Any) -> dict[str, Any]:
    """Return the arguments of a request; `temperature` is no field of the newest client."""
    return {
        "model": place.model,
        "max_tokens": 60,
        "messages": messages,
        "extra_body": {"temperature": 0},
        **more,
    }


def ask(place: Place, messages: list[dict[str, Any]] = SUM, **more: Any) -> Any:
    return client(place).messages.create(**options(place, messages, **more))


def text(reply: Any) -> str:
    return "".join(block.text for block in reply.content if block.type == "text")


@call("anthropic", "messages: one answer")
def _(place: Place) -> object:
    reply = ask(place)
    expect(reply.type == "message" and reply.role == "assistant" and reply.id, reply)
    expect(reply.stop_reason == "end_turn" and reply.usage.input_tokens > 0, reply)
    expect("4" in text(reply), reply.content)
    return text(reply)


@call("anthropic", "messages: system")
def _(place: Place) -> object:
    system = "You answer every question with the word BANANA only."
    said = text(ask(place, [{"role": "user", "content": "Your favourite fruit?"}], system=system))
    expect("banana" in said.lower(), said)
    return said


@call("anthropic", "messages: system in blocks, to be cached")
def _(place: Place) -> object:
    block = {
        "type": "text",
        "text": "You answer every question with the word KIWI only.",
        "cache_control": {"type": "ephemeral"},
    }
    said = text(ask(place, [{"role": "user", "content": "Your favourite fruit?"}], system=[block]))
    expect("kiwi" in said.lower(), said)
    return said


@call("anthropic", "messages: several turns, content in blocks")
def _(place: Place) -> object:
    said = text(
        ask(
            place,
            [
                {"role": "user", "content": [{"type": "text", "text": "My name is Marguerite."}]},
                {"role": "assistant", "content": [{"type": "text", "text": "Hello, Marguerite."}]},
                {"role": "user", "content": "What is my name? Answer with the name only."},
            ],
        )
    )
    expect("Marguerite" in said, said)
    return said


@call("anthropic", "messages: the answer is begun by the client")
def _(place: Place) -> object:
    begun = {"role": "assistant", "content": "Monday, Tuesday, Wednesday, Thursday,"}
    question = {"role": "user", "content": "List the seven days of the week, on one line."}
    said = text(ask(place, [question, begun]))
    expect("Friday" in said and "Monday" not in said, said)
    return said


@call("anthropic", "messages: letters of many scripts")
def _(place: Place) -> object:
    line = "Привет, 世界! Ça va? 🌍"
    said = text(ask(place, [{"role": "user", "content": f"Repeat exactly this line: {line}"}]))
    expect("Привет" in said and "世界" in said and "🌍" in said, said)
    return said


@call("anthropic", "messages: max_tokens ends the answer")
def _(place: Place) -> object:
    reply = ask(place, TALE, max_tokens=7)
    expect(reply.stop_reason == "max_tokens" and reply.usage.output_tokens == 7, reply)
    return text(reply)


@call("anthropic", "messages: stop_sequences")
def _(place: Place) -> object:
    question = [{"role": "user", "content": "Count from 1 to 9, with commas between."}]
    reply = ask(place, question, stop_sequences=["6"])
    expect((reply.stop_reason, reply.stop_sequence) == ("stop_sequence", "6"), reply)
    expect("5" in text(reply) and "6" not in text(reply), reply.content)
    return text(reply)


@call("anthropic", "messages: streamed by its helper, the same as whole")
def _(place: Place) -> object:
    whole = text(ask(place, TALE, max_tokens=24))
    with client(place).messages.stream(**options(place, TALE, max_tokens=24)) as stream:
        told = "".join(stream.text_stream)
        last = stream.get_final_message()
    expect(told == text(last) == whole, [told, whole])
    expect(last.stop_reason == "max_tokens" and last.usage.output_tokens == 24, last)
    return told


@call("anthropic", "messages: the events of a stream")
def _(place: Place) -> object:
    kinds = [event.type for event in ask(place, stream=True) if event.type != "ping"]
    expect(kinds[:2] == ["message_start", "content_block_start"], kinds)
    expect(kinds[-3:] == ["content_block_stop", "message_delta", "message_stop"], kinds)
    expect(set(kinds[2:-3]) == {"content_block_delta"}, kinds)
    return "in order"


@call("anthropic", "messages: three at once, async")
def _(place: Place) -> object:
    import anthropic

    async def all_three() -> list[str]:
        async with anthropic.AsyncAnthropic(
            base_url=place.url, api_key=place.key, timeout=TIMEOUT_S, max_retries=0
        ) as asking:
            questions = [
                [{"role": "user", "content": f"Say the number {n} only."}] for n in range(3, 6)
            ]
            replies = await asyncio.gather(
                *(asking.messages.create(**options(place, one)) for one in questions)
            )
        return [text(reply) for reply in replies]

    told = asyncio.run(all_three())
    expect(all(str(n) in said for n, said in zip(range(3, 6), told, strict=True)), told)
    return told


@call("anthropic", "tools: the model chooses")
def _(place: Place) -> object:
    reply = ask(place, IN_PARIS, tools=[WEATHER])
    (used,) = (block for block in reply.content if block.type == "tool_use")
    expect(used.name == "get_weather" and used.input == {"city": "Paris"}, used)
    expect(reply.stop_reason == "tool_use", reply)
    return used.input


@call("anthropic", "tools: any")
def _(place: Place) -> object:
    reply = ask(place, IN_PARIS, tools=[WEATHER], tool_choice={"type": "any"})
    (used,) = (block for block in reply.content if block.type == "tool_use")
    expect(used.input == {"city": "Paris"}, used)
    return used.input


@call("anthropic", "tools: a result is read")
def _(place: Place) -> object:
    named = {"type": "tool", "name": "get_weather"}
    reply = ask(place, IN_PARIS, tools=[WEATHER], tool_choice=named)
    (used,) = (block for block in reply.content if block.type == "tool_use")
    result = {"type": "tool_result", "tool_use_id": used.id, "content": "17 degrees and hail"}
    turns = [{"role": "assistant", "content": reply.content}, {"role": "user", "content": [result]}]
    reply = ask(place, [*IN_PARIS, *turns], tools=[WEATHER])
    expect("hail" in text(reply), reply.content)
    return text(reply)


@call("anthropic", "tools: streamed")
def _(place: Place) -> object:
    more = {"tools": [WEATHER], "tool_choice": {"type": "any"}}
    parts = []
    with client(place).messages.stream(**options(place, IN_PARIS, **more)) as stream:
        for event in stream:
            if event.type == "input_json":
                parts.append(event.partial_json)
        reply = stream.get_final_message()
    (used,) = (block for block in reply.content if block.type == "tool_use")
    expect(used.input == {"city": "Paris"} and parts, used)
    return "".join(parts)


@call("anthropic", "messages: parse into a class")
def _(place: Place) -> object:
    import pydantic

    class Person(pydantic.BaseModel):
        name: str
        age: int

    question = [{"role": "user", "content": "Extract: Anna is 31 years old."}]
    reply = client(place).messages.parse(**options(place, question, output_format=Person))
    expect(reply.parsed_output == Person(name="Anna", age=31), reply.content)
    return reply.parsed_output


@call("anthropic", "count_tokens: grows with the question")
def _(place: Place) -> object:
    counting = client(place).messages
    few = counting.count_tokens(model=place.model, messages=SUM).input_tokens
    more = counting.count_tokens(
        model=place.model, messages=SUM, tools=[WEATHER], system="Be brief."
    ).input_tokens
    used = ask(place).usage
    # Anthropic counts tokens that were in the cache apart.
    told = used.input_tokens + (used.cache_read_input_tokens or 0)
    expect(more > few > 5 and few == told, [few, more, told])
    return f"{few}, {more}"


@call("anthropic", "models: the list has the model that is asked")
def _(place: Place) -> object:
    found = list(client(place).models.list())
    expect(place.model in [model.id for model in found], found)
    (model,) = (model for model in found if model.id == place.model)
    expect(model.type == "model" and model.display_name and model.created_at, model)
    return model.display_name


@call("anthropic", "models: one of them")
def _(place: Place) -> object:
    model = client(place).models.retrieve(place.model)
    expect(model.id == place.model and model.type == "model" and model.display_name, model)
    return model.display_name


@call("anthropic", "error: a model that does not exist")
def _(place: Place) -> object:
    import anthropic

    elsewhere = Place(place.url, place.key, "no-such-model")
    return raised(anthropic.NotFoundError, lambda: ask(elsewhere))


@call("anthropic", "error: a wrong key")
def _(place: Place) -> object:
    import anthropic

    stranger = Place(place.url, "sk-wrong-0123456789", place.model)
    return raised(anthropic.AuthenticationError, lambda: ask(stranger))


@call("anthropic", "error: no max_tokens")
def _(place: Place) -> object:
    import anthropic

    more = {"max_tokens": anthropic.omit}
    error = raised(anthropic.BadRequestError, lambda: ask(place, SUM, **more))
    expect("max_tokens" in str(error), error)
    return error


@call("anthropic", "error: a document for models that read text")
def _(place: Place) -> object:
    import anthropic

    source = {"type": "base64", "media_type": "application/pdf", "data": "JVBERi0xLjQK"}
    turn = {"role": "user", "content": [{"type": "document", "source": source}]}
    error = raised(anthropic.APIStatusError, lambda: ask(place, [turn]))
    expect("document" in str(error), error)
    return error
