"""Calls read from answers as they are written: in every form, cut at any place."""

from __future__ import annotations

import json
import time
from random import Random

import pytest

from tierchat.workers.child.tool_calls.marks import marks_of
from tierchat.workers.child.tool_calls.reader import CallReader
from tierchat.workers.child.tool_calls.written_call import BrokenCall, WrittenCall

KNOWN = ("f", "weather")
ONE = '{"name": "f", "arguments": {"a": 1}}'
F = ("f", {"a": 1})
BROKEN = "broken"


def read(pieces: list[str], marks: str = "[TOOL_CALLS]", whole: bool = True) -> tuple[str, object]:
    """Return the text that was shown, and the calls."""
    reader = CallReader(marks_of(marks), KNOWN)
    shown, calls = "", []
    try:
        for piece in pieces:
            shown += reader.add(piece)
            calls += reader.take()
        shown += reader.end(is_whole=whole)
    except BrokenCall:
        return shown, BROKEN
    return shown, [(call.name, call.arguments) for call in (*calls, *reader.take())]


CASES: list[tuple[str, str, object]] = [
    ("Hello, {friend}.\n\nBye.", "Hello, {friend}.\n\nBye.", []),
    (f"<tool_call>\n{ONE}\n</tool_call>", "", [F]),
    (
        f"Let me look.\n<tool_call>\n{ONE}\n</tool_call>\n<tool_call>{ONE}</tool_call>",
        "Let me look.",
        [F, F],
    ),
    # Qwen2.5-Coder
    (f"```json\n{ONE}\n```", "", [F]),
    (f"Sure:\n\n```json\n{ONE}\n```\nDone.", "Sure:", [F]),
    (f"```xml\n<tool_call>\n{ONE}\n</tool_call>\n```", "", [F]),
    (f"Sure:\n{ONE}", "Sure:", [F]),
    (f"[{ONE}, {ONE}]", "", [F, F]),
    (f"{ONE}; {ONE}", "", [F, F]),
    ('{"arguments": {"a": 1}, "name": "f"}', "", [F]),
    ('{"type": "function", "function": {"name": "f", "parameters": {"a": 1}}}', "", [F]),
    # Mistral, old and new
    (f"[TOOL_CALLS][{ONE}]", "", [F]),
    ('[TOOL_CALLS]f[ARGS]{"a": 1}[TOOL_CALLS]weather[ARGS]{}', "", [F, ("weather", {})]),
    # JSON that is an answer
    ('{"name": "Alice", "age": 3}', '{"name": "Alice", "age": 3}', []),
    (
        'A schema:\n```json\n{"type": "object"}\n```\nok',
        'A schema:\n```json\n{"type": "object"}\n```\nok',
        [],
    ),
    ("```python\nprint(1)\n```\nend", "```python\nprint(1)\n```\nend", []),
    ("- [ ] one\n- [x] two\n{}", "- [ ] one\n- [x] two\n{}", []),
    ('Write `{"name": "f"}` there', 'Write `{"name": "f"}` there', []),
    ("a <tool> and ```", "a <tool> and ```", []),
    # What may follow a call is an invention.
    (f"<tool_call>{ONE}</tool_call>\nIt rains.", "", [F]),
    # Faults that leave no doubt.
    (f"<tool_call>\n{ONE}", "", [F]),
    (f"<tool_call>\n{ONE[:-1]}\n</tool_call>", "", [F]),
    ("<tool_call>{'name': 'f', 'arguments': {'a': 1,}}</tool_call>", "", [F]),
    # No call that can be used.
    ('{"name": "g", "arguments": {}}', "", [("g", {})]),
    ("<tool_call>\nf it is\n</tool_call>", "", BROKEN),
    ("Well.\n<tool_call>\nf it is\n</tool_call> And", "Well.", BROKEN),
    ('Well.\n<tool_call>\n{"name": "f", "arguments": {"a": "x', "Well.", BROKEN),
]


@pytest.mark.parametrize(("text", "shown", "calls"), CASES)
def test_a_call_is_read_wherever_the_text_is_cut(text: str, shown: str, calls: object) -> None:
    rng = Random(text)
    assert read(list(text)) == (shown, calls)
    for _ in range(60):
        cuts = sorted(rng.choices(range(len(text)), k=rng.randint(0, 9)))
        pieces = [text[a:b] for a, b in zip([0, *cuts], [*cuts, len(text)], strict=True)]
        assert read(pieces) == (shown, calls), pieces


def test_a_call_that_a_limit_cuts_is_none() -> None:
    assert read([f"<tool_call>\n{ONE[:-1]}"], whole=False) == ("", BROKEN)
    assert read([f"[TOOL_CALLS][{ONE}, {ONE[:9]}"], whole=False) == ("", BROKEN)


def test_text_that_may_become_a_call_waits_and_any_other_does_not() -> None:
    reader = CallReader(marks_of(""), KNOWN)
    assert reader.add("It is <tool_") == "It is" and reader.is_pending
    assert reader.add("box>, or") == " <tool_box>, or" and not reader.is_pending
    assert reader.add("\n{") == "" and reader.add('"x": ') == '\n{"x":'


def test_nobody_reads_on_for_long_behind_calls() -> None:
    reader = CallReader(marks_of(""), KNOWN)
    reader.add(f"<tool_call>{ONE}</tool_call>")
    assert not reader.is_over and reader.add("x" * 150) == "" and not reader.is_over
    assert reader.add("x" * 150) == "" and reader.is_over


def test_a_model_may_use_the_marks_of_its_own_template() -> None:
    text = f"<|python_tag|>{ONE}"
    assert read([text], marks="<|python_tag|>") == ("", [F])
    assert read([text], marks="") == (text, [])


@pytest.mark.parametrize(("before", "behind"), [("<tool_call>", "</tool_call>"), ("", "\n")])
def test_reading_a_long_text_takes_time_in_proportion(before: str, behind: str) -> None:
    def seconds(num: int) -> float:
        call = json.dumps({"name": "f", "arguments": {"text": "x[{" * num, "list": [{}] * num}})
        reader = CallReader(marks_of(""), KNOWN)
        began_s = time.process_time()
        text = f"{before}{call}{behind}"
        for at in range(0, len(text), 4):
            assert reader.add(text[at : at + 4]) == ""
        (found,) = reader.take()
        assert isinstance(found, WrittenCall) and len(found.arguments["text"]) == 3 * num
        return time.process_time() - began_s

    assert seconds(4_000) < 8 * (seconds(1_000) + 0.02)


@pytest.mark.parametrize(
    ("begin", "unit"),
    [
        ('{"name": "', "x"),
        ('{"arguments": {"a": "', "x"),
        ('```json\n{"arguments": [', '"a",'),
        ("", " "),
        ("", "\n"),
    ],
)
def test_text_that_never_becomes_a_call_takes_time_in_proportion(begin: str, unit: str) -> None:
    reader = CallReader(marks_of(""), KNOWN)
    text = begin + unit * (16_000 // len(unit))
    began_s = time.process_time()
    for at in range(0, len(text), 4):
        reader.add(text[at : at + 4])
    # Quadratic time would be 2 to 7 s.
    assert time.process_time() - began_s < 1
