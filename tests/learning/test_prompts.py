"""Reading prompts with answers, and grading."""

from __future__ import annotations

from pathlib import Path

import pytest

from tierchat.errors import UsageError
from tierchat.learning.outcomes.grading import grade
from tierchat.learning.outcomes.prompts import GradedPrompt, read_prompts, write_prompts


@pytest.mark.parametrize(
    ("grader", "answer", "text", "verdict"),
    [
        ("exact", "4", " 4\n", True),
        ("exact", "4", "4.", False),
        ("number", "1234", "It is 1,234 in all", True),
        ("number", "4", "2+2 is 4.0", True),
        ("number", "4", "five", False),
        ("number", "-3", "the answer: -3", True),
        ("choice", "b", "The answer is B.", True),
        ("choice", "B", "A or C", False),
        ("regex", r"\bfour\b", "it is four", True),
        ("regex", r"\bfour\b", "fourteen", False),
        ("exact", None, "x", None),
    ],
)
def test_graders(grader: str, answer: str | None, text: str, verdict: bool | None) -> None:
    assert grade(GradedPrompt(prompt="?", answer=answer, grader=grader), text) is verdict


@pytest.mark.parametrize("mark", ["\u2028", "\u2029", "\x85", "\x0b", "\x0c", "\x1c", "\x1e"])
def test_only_a_line_feed_ends_a_line(mark: str, tmp_path: Path) -> None:
    file = tmp_path / "prompts.jsonl"
    wanted = [GradedPrompt(prompt=f"first{mark}second 2+2", answer="4"), GradedPrompt(prompt="3")]
    write_prompts(file, wanted)
    assert read_prompts(file) == wanted
    if mark > "\x1f":
        # As other programs write it: JSON allows these marks inside a string.
        file.write_text(f'{{"prompt": "first{mark}second 2+2", "answer": "4"}}\n{{"prompt":"3"}}\n')
        assert read_prompts(file) == wanted


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-32"])
def test_files_as_windows_writes_them_are_read(encoding: str, tmp_path: Path) -> None:
    file = tmp_path / "prompts.jsonl"
    file.write_bytes('{"prompt": "größer"}\r\n{"prompt": "b"}\r\n'.encode(encoding))
    assert [prompt.prompt for prompt in read_prompts(file)] == ["größer", "b"]


def test_a_line_that_is_no_text_is_named(tmp_path: Path) -> None:
    (tmp_path / "prompts.jsonl").write_bytes(b'{"prompt": "a"}\n{"prompt": "\xff"}\n')
    with pytest.raises(UsageError, match=r"line 2: this is not UTF-8 text \(byte 28\)"):
        read_prompts(tmp_path / "prompts.jsonl")


def test_reasoning_gym_grades_its_own_tasks() -> None:
    gym = pytest.importorskip("reasoning_gym")
    entry = gym.create_dataset("gcd", seed=1, size=1)[0]
    prompt = GradedPrompt(prompt=entry["question"], grader="reasoning_gym:gcd", entry=entry)
    assert grade(prompt, str(entry["answer"])) is True
    assert grade(prompt, "0") is False
    with pytest.raises(UsageError, match="no task named"):
        grade(GradedPrompt(prompt="?", grader="reasoning_gym:nope", entry={}), "1")


def test_prompts_come_back_as_they_were_and_once(tmp_path: Path) -> None:
    prompts = [
        GradedPrompt(prompt="2+2", answer="4", family="sums", group="g"),
        GradedPrompt(prompt="два\nи два", answer="4", system="be brief"),
    ]
    write_prompts(tmp_path / "p.jsonl", [*prompts, prompts[0]])
    assert read_prompts(tmp_path / "p.jsonl") == prompts


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("{", "line 2"),
        ('{"answer": "4"}', "prompt"),
        ('{"prompt": " "}', "empty"),
        ('{"prompt": "a", "grader": "magic"}', "no grader named 'magic'"),
        ('{"prompt": "a", "grader": "reasoning_gym:gcd"}', "record"),
        ('{"prompt": "a", "answer": "(", "grader": "regex"}', "regular expression"),
        ('{"prompt": "a", "colour": 1}', "colour"),
        ('{"prompt": "a", "answer": "abc", "grader": "number"}', "no number: 'abc'"),
        ('{"prompt": "a", "answer": "SELEC 1", "grader": "sql"}', "does not run on SQLite"),
        ('{"prompt": "a", "grader": "code", "test": "1", "entry_point": "a b"}', "no name"),
    ],
)
def test_a_bad_line_is_told_with_its_number(tmp_path: Path, line: str, said: str) -> None:
    file = tmp_path / "p.jsonl"
    file.write_text('{"prompt": "ok", "answer": "1"}\n' + line + "\n")
    with pytest.raises(UsageError) as caught:
        read_prompts(file)
    assert "line 2" in caught.value.message and said in caught.value.message


def test_a_missing_an_empty_and_a_binary_file_are_told(tmp_path: Path) -> None:
    for content, said in ((None, "cannot read"), (b"\n\n", "no prompts"), (b"\xff", "UTF-8")):
        file = tmp_path / "p.jsonl"
        file.unlink(missing_ok=True)
        if content is not None:
            file.write_bytes(content)
        with pytest.raises(UsageError, match=said):
            read_prompts(file)
