"""The responses API by the `openai` package.

Does not know chat completions.
"""

from __future__ import annotations

import json
from typing import Any

from calls import Place, call, expect, raised
from openai_chat import client

WEATHER = {
    "type": "function",
    "name": "get_weather",
    "description": "The weather of a city today.",
    "parameters": {
        "type": "object",
        "properties": {"city": {"type": "string"}},
        "required": ["city"],
        "additionalProperties": False,
    },
    "strict": True,
}
IN_PARIS = "What is the weather in Paris? Use the tool."


def respond(place: Place, given: Any, **options: Any) -> Any:
    options = {"temperature": 0, "max_output_tokens": 60, **options}
    return client(place).responses.create(model=place.model, input=given, **options)


@call("openai", "responses: a text")
def _(place: Place) -> object:
    reply = respond(place, "What is 2+2? Answer with the number only.")
    expect(reply.object == "response" and reply.status == "completed", reply)
    expect("4" in reply.output_text and reply.usage.output_tokens > 0, reply)
    return reply.output_text


@call("openai", "responses: instructions")
def _(place: Place) -> object:
    told = "You answer every question with the word BANANA only."
    reply = respond(place, "What is your favourite fruit?", instructions=told)
    expect("banana" in reply.output_text.lower(), reply.output_text)
    return reply.output_text


@call("openai", "responses: items of several turns")
def _(place: Place) -> object:
    reply = respond(
        place,
        [
            {"role": "developer", "content": "You are brief."},
            {"role": "user", "content": [{"type": "input_text", "text": "I am Marguerite."}]},
            {"role": "assistant", "content": "Hello, Marguerite."},
            {"role": "user", "content": "What is my name? Answer with the name only."},
        ],
    )
    expect("Marguerite" in reply.output_text, reply.output_text)
    return reply.output_text


@call("openai", "responses: max_output_tokens ends the answer")
def _(place: Place) -> object:
    # OpenAI itself asks for at least 16.
    reply = respond(place, "Write a poem about the sea.", max_output_tokens=16)
    expect(reply.status == "incomplete", reply.status)
    expect(reply.incomplete_details.reason == "max_output_tokens", reply.incomplete_details)
    expect(reply.usage.output_tokens == 16, reply.usage)
    return reply.output_text


@call("openai", "responses: streamed")
def _(place: Place) -> object:
    kinds, told, numbers, last = [], "", [], None
    for event in respond(place, "Say hello in French.", stream=True):
        kinds.append(event.type)
        numbers.append(event.sequence_number)
        told += event.delta if event.type == "response.output_text.delta" else ""
        last = event
    expect(kinds[0] == "response.created" and kinds[-1] == "response.completed", kinds)
    expect(numbers == sorted(set(numbers)), numbers)
    expect(last and last.response.output_text == told != "", told)
    return told


@call("openai", "responses: streamed by its helper")
def _(place: Place) -> object:
    with client(place).responses.stream(
        model=place.model, input="Say hello in German.", temperature=0, max_output_tokens=30
    ) as stream:
        for _event in stream:
            pass
        reply = stream.get_final_response()
    expect(reply.output_text, reply)
    return reply.output_text


@call("openai", "responses: a function is called, its result read")
def _(place: Place) -> object:
    reply = respond(place, IN_PARIS, tools=[WEATHER], tool_choice="required")
    (made,) = (item for item in reply.output if item.type == "function_call")
    expect(json.loads(made.arguments) == {"city": "Paris"}, made)
    result = {"type": "function_call_output", "call_id": made.call_id, "output": "hail"}
    given = [{"role": "user", "content": IN_PARIS}, *reply.output, result]
    reply = respond(place, given, tools=[WEATHER])
    expect("hail" in reply.output_text.lower(), reply.output)
    return reply.output_text


@call("openai", "responses: a function call, streamed")
def _(place: Place) -> object:
    arguments, name = "", ""
    for event in respond(place, IN_PARIS, tools=[WEATHER], tool_choice="required", stream=True):
        if event.type == "response.function_call_arguments.delta":
            arguments += event.delta
        if event.type == "response.output_item.done" and event.item.type == "function_call":
            name = event.item.name
    expect((name, json.loads(arguments)) == ("get_weather", {"city": "Paris"}), arguments)
    return arguments


@call("openai", "responses: previous_response_id goes on")
def _(place: Place) -> object:
    first = respond(place, "My name is Marguerite. Remember it.")
    reply = respond(
        place, "What is my name? Answer with the name only.", previous_response_id=first.id
    )
    expect("Marguerite" in reply.output_text, reply.output_text)
    return reply.output_text


@call("openai", "responses: parse into a class")
def _(place: Place) -> object:
    import pydantic

    class Person(pydantic.BaseModel):
        name: str
        age: int

    reply = client(place).responses.parse(
        model=place.model,
        input="Extract: Anna is 31 years old.",
        text_format=Person,
        temperature=0,
        max_output_tokens=60,
    )
    expect(reply.output_parsed == Person(name="Anna", age=31), reply.output)
    return reply.output_parsed


@call("openai", "responses: shown again, and forgotten")
def _(place: Place) -> object:
    import openai

    asking = client(place).responses
    reply = respond(place, "Say hello.")
    expect(asking.retrieve(reply.id).output_text == reply.output_text, reply.id)
    asking.delete(reply.id)
    raised(openai.NotFoundError, lambda: asking.retrieve(reply.id))
    return reply.output_text


@call("openai", "error: an unknown previous_response_id")
def _(place: Place) -> object:
    import openai

    error = raised(
        openai.APIStatusError, lambda: respond(place, "Go on.", previous_response_id="resp_none")
    )
    expect("resp_none" in str(error), error)
    return error
