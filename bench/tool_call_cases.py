"""Forty scripted requests with tools, in eight groups, and what a right answer calls.

Values only. Tools are such as agents bring; a case is right if exactly the wanted tools are called,
in any order, with the arguments that leave no choice.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

Json = dict[str, Any]


def tool(name: str, description: str, required: list[str] | None = None, **properties: Any) -> Json:
    """Write a tool; all of its arguments are required unless `required` names them."""
    schema: Json = {
        "type": "object",
        "properties": properties,
        "required": list(properties) if required is None else required,
        "additionalProperties": False,
    }
    function = {"name": name, "description": description, "parameters": schema}
    return {"type": "function", "function": function}


def text(description: str) -> Json:
    return {"type": "string", "description": description}


WHOLE = {"type": "integer"}
WEATHER = tool(
    "get_weather",
    "Get the current weather of a city.",
    ["city"],
    city=text("Name of the city"),
    unit={"type": "string", "enum": ["celsius", "fahrenheit"]},
)
ADD = tool("add", "Add two whole numbers.", a=WHOLE, b=WHOLE)
SEARCH = tool("search_web", "Search the web.", query=text("What to search for"))
READ = tool("read_file", "Read a file of the project.", path=text("Path of the file"))
WRITE = tool(
    "write_file", "Write a text to a file.", path=text("Path of the file"), content=text("The text")
)
RUN = tool("run_command", "Run a shell command.", command=text("The command line"))
MAIL = tool(
    "send_email",
    "Send an e-mail.",
    to=text("Address"),
    subject=text("Subject"),
    body=text("Text of the mail"),
)
TRANSLATE = tool(
    "translate",
    "Translate a text into another language.",
    text=text("The text"),
    language=text("Target language"),
)
TIME = tool("get_time", "Get the current time in a time zone.", zone=text("Such as Europe/Berlin"))
NOTE = tool("save_note", "Save a note word for word.", text=text("The note"))
ORDER = tool(
    "create_order",
    "Create an order.",
    customer={
        "type": "object",
        "properties": {"name": text("Full name"), "city": text("City")},
        "required": ["name", "city"],
        "additionalProperties": False,
    },
    items={
        "type": "array",
        "items": {
            "type": "object",
            "properties": {
                "product": text("Product"),
                "quantity": {"type": "integer", "minimum": 1},
            },
            "required": ["product", "quantity"],
            "additionalProperties": False,
        },
    },
)
FILTER = tool(
    "find_tickets",
    "Find tickets by a filter.",
    filter={
        "type": "object",
        "properties": {
            "status": {"type": "string", "enum": ["open", "closed"]},
            "labels": {"type": "array", "items": {"type": "string"}},
            "priority": {
                "type": "object",
                "properties": {"min": WHOLE, "max": WHOLE},
                "required": ["min", "max"],
            },
        },
        "required": ["status"],
    },
)
MANY = [WEATHER, ADD, SEARCH, READ, WRITE, RUN, MAIL, TRANSLATE, TIME, NOTE]


@dataclass(frozen=True)
class Case:
    """A request; `wanted` are the calls, each with the arguments that leave no choice."""

    group: str
    asked: str
    tools: list[Json]
    wanted: list[tuple[str, Json]]
    choice: Any = "auto"
    stream: bool = False
    earlier: list[Json] = field(default_factory=list)


def named(name: str) -> Json:
    return {"type": "function", "function": {"name": name}}


def _case(
    group: str, asked: str, tools: list[Json], *wanted: tuple[str, Json], **rest: Any
) -> Case:
    return Case(group, asked, tools, list(wanted), **rest)


ONE = [
    _case(
        "one",
        "What is the weather in Paris right now?",
        [WEATHER],
        ("get_weather", {"city": "Paris"}),
    ),
    _case("one", "Use the tool to add 17 and 25.", [ADD], ("add", {"a": 17, "b": 25})),
    _case(
        "one",
        "Show me what is in the file src/main.py.",
        [READ],
        ("read_file", {"path": "src/main.py"}),
    ),
    _case(
        "one",
        "What time is it in Tokyo? The zone is Asia/Tokyo.",
        [TIME],
        ("get_time", {"zone": "Asia/Tokyo"}),
    ),
    _case("one", "Search the web for the population of Iceland.", [SEARCH], ("search_web", {})),
    _case("one", "Run the command `ls -la`.", [RUN], ("run_command", {"command": "ls -la"})),
]
CHOOSE = [
    _case("many", "List the files in this folder with a shell command.", MANY, ("run_command", {})),
    _case(
        "many",
        "What is the weather in Oslo in celsius?",
        MANY,
        ("get_weather", {"city": "Oslo", "unit": "celsius"}),
    ),
    _case(
        "many",
        "Please open README.md and show it to me.",
        MANY,
        ("read_file", {"path": "README.md"}),
    ),
    _case("many", "Add 1234 and 4321 for me.", MANY, ("add", {"a": 1234, "b": 4321})),
    _case(
        "many",
        "Translate 'good morning' into French.",
        MANY,
        ("translate", {"text": "good morning"}),
    ),
]
PARALLEL = [
    _case(
        "parallel",
        "What is the weather in Rome and in Madrid? Call the tool for both.",
        [WEATHER],
        ("get_weather", {"city": "Rome"}),
        ("get_weather", {"city": "Madrid"}),
    ),
    _case(
        "parallel",
        "Read both files, a.txt and b.txt.",
        [READ],
        ("read_file", {"path": "a.txt"}),
        ("read_file", {"path": "b.txt"}),
    ),
    _case(
        "parallel",
        "Get the weather in Berlin and the time in the zone Europe/Berlin.",
        [WEATHER, TIME],
        ("get_weather", {"city": "Berlin"}),
        ("get_time", {"zone": "Europe/Berlin"}),
    ),
    _case(
        "parallel",
        "Add 1 and 2, add 3 and 4, and add 5 and 6. Use one call for each.",
        [ADD],
        ("add", {"a": 1, "b": 2}),
        ("add", {"a": 3, "b": 4}),
        ("add", {"a": 5, "b": 6}),
    ),
    _case(
        "parallel",
        "Read notes.md and run the command `git status`.",
        [READ, RUN],
        ("read_file", {"path": "notes.md"}),
        ("run_command", {"command": "git status"}),
    ),
]
REQUIRED = [
    _case("required", "Hello there!", [SEARCH], ("search_web", {}), choice="required"),
    _case(
        "required",
        "I wonder how warm it is in Cairo.",
        [WEATHER, TIME],
        ("get_weather", {"city": "Cairo"}),
        choice="required",
    ),
    _case(
        "required",
        "Seven and eight.",
        [ADD, SEARCH],
        ("add", {"a": 7, "b": 8}),
        choice=named("add"),
    ),
    _case(
        "required",
        "Tell Ann that the build is green. Her address is ann@example.org.",
        [MAIL],
        ("send_email", {"to": "ann@example.org"}),
        choice="required",
    ),
    _case(
        "required",
        "Lima, please.",
        MANY,
        ("get_weather", {"city": "Lima"}),
        choice=named("get_weather"),
    ),
]
NONE = [
    _case("none needed", "Write one sentence about the sea.", [WEATHER]),
    _case("none needed", "Hello! How are you?", [ADD, WEATHER]),
    _case("none needed", "What is the capital of France?", [ADD]),
    _case(
        "none needed",
        "Is it warm there now?",
        [WEATHER],
        earlier=[
            {"role": "user", "content": "What is the weather in Paris?"},
            {
                "role": "assistant",
                "content": None,
                "tool_calls": [
                    {
                        "id": "call_abc123",
                        "type": "function",
                        "function": {"name": "get_weather", "arguments": '{"city": "Paris"}'},
                    }
                ],
            },
            {
                "role": "tool",
                "tool_call_id": "call_abc123",
                "content": '{"temperature": 31, "unit": "celsius", "sky": "clear"}',
            },
            {
                "role": "assistant",
                "content": "It is 31 degrees Celsius in Paris, with a clear sky.",
            },
        ],
    ),
    _case("none needed", "What is the weather in Paris?", [WEATHER], choice="none"),
]
NESTED = [
    _case(
        "nested",
        "Create an order for Ann Lee in Oslo: 2 lamps and 1 desk.",
        [ORDER],
        ("create_order", {}),
    ),
    _case(
        "nested",
        "Order 3 pens for Bob Ray, who lives in Bonn.",
        [ORDER, SEARCH],
        ("create_order", {}),
    ),
    _case(
        "nested",
        "Find open tickets with the label bug and a priority between 2 and 4.",
        [FILTER],
        ("find_tickets", {}),
    ),
    _case(
        "nested",
        "Find closed tickets with the labels ui and slow.",
        [FILTER],
        ("find_tickets", {}),
        choice="required",
    ),
    _case(
        "nested",
        'Write a file conf.json whose content is {"debug": true, "level": 3}.',
        [WRITE],
        ("write_file", {"path": "conf.json"}),
    ),
]
UNICODE = [
    _case("unicode", "Wie ist das Wetter in Köln?", [WEATHER], ("get_weather", {"city": "Köln"})),
    _case("unicode", "Какая погода в городе Москва?", [WEATHER], ("get_weather", {})),
    _case("unicode", 'Save this note: Ünïcödé 🎉 «да» — "ok"', [NOTE], ("save_note", {})),
    _case(
        "unicode",
        "Read the file Отчёт/план.txt.",
        [READ],
        ("read_file", {"path": "Отчёт/план.txt"}),
        choice="required",
    ),
]
STREAMED = [
    _case(
        "streamed",
        "What is the weather in Vienna?",
        [WEATHER],
        ("get_weather", {"city": "Vienna"}),
        stream=True,
    ),
    _case(
        "streamed", "Use the tool to add 40 and 2.", [ADD], ("add", {"a": 40, "b": 2}), stream=True
    ),
    _case(
        "streamed",
        "Create an order for Eve Fox in Rome: 5 cups.",
        [ORDER],
        ("create_order", {}),
        stream=True,
    ),
    _case(
        "streamed",
        "Get the weather in Bern and in Graz.",
        [WEATHER],
        ("get_weather", {"city": "Bern"}),
        ("get_weather", {"city": "Graz"}),
        stream=True,
    ),
    _case("streamed", "Say good night in one short sentence.", [WEATHER], stream=True),
]
CASES = (*ONE, *CHOOSE, *PARALLEL, *REQUIRED, *NONE, *NESTED, *UNICODE, *STREAMED)
