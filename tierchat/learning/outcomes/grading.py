"""Is an answer to a prompt right? Chooses the prompt's grader, and keeps slow grades in the store.

Does not know models; no grader asks one.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
from collections.abc import Sequence
from functools import cache
from typing import Any

import msgspec

from tierchat.errors import UsageError
from tierchat.learning.graders import (
    code,
    commands,
    json_answers,
    numbers,
    patterns,
    refusals,
    rules,
    texts,
)
from tierchat.learning.outcomes.prompts import PUZZLE, GradedPrompt
from tierchat.learning.outcomes.store import OutcomeStore

# To be raised when a slow grader comes to mean something else: stored grades are then made again.
_GRADES_FORMAT = "2"
# Graders that start a process or may take seconds.
_SLOW = ("code", "regex_works", "sql")


def grade(prompt: GradedPrompt, text: str) -> bool | None:
    """Return whether an answer is right; None when the prompt has nothing to compare it with.

    A person's mark overrides the grader. Graders of code take up to seconds: see `grade_all`.
    Raises UsageError when reasoning-gym is needed and missing.
    """
    if text.strip() in prompt.marks:
        return prompt.marks[text.strip()]
    if prompt.grader.startswith(PUZZLE):
        score = _scorer(prompt.grader.removeprefix(PUZZLE))
        return bool(score(answer=text.strip(), entry=prompt.entry) == 1.0)
    return None if prompt.is_ungraded else _is_right(prompt, text)


def has_grade(prompt: GradedPrompt, text: str) -> bool:
    """Return whether `grade` would give a grade, without making it."""
    return not prompt.is_ungraded or text.strip() in prompt.marks


async def grade_all(
    answers: Sequence[tuple[GradedPrompt, str]], store: OutcomeStore
) -> list[bool | None]:
    """Grade many answers without blocking the event loop.

    Grades that take a process are made in threads, as many at once as there are cores, and kept in
    the store, so that the same answer is run once.
    """
    keys = {
        index: _key(prompt, text)
        for index, (prompt, text) in enumerate(answers)
        if prompt.grader in _SLOW and text.strip() not in prompt.marks
    }
    known = store.load(keys.values())
    missing = {key: answers[index] for index, key in keys.items() if key not in known}
    waiting = iter(missing.items())

    async def take() -> None:
        for key, (prompt, text) in waiting:
            known[key] = bytes([bool(await asyncio.to_thread(grade, prompt, text))])
            store.save([(key, known[key])])

    await asyncio.gather(*(take() for _ in range(os.cpu_count() or 1)))
    return [
        known[keys[index]] == b"\x01" if index in keys else grade(prompt, text)
        for index, (prompt, text) in enumerate(answers)
    ]


def _key(prompt: GradedPrompt, text: str) -> bytes:
    read = ("grader", "answer", "setup", "test", "entry_point", "matches", "mismatches")
    asked = msgspec.json.encode([getattr(prompt, name) for name in read])
    named = b"\0".join((b"grade", _GRADES_FORMAT.encode(), asked, text.encode("utf-8", "replace")))
    return hashlib.blake2b(named, digest_size=20).digest()


def _is_right(prompt: GradedPrompt, text: str) -> bool:
    wanted = prompt.answer or ""
    accepted = (wanted, *prompt.accept) if prompt.answer is not None else prompt.accept
    match prompt.grader:
        case "number":
            return any(numbers.is_number(text, one, prompt.prompt) for one in accepted)
        case "choice":
            return texts.is_choice(text, wanted)
        case "regex":
            return bool(patterns.finds(wanted, text))
        case "text":
            return texts.is_text(text, accepted)
        case "cased":
            return texts.is_text(text, accepted, is_cased=True)
        case "label":
            return texts.is_label(text, wanted, prompt.options)
        case "list" | "set":
            is_ordered = prompt.grader == "list"
            return any(texts.is_list(text, one, is_ordered=is_ordered) for one in accepted)
        case "json":
            return json_answers.is_json(text, prompt.answer, prompt.schema)
        case "rules":
            return prompt.rules is not None and rules.keeps(text, prompt.rules)
        case "refuses":
            return refusals.says_unknown(text, prompt.accept)
        case "shell":
            return commands.is_command(text, accepted)
        case "code":
            return code.is_code(
                text, prompt.test, entry_point=prompt.entry_point, setup=prompt.setup
            )
        case "regex_works":
            return code.is_expression(text, prompt.matches, prompt.mismatches)
        case "sql":
            from tierchat.learning.graders.sql import is_query

            return is_query(text, prompt.setup, wanted)
    return text.strip() == wanted.strip()


@cache
def _scorer(task: str) -> Any:
    try:
        import reasoning_gym
    except ImportError as error:
        raise UsageError(
            "reasoning-gym is not installed", 'run: pip install "tierchat[train]"'
        ) from error
    try:
        return reasoning_gym.get_score_answer_fn(task)
    except ValueError as error:
        raise UsageError(f"reasoning-gym has no task named {task!r}") from error
