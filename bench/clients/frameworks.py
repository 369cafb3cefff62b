"""Libraries that are built on the official clients: LangChain, instructor, Pydantic AI and more.

Does not know what they send.
"""

from __future__ import annotations

from typing import Any

from calls import TIMEOUT_S, Place, call, expect

SUM = "What is 2+2? Answer with the number only."
IN_PARIS = "What is the weather in Paris? Use the tool."


def get_weather(city: str) -> str:
    """Return the weather of a city today."""
    return f"In {city} 17 degrees and hail."


def _langchain(place: Place) -> Any:
    from langchain_openai import ChatOpenAI

    return ChatOpenAI(
        base_url=place.v1,
        api_key=place.key,
        model=place.model,
        temperature=0,
        max_tokens=60,
        timeout=TIMEOUT_S,
        max_retries=0,
    )


def _person() -> Any:
    import pydantic

    class Person(pydantic.BaseModel):
        """A person of the text."""

        name: str
        age: int

    return Person


@call("langchain-openai", "an answer")
def _(place: Place) -> object:
    said = _langchain(place).invoke(SUM)
    expect("4" in said.content and said.usage_metadata["output_tokens"] > 0, said)
    return said.content


@call("langchain-openai", "streamed")
def _(place: Place) -> object:
    said = "".join(str(piece.content) for piece in _langchain(place).stream(SUM))
    expect("4" in said, said)
    return said


@call("langchain-openai", "a tool")
def _(place: Place) -> object:
    said = _langchain(place).bind_tools([get_weather]).invoke(IN_PARIS)
    expect([made["args"] for made in said.tool_calls] == [{"city": "Paris"}], said)
    return said.tool_calls[0]["args"]


@call("langchain-openai", "structured output")
def _(place: Place) -> object:
    made = _langchain(place).with_structured_output(_person())
    person = made.invoke("Extract: Anna is 31 years old.")
    expect((person.name, person.age) == ("Anna", 31), person)
    return person


@call("langchain-openai", "embeddings")
def _(place: Place) -> object:
    from langchain_openai import OpenAIEmbeddings

    made = OpenAIEmbeddings(
        base_url=place.v1,
        api_key=place.key,
        model=place.model,
        # Else it sends tokens of OpenAI's own vocabulary.
        check_embedding_ctx_length=False,
    )
    first, second = made.embed_documents(["a fox", "a dog"])
    expect(len(first) == len(second) > 64 and first != second, len(first))
    return f"{len(first)} numbers"


@call("langchain-anthropic", "an answer and a tool")
def _(place: Place) -> object:
    from langchain_anthropic import ChatAnthropic

    model = ChatAnthropic(
        base_url=place.url,
        api_key=place.key,
        model=place.model,
        max_tokens=60,
        timeout=TIMEOUT_S,
        max_retries=0,
    )
    expect("4" in str(model.invoke(SUM).content), "no 4")
    said = model.bind_tools([get_weather]).invoke(IN_PARIS)
    expect([made["args"] for made in said.tool_calls] == [{"city": "Paris"}], said)
    return said.tool_calls[0]["args"]


def _instructed(place: Place, mode: str) -> object:
    import instructor
    from openai_chat import client

    asking = instructor.from_openai(client(place), mode=instructor.Mode[mode])
    person = asking.chat.completions.create(
        model=place.model,
        response_model=_person(),
        messages=[{"role": "user", "content": "Extract: Anna is 31 years old."}],
        max_retries=0,
        temperature=0,
    )
    expect((person.name, person.age) == ("Anna", 31), person)
    return person


@call("instructor", "a class by a tool")
def _(place: Place) -> object:
    return _instructed(place, "TOOLS")


@call("instructor", "a class by a schema")
def _(place: Place) -> object:
    return _instructed(place, "JSON_SCHEMA")


def _pydantic_ai(place: Place) -> Any:
    from pydantic_ai.models.openai import OpenAIChatModel
    from pydantic_ai.providers.openai import OpenAIProvider

    provider = OpenAIProvider(base_url=place.v1, api_key=place.key)
    return OpenAIChatModel(place.model, provider=provider)


@call("pydantic-ai-slim", "an agent with a tool")
def _(place: Place) -> object:
    from pydantic_ai import Agent

    agent = Agent(
        _pydantic_ai(place), tools=[get_weather], model_settings={"temperature": 0}, retries=1
    )
    said = agent.run_sync(IN_PARIS).output
    expect("hail" in said, said)
    return said


@call("pydantic-ai-slim", "a class as output")
def _(place: Place) -> object:
    from pydantic_ai import Agent

    agent = Agent(_pydantic_ai(place), output_type=_person(), model_settings={"temperature": 0})
    person = agent.run_sync("Extract: Anna is 31 years old.").output
    expect((person.name, person.age) == ("Anna", 31), person)
    return person


@call("openai-agents", "an agent with a tool, by the responses API")
def _(place: Place) -> object:
    import agents
    import openai

    agents.set_tracing_disabled(True)
    asking = openai.AsyncOpenAI(
        base_url=place.v1, api_key=place.key, timeout=TIMEOUT_S, max_retries=0
    )
    agent = agents.Agent(
        name="Weather",
        instructions="You answer by means of the tool.",
        tools=[agents.function_tool(get_weather)],
        model=agents.OpenAIResponsesModel(place.model, asking),
        model_settings=agents.ModelSettings(temperature=0, max_tokens=60),
    )
    said = agents.Runner.run_sync(agent, "What is the weather in Paris?", max_turns=4).final_output
    expect("hail" in said, said)
    return said


@call("litellm", "an answer, whole and streamed")
def _(place: Place) -> object:
    import litellm

    options = {
        "model": f"openai/{place.model}",
        "api_base": place.v1,
        "api_key": place.key,
        "messages": [{"role": "user", "content": SUM}],
        "temperature": 0,
        "max_tokens": 20,
        "timeout": TIMEOUT_S,
    }
    whole = litellm.completion(**options).choices[0].message.content
    pieces = litellm.completion(**options, stream=True)
    told = "".join(piece.choices[0].delta.content or "" for piece in pieces)
    expect("4" in whole and told == whole, [whole, told])
    return whole


@call("litellm", "messages of Anthropic's provider")
def _(place: Place) -> object:
    import litellm

    reply = litellm.completion(
        model=f"anthropic/{place.model}",
        api_base=place.url,
        api_key=place.key,
        messages=[{"role": "user", "content": SUM}],
        max_tokens=20,
        timeout=TIMEOUT_S,
    )
    said = reply.choices[0].message.content
    expect("4" in said, said)
    return said
