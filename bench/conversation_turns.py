"""Single turns of the conversations of `conversation_scripts.py`: a prompt and its exact grader.

Does not know what follows what.
"""

from __future__ import annotations

import re

import msgspec

from tierchat.learning.graders.rules import Rules
from tierchat.learning.outcomes.prompts import GradedPrompt

CODE_TOKENS = 160
Turn = GradedPrompt


def word(prompt: str, *answers: str) -> Turn:
    """Return a turn whose answer must hold one of some words or phrases."""
    any_of = "|".join(re.escape(answer) for answer in answers)
    return Turn(prompt=prompt, answer=rf"(?i)(?<!\w)(?:{any_of})", grader="regex")


def number(prompt: str, answer: float) -> Turn:
    return Turn(prompt=prompt, answer=f"{answer:g}", grader="number")


def exact(prompt: str, answer: str) -> Turn:
    return Turn(prompt=prompt, answer=answer, grader="text")


def cased(prompt: str, answer: str) -> Turn:
    return Turn(prompt=prompt, answer=answer, grader="cased")


def label(prompt: str, answer: str, other: str) -> Turn:
    return Turn(prompt=prompt, answer=answer, grader="label", options=(answer, other))


def listed(prompt: str, answer: str) -> Turn:
    return Turn(prompt=prompt, answer=answer, grader="list")


def json_of(prompt: str, **answer: str | int) -> Turn:
    return Turn(prompt=prompt, answer=msgspec.json.encode(answer).decode(), grader="json")


def brief(prompt: str, max_words: int) -> Turn:
    rules = Rules(max_words=max_words, min_words=1, helps=True)
    return Turn(prompt=prompt, grader="rules", rules=rules)


def code(prompt: str, test: str) -> Turn:
    return Turn(prompt=prompt, grader="code", test=test, max_tokens=CODE_TOKENS)
