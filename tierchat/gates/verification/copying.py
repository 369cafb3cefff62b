"""Whether an answer only repeats the text that it was given.

Pure text; does not know what was asked.
"""

from __future__ import annotations

from tierchat.gates.verification.answer_text import lines

_MIN_LINES, _MIN_CHARS = 3, 120
# Shorter lines, such as brackets, are found in any text of their kind.
_MIN_LINE_CHARS = 8
_MAX_SHARE = 0.7


def is_copy(answer: str, given: str) -> bool:
    """Whether most of a finished answer are lines of the given text, word for word."""
    known = {_plain(line) for line in given.splitlines()}
    told = [plain for line in lines(answer) if len(plain := _plain(line)) >= _MIN_LINE_CHARS]
    copied = [line for line in told if line in known]
    num_copied = sum(map(len, copied))
    if len(copied) < _MIN_LINES or num_copied < _MIN_CHARS:
        return False
    return num_copied > _MAX_SHARE * sum(map(len, told))


def begins_as_copy(answer: str, given: str) -> bool:
    """Whether an answer has copied lines of the given text from its first letter on."""
    return (
        answer.strip().count("\n") >= _MIN_LINES
        and len(answer.strip()) >= _MIN_CHARS
        and may_be_copy(answer, given)
    )


def may_be_copy(answer: str, given: str) -> bool:
    """Whether all that was written so far is found in the given text as it stands."""
    return _unfenced(answer).rstrip() in given


def _unfenced(answer: str) -> str:
    text = answer.lstrip()
    return text.partition("\n")[2].lstrip() if text.startswith("```") else text


def _plain(line: str) -> str:
    return " ".join(line.split())
