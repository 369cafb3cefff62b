"""Calls checked against their tools; what a schema leaves no doubt about is put right."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tierchat.tool_calls import Tool
from tierchat.workers.child.tool_calls.checker import CallChecker
from tierchat.workers.child.tool_calls.written_call import BrokenCall, WrittenCall

SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "num": {"type": "integer"},
        "is_on": {"type": "boolean"},
        "unit": {"enum": ["celsius", "kelvin"]},
        "items": {"type": "array", "items": {"type": "number"}},
        "point": {"$ref": "#/$defs/point"},
        "text": {"type": "string"},
        "note": {"type": ["string", "null"]},
        "any": {"anyOf": [{"type": "integer"}, {"type": "null"}]},
    },
    "required": ["num"],
    "additionalProperties": False,
    "$defs": {"point": {"type": "object", "properties": {"x": {"type": "integer"}}}},
}
CHECKER = CallChecker([Tool(name="set_it", parameters=json.dumps(SCHEMA)), Tool(name="now")])


def checked(name: str, arguments: Any, is_text: bool = False) -> Any:
    call = CHECKER.checked(WrittenCall(name, arguments, is_text))
    return call.name, json.loads(call.arguments)


def test_arguments_that_fit_stay_as_they_are() -> None:
    given = {"num": 1, "text": "жук 🎉", "note": None, "any": None}
    assert checked("set_it", given) == ("set_it", given)
    first, second = (CHECKER.checked(WrittenCall("now", {})) for _ in range(2))
    assert first.id != second.id and first.id.startswith("call_")


@pytest.mark.parametrize(
    ("given", "made"),
    [
        ({"num": "1", "is_on": "True"}, {"num": 1, "is_on": True}),
        ({"num": 2.0, "unit": "Celsius"}, {"num": 2, "unit": "celsius"}),
        ({"num": 1, "items": "[1, 2.5]"}, {"num": 1, "items": [1, 2.5]}),
        ({"num": 1, "items": 3}, {"num": 1, "items": [3]}),
        ({"num": 1, "point": '{"x": "3"}'}, {"num": 1, "point": {"x": 3}}),
        ({"num": 1, "text": 5}, {"num": 1, "text": "5"}),
        ({"num": 1, "text": None, "point": None}, {"num": 1}),
        ('{"num": 1}', {"num": 1}),
    ],
)
def test_what_has_the_wrong_type_alone_is_put_right(given: Any, made: Any) -> None:
    assert checked("set_it", given)[1] == made


def test_texts_between_tags_get_the_types_of_the_schema() -> None:
    given = {"num": "7", "text": "007", "is_on": "false", "any": "4", "note": "null"}
    expected = {"num": 7, "text": "007", "is_on": False, "any": 4, "note": "null"}
    assert checked("set_it", given, is_text=True)[1] == expected


@pytest.mark.parametrize("name", ["functions.set_it", "Set_It", "set-it"])
def test_a_name_that_is_nearly_right_is_taken(name: str) -> None:
    assert checked(name, {"num": 1})[0] == "set_it"


@pytest.mark.parametrize("arguments", [None, "", {}, "{}"])
def test_a_tool_may_be_called_without_arguments(arguments: Any) -> None:
    assert checked("now", arguments) == ("now", {})


@pytest.mark.parametrize(
    ("name", "arguments", "why"),
    [
        ("setit", {"num": 1}, "there is no tool named 'setit'"),
        ("set_it", {}, '"num" is a required property'),
        ("set_it", {"num": "many"}, "at #/num"),
        ("set_it", {"num": 1, "other": 2}, "other"),
        ("set_it", [1], "the arguments of set_it are no object"),
        ("set_it", "one", "the arguments of set_it are no object"),
        ("set_it", {"num": float("inf")}, "Infinity"),
        # Python's values, as some models write them.
        ("now", {"a": {1, 2}}, "the arguments of now are no JSON"),
        ("now", {(1, 2): b"x"}, "the arguments of now are no JSON"),
        ("now", {"a": 16**5000}, "the arguments of now are no JSON"),
    ],
)
def test_a_call_that_fits_no_tool_is_broken_and_says_why(
    name: str, arguments: Any, why: str
) -> None:
    with pytest.raises(BrokenCall) as caught:
        checked(name, arguments)
    assert why in caught.value.reason


def test_half_of_a_surrogate_pair_can_be_sent_on() -> None:
    call = CHECKER.checked(WrittenCall("set_it", {"num": 1, "text": "\ud800"}))
    assert call.arguments.encode()
