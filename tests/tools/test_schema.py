"""Python functions as tools: their schema, and the arguments that they take."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
import pytest

from tierchat.errors import UsageError
from tierchat.gates.answer_schema import AnswerSchema
from tierchat.tools.failure import ToolFailed
from tierchat.tools.schema import Signature


def weather(
    city: str,
    days: Annotated[int, msgspec.Meta(ge=1)] = 1,
    unit: Literal["C", "F"] = "C",
    tags: list[str] | None = None,
) -> str:
    """Tell the weather
    of a city.

    Args:
        city: its name,
            in English
        days: how many

    Returns what nobody needs to know.
    """
    return f"{city} {days} {unit} {tags}"


def test_signature_and_docstring_make_the_schema() -> None:
    tool = Signature(weather).tool()
    schema = msgspec.json.decode(tool.parameters)
    assert (tool.name, tool.description) == ("weather", "Tell the weather of a city.")
    assert schema["type"] == "object" and schema["required"] == ["city"]
    assert schema["properties"]["city"]["description"] == "its name, in English"
    assert schema["properties"]["days"] == {
        "type": "integer",
        "minimum": 1,
        "default": 1,
        "description": "how many",
    }
    assert schema["properties"]["unit"]["enum"] == ["C", "F"]
    assert AnswerSchema.of_text(tool.parameters).problem('{"city": "Bonn", "days": 2}') is None
    assert AnswerSchema.of_text(tool.parameters).problem('{"city": "Bonn", "days": 0}')


def test_arguments_are_checked_and_filled() -> None:
    signature = Signature(weather)
    assert weather(**signature.arguments('{"city": "Bonn", "days": "3"}')) == "Bonn 3 C None"
    for wrong in ("{}", '{"city": 1, "unit": "K"}', '{"city": "x", "town": "y"}', "[", '"x"'):
        with pytest.raises(ToolFailed, match="weather"):
            signature.arguments(wrong)


def test_a_function_without_arguments_has_an_empty_schema() -> None:
    def now() -> str:
        """Tell the time."""
        return "noon"

    assert msgspec.json.decode(Signature(now).tool().parameters) == {
        "type": "object",
        "properties": {},
        "required": [],
    }


def test_what_has_no_types_cannot_be_a_tool() -> None:
    def bare(x):  # type: ignore[no-untyped-def]
        return x

    def many(*words: str) -> str:
        return ""

    for function in (bare, many):
        with pytest.raises(UsageError, match="has no type"):
            Signature(function)
