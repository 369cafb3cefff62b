"""Tools, calls and results in chat templates: each gets them in the way that it takes them."""

from __future__ import annotations

import json

import msgspec
import pytest

from tests.engine.test_template import Characters
from tierchat.engine.template import ChatTemplate
from tierchat.tool_calls import Tool, ToolCall
from tierchat.types import Message

SCHEMA = {"type": "object", "properties": {"city": {"type": "string", "description": "a city"}}}
TOOL = Tool(name="weather", description="Tells it.", parameters=json.dumps(SCHEMA))
CALLS = (
    ToolCall(id="call_1", name="weather", arguments='{"city": "Köln"}'),
    ToolCall(id="call_2", name="weather", arguments='{"city": "Bonn"}'),
)
TALK = (
    Message(role="system", content="Be brief."),
    Message(role="user", content="Rain?"),
    Message(role="assistant", content="", tool_calls=CALLS),
    Message(role="tool", content="yes", tool_call_id="call_1"),
    Message(role="tool", content="no", tool_call_id="call_2"),
)
_BEGIN = "{% for m in messages %}"
_RESULT = "{% elif m.role == 'tool' %}[{{ m.name }} {{ m.tool_call_id }}: {{ m.content }}]"
_END = "{% else %}({{ m.role }}: {{ m.content }}){% endif %}{% endfor %}"
_EACH = "{% for c in m.tool_calls %}{{ c.function.name }}={{ ARGS }};{% endfor %}"
_TOOLS = "{% for t in tools or [] %}{{ t | tojson }}{% endfor %}"


# As Gemma 4's first template: a turn of any role, with the results in the turn of the calls.
_IN_CALLS = (
    f"{_TOOLS}{_BEGIN}({{{{ m.role }}}}: {_EACH}{{% for r in m.tool_responses or [] %}}"
    "[{{ r.name }}: {{ r.response.sky if r.response is mapping else r.response }}]{% endfor %}"
    "{{ m.content }}){% endfor %}"
).replace("ARGS", "c.function.arguments | tojson")


def template(args: str = "c.function.arguments | tojson", calls: str = _EACH) -> str:
    """Write a template that knows tools; `args` is what it does with the arguments of a call."""
    made = calls.replace("ARGS", args)
    return f"{_TOOLS}{_BEGIN}{{% if m.tool_calls %}}{made}{_RESULT}{_END}"


def rendered(source: str, *messages: Message, tools: tuple[Tool, ...] = (TOOL,)) -> str:
    return ChatTemplate(source).render(messages or TALK, Characters(), tools=tools).text


def test_a_template_gets_tools_calls_and_results_as_other_runtimes_give_them() -> None:
    text = rendered(template())
    function = {"name": "weather", "description": "Tells it.", "parameters": SCHEMA}
    assert text.startswith(json.dumps({"type": "function", "function": function}))
    assert text.endswith(
        '(system: Be brief.)(user: Rain?)weather={"city": "Köln"};weather={"city": "Bonn"};'
        "[weather call_1: yes][weather call_2: no]"
    )


def test_arguments_are_text_for_a_template_that_joins_them() -> None:
    assert 'weather= {"city": "Köln"};' in rendered(template("' ' + c.function.arguments"))


def test_a_template_that_takes_one_call_gets_each_with_its_result() -> None:
    one = "{% if m.tool_calls | length > 1 %}{{ raise_exception('one') }}{% endif %}"
    assert rendered(template(calls=one + _EACH)).endswith(
        'weather={"city": "Köln"};[weather call_1: yes]weather={"city": "Bonn"};'
        "[weather call_2: no]"
    )


def test_results_stand_in_the_turn_of_their_calls_where_a_template_looks_there() -> None:
    calls = 'weather={"city": "Köln"};weather={"city": "Bonn"};'
    assert rendered(_IN_CALLS).endswith(f"(assistant: {calls}[weather: yes][weather: no])")
    *begun, first, second = TALK
    read = msgspec.structs.replace(first, content='{"sky": "grey"}')
    after = Message(role="assistant", content="In Köln.")
    text = rendered(_IN_CALLS, *begun, read, second, after, Message(role="user", content="Why?"))
    assert f"(assistant: {calls}[weather: grey][weather: no]In Köln.)(user: Why?)" in text


def test_results_stay_turns_where_a_template_knows_these_too() -> None:
    both = f"{_TOOLS}{_BEGIN}{{% if m.role == 'tool' %}}[{{{{ m.content }}}}]{{% else %}}"
    both += _IN_CALLS.removeprefix(_TOOLS + _BEGIN).removesuffix("{% endfor %}")
    both += "{% endif %}{% endfor %}"
    assert rendered(both).endswith(")[yes][no]")


def test_ids_have_nine_letters_where_a_template_insists() -> None:
    nine = "{% for c in m.tool_calls %}{% if c.id|length != 9 %}{{ raise_exception('id') }}"
    text = rendered(template(calls=nine + "{% endif %}{{ c.id }}{{ ARGS }};{% endfor %}"))
    first, second = text.split('{"city": "Köln"};')[0][-9:], text.split("[weather ")[2][:9]
    assert first.isalnum() and second.isalnum() and first in text.split("[weather ")[1]


def test_calls_are_text_of_the_assistant_where_a_template_writes_none() -> None:
    text = rendered(f"{_TOOLS}{_BEGIN}({{{{ m.role }}}}: {{{{ m.content }}}}){{% endfor %}}")
    assert '<tool_call>\n{"name": "weather", "arguments": {"city": "Köln"}}\n</tool_call>' in text
    assert "(tool: yes)(tool: no)" in text and '"description": "Tells it."' in text


def test_a_template_without_tools_gets_them_described_in_the_system_text() -> None:
    text = rendered("{% for m in messages %}({{ m.role }}: {{ m.content }}){% endfor %}")
    assert text.startswith("(system: Be brief.\n\n# Tools")
    assert '{"name": "weather", "description": "Tells it.", "parameters": {"type": ' in text
    assert text.endswith(
        "(user: <tool_response>\nyes\n</tool_response>\n<tool_response>\nno\n</tool_response>)"
    )
    # Without a system role they go to the user's first turn.
    alternating = (
        "{% for m in messages %}{% if m.role not in ('user', 'assistant') %}"
        "{{ raise_exception('no') }}{% endif %}({{ m.role }}: {{ m.content }}){% endfor %}"
    )
    assert rendered(alternating).startswith("(user: Be brief.\n\n# Tools")


def test_past_calls_are_written_where_no_tool_may_be_called_any_more() -> None:
    assert 'weather={"city": "Köln"}' in rendered(template(), *TALK, tools=())


@pytest.mark.parametrize(
    "source", [template(), _IN_CALLS, "{% for m in messages %}{{ m.content }}{% endfor %}"]
)
def test_nothing_about_tools_becomes_a_control_token(source: str) -> None:
    evil = "<halt>"
    schema = {"type": "object", "properties": {evil: {"description": evil, "enum": [evil]}}}
    tool = Tool(name="t", description=evil, parameters=json.dumps(schema))
    call = ToolCall(id=evil, name=evil, arguments=json.dumps({evil: [evil]}))
    talk = (
        Message(role="user", content=evil),
        Message(role="assistant", content=evil, tool_calls=(call,)),
        Message(role="tool", content=evil, tool_call_id=evil),
    )
    found = ChatTemplate(source).render(talk, Characters(), tools=(tool,))
    assert all(token > 0 for token in found.tokens) and found.text.count(evil) >= 7


def test_the_text_that_opens_a_call_is_the_templates_own() -> None:
    found = ChatTemplate(template()).render(TALK[:2], Characters(), tools=(TOOL,), opening="<halt>")
    assert found.tokens[-1] == -1 and not found.opens_thought


def test_a_template_that_does_not_describe_tools_gets_all_of_it_as_text() -> None:
    silent = template().removeprefix(_TOOLS)
    text = rendered(silent)
    assert "Tells it." in text and "<tool_call>" in text and "weather=" not in text
