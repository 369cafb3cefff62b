"""Tool calls by the `openai` package: chosen, required, parallel, streamed, answered.

Does not know which of them a model makes well; `bench/tool_calls.py` counts that.
"""

from __future__ import annotations

import json
from typing import Any

from calls import Place, call, expect
from openai_chat import ask, client, text


def function(name: str, description: str, **properties: Any) -> dict[str, Any]:
    """Return a tool whose arguments are all required."""
    schema = {"type": "object", "properties": properties, "required": list(properties)}
    return {
        "type": "function",
        "function": {"name": name, "description": description, "parameters": schema},
    }


WEATHER = function("get_weather", "The weather of a city today.", city={"type": "string"})
ADD = function("add", "Adds two numbers.", a={"type": "integer"}, b={"type": "integer"})
IN_PARIS = [{"role": "user", "content": "What is the weather in Paris? Use the tool."}]


def calls_of(reply: Any) -> list[tuple[str, Any]]:
    """Return names and arguments of the calls of a reply, which all have ids of their own."""
    (choice,) = reply.choices
    calls = choice.message.tool_calls or []
    expect(len({made.id for made in calls}) == len(calls), calls)
    return [(made.function.name, json.loads(made.function.arguments)) for made in calls]


@call("openai", "tools: the model chooses one")
def _(place: Place) -> object:
    reply = ask(place, IN_PARIS, tools=[WEATHER, ADD])
    expect(calls_of(reply) == [("get_weather", {"city": "Paris"})], reply.choices)
    expect(reply.choices[0].finish_reason == "tool_calls", reply.choices)
    return calls_of(reply)


@call("openai", "tools: required")
def _(place: Place) -> object:
    question = [{"role": "user", "content": "Add 19 and 23."}]
    reply = ask(place, question, tools=[WEATHER, ADD], tool_choice="required")
    expect(calls_of(reply) == [("add", {"a": 19, "b": 23})], reply.choices)
    return calls_of(reply)


@call("openai", "tools: one by name")
def _(place: Place) -> object:
    named = {"type": "function", "function": {"name": "get_weather"}}
    question = [{"role": "user", "content": "Is it raining in Oslo?"}]
    reply = ask(place, question, tools=[ADD, WEATHER], tool_choice=named)
    expect(calls_of(reply) == [("get_weather", {"city": "Oslo"})], reply.choices)
    return calls_of(reply)


@call("openai", "tools: none may be called")
def _(place: Place) -> object:
    reply = ask(place, IN_PARIS, tools=[WEATHER], tool_choice="none")
    expect(not calls_of(reply) and text(reply), reply.choices)
    return text(reply)


@call("openai", "tools: none needed")
def _(place: Place) -> object:
    question = [{"role": "user", "content": "Say hello in French. Do not use a tool."}]
    reply = ask(place, question, tools=[ADD])
    expect(not calls_of(reply) and text(reply), reply.choices)
    return text(reply)


@call("openai", "tools: two in parallel")
def _(place: Place) -> object:
    question = "What is the weather in Paris and in Rome? Call the tool once for each city."
    reply = ask(
        place,
        [{"role": "user", "content": question}],
        tools=[WEATHER],
        parallel_tool_calls=True,
        max_tokens=120,
    )
    cities = {arguments["city"] for _, arguments in calls_of(reply)}
    expect(cities == {"Paris", "Rome"}, reply.choices)
    return calls_of(reply)


@call("openai", "tools: streamed")
def _(place: Place) -> object:
    name, arguments, ends = "", "", []
    for chunk in ask(place, IN_PARIS, tools=[WEATHER], tool_choice="required", stream=True):
        for choice in chunk.choices:
            ends += [choice.finish_reason] if choice.finish_reason else []
            for piece in choice.delta.tool_calls or ():
                expect(piece.index == 0, piece)
                name += piece.function.name or ""
                arguments += piece.function.arguments or ""
    expect((name, json.loads(arguments)) == ("get_weather", {"city": "Paris"}), arguments)
    expect(ends == ["tool_calls"], ends)
    return arguments


@call("openai", "tools: a result is read")
def _(place: Place) -> object:
    reply = ask(place, IN_PARIS, tools=[WEATHER], tool_choice="required")
    (made,) = reply.choices[0].message.tool_calls
    result = {"role": "tool", "tool_call_id": made.id, "content": "17 degrees and hail"}
    reply = ask(place, [*IN_PARIS, reply.choices[0].message, result], tools=[WEATHER])
    expect("hail" in text(reply), [text(reply), calls_of(reply)])
    return text(reply)


@call("openai", "tools: arguments of other scripts")
def _(place: Place) -> object:
    question = [{"role": "user", "content": "What is the weather in 東京? Use the tool."}]
    reply = ask(place, question, tools=[WEATHER], tool_choice="required")
    ((_, arguments),) = calls_of(reply)
    expect("東京" in arguments["city"] or "Tokyo" in arguments["city"], arguments)
    return arguments


@call("openai", "tools: nested arguments")
def _(place: Place) -> object:
    item = {
        "type": "object",
        "properties": {"name": {"type": "string"}, "count": {"type": "integer"}},
        "required": ["name", "count"],
    }
    order = function("order", "Orders things.", items={"type": "array", "items": item})
    question = [{"role": "user", "content": "Order 2 apples and 5 pears."}]
    reply = ask(place, question, tools=[order], tool_choice="required", max_tokens=120)
    ((_, arguments),) = calls_of(reply)
    expect([one["count"] for one in arguments["items"]] == [2, 5], arguments)
    return arguments


@call("openai", "tools: a class, parsed")
def _(place: Place) -> object:
    import openai
    import pydantic

    class Weather(pydantic.BaseModel):
        """The weather of a city today."""

        city: str

    reply = client(place).chat.completions.parse(
        model=place.model,
        messages=IN_PARIS,
        tools=[openai.pydantic_function_tool(Weather)],
        tool_choice="required",
        temperature=0,
        max_tokens=60,
    )
    (made,) = reply.choices[0].message.tool_calls
    expect(made.function.parsed_arguments == Weather(city="Paris"), made)
    return made.function.parsed_arguments
