"""Where a prompt with tools is, by its last messages."""

from __future__ import annotations

import pytest

from tierchat.cascade.tool_stage import has_failed, stage_of
from tierchat.tool_calls import Tool, ToolCall, ToolUse
from tierchat.types import Message, Prompt

TOOLS = ToolUse(tools=(Tool(name="read_file"),))
QUESTION = Message(role="user", content="What does a.txt say?")
CALL = ToolCall(id="1", name="read_file", arguments='{"path": "a.txt"}')
CALLED = Message(role="assistant", content="", tool_calls=(CALL,))


def result(text: str) -> Message:
    return Message(role="tool", content=text, tool_call_id="1")


@pytest.mark.parametrize(
    ("messages", "stage"),
    [
        ((QUESTION,), "question"),
        ((QUESTION, CALLED, result("hello")), "result"),
        ((QUESTION, CALLED, result("Error: no such file")), "failed"),
        # Of calls side by side one that failed is enough; what failed earlier was answered since.
        ((QUESTION, CALLED, result("Error: no"), result("hello")), "failed"),
        ((QUESTION, CALLED, result("Error: no"), CALLED, result("hello")), "result"),
        ((QUESTION, CALLED, result("Error: no"), QUESTION), "question"),
    ],
)
def test_the_last_messages_say_where_a_prompt_with_tools_is(
    messages: tuple[Message, ...], stage: str
) -> None:
    assert stage_of(Prompt(messages=messages, tools=TOOLS)) == stage


def test_without_tools_there_is_no_stage() -> None:
    assert stage_of(Prompt(messages=(QUESTION,))) == "none"
    may_not = ToolUse(tools=TOOLS.tools, choice="none")
    assert stage_of(Prompt(messages=(QUESTION,), tools=may_not)) == "none"


@pytest.mark.parametrize(
    "text",
    [
        "Error: no such file: a.txt",
        "error[E0308]: mismatched types",
        "<tool_use_error>File does not exist.</tool_use_error>",
        "Traceback (most recent call last):\n  File ...",
        "Exit code 1\nls: cannot access 'x'",
        "exited with code 2",
        "fatal: not a git repository",
        "Ошибка: файл не найден",
        '{"error": {"message": "rate limit"}}',
        '{"success": false}',
        ' {"isError": true, "content": []}',
    ],
)
def test_a_result_that_is_an_error_is_seen(text: str) -> None:
    assert has_failed(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Errors: 0",
        "Erroll Garner",
        "nothing found",
        "Exit code 0",
        "12 passed, no error",
        '{"error": null, "ok": true}',
        '{"rows": 3}',
        "{broken",
        "[1, 2]",
        "The log mentions Error: 5 times",
    ],
)
def test_a_result_that_mentions_no_failure_is_none(text: str) -> None:
    assert not has_failed(text)
