"""What stands between the marks of calls, in the ways of the families of models."""

from __future__ import annotations

import pytest

from tierchat.workers.child.tool_calls.bodies import read_body
from tierchat.workers.child.tool_calls.written_call import BrokenCall

KNOWN = ("f", "weather", "now")
CITY = {"city": "Bonn"}
CASES = {
    "hermes": '{"name": "weather", "arguments": {"city": "Bonn"}}',
    "llama": '{"name": "weather", "parameters": {"city": "Bonn"}}',
    "openai": '{"type": "function", "function": '
    '{"name": "weather", "arguments": {"city": "Bonn"}}}',
    "command": '[{"tool_call_id": "0", "tool_name": "weather", "parameters": {"city": "Bonn"}}]',
    "by name": '{"weather": {"city": "Bonn"}}',
    "flat": '{"name": "weather", "city": "Bonn"}',
    "list": '{"tool_calls": [{"name": "weather", "arguments": {"city": "Bonn"}}]}',
    "mistral": 'weather[ARGS]{"city": "Bonn"}',
    "mistral with id": 'weather[CALL_ID]abc123def[ARGS]{"city": "Bonn"}',
    "kimi": 'functions.weather:0<|tool_call_argument_begin|>{"city": "Bonn"}',
    "deepseek": "<｜tool▁call▁begin｜>function<｜tool▁sep｜>weather\n```json\n"
    '{"city": "Bonn"}\n```<｜tool▁call▁end｜>',
    "deepseek 3.1": '<｜tool▁call▁begin｜>weather<｜tool▁sep｜>{"city": "Bonn"}<｜tool▁call▁end｜>',
    "functionary": '<function=weather>{"city": "Bonn"}</function>',
    "qwen3-coder": "<function=weather>\n<parameter=city>\nBonn\n</parameter>\n</function>",
    "minimax": '<invoke name="weather">\n<parameter name="city">Bonn</parameter>\n</invoke>',
    "glm": "weather\n<arg_key>city</arg_key>\n<arg_value>Bonn</arg_value>",
    "gemma": 'call:weather{city:<|"|>Bonn<|"|>}',
    "lfm": '[weather(city="Bonn")]',
}


@pytest.mark.parametrize("family", CASES)
def test_every_family_is_read(family: str) -> None:
    (call,) = read_body(CASES[family], KNOWN)
    assert (call.name, call.arguments) == ("weather", CITY)


def test_several_calls_of_one_family_are_read() -> None:
    for family in ("hermes", "mistral", "deepseek", "qwen3-coder", "minimax", "gemma"):
        names = [call.name for call in read_body(CASES[family] * 2, KNOWN)]
        assert names == ["weather", "weather"], family


def test_values_of_every_type_are_read() -> None:
    expected = {"n": -2, "x": 1.5, "b": True, "l": [1, {"k": None}], "t": 'a, {b}: "c"'}
    gemma = 'call:f{n:-2,x:1.5,b:true,l:[1,{k:null}],t:<|"|>a, {b}: "c"<|"|>}'
    python = "[f(n=-2, x=1.5, b=True, l=[1, {'k': None}], t='a, {b}: \"c\"')]"
    for text in (gemma, python):
        assert read_body(text, KNOWN)[0].arguments == expected


def test_a_name_may_have_a_namespace() -> None:
    for text in ("ns:f[ARGS]{}", "functions.ns:f:3{}", "<function=ns:f>{}</function>"):
        assert read_body(text, ("ns:f",))[0].name == "ns:f", text


def test_a_tool_without_arguments_may_be_named_alone() -> None:
    assert read_body(" now\n", KNOWN)[0].arguments == {}


@pytest.mark.parametrize(
    "text",
    [
        *("", "hello there", '{"a": 1}', "[1, 2]", '{"name": "f", "arguments": {"a": "x'),
        *("f(1, 2)", "f(a=open('x'))", 'call:f{a:<|"|>x', "<function>", "call:f{{", "{" * 5_000),
        '{"name": "f", "arguments": {"a": 1}]',
        *("call:f{a:" + "[" * 3_000, "f" + ".a" * 400 + "(x=1)", "f" + "(a=1)" * 500),
        *("call:f{a" + " " * 20_000 + "b", "<parameter=a" * 2_000),
    ],
)
def test_what_cannot_be_read_is_broken_and_never_a_crash(text: str) -> None:
    with pytest.raises(BrokenCall):
        read_body(text, KNOWN)
