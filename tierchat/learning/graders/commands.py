"""Is an answer one of the accepted shell commands? Nothing is ever run.

Does not know prompts.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence

from tierchat.learning.graders.texts import blocks

_INLINE = re.compile(r"`([^`\n]+)`")
_JOINS = {"|", "||", "&&", ";", ">", ">>", "<", "&"}


def is_command(text: str, wanted: Sequence[str]) -> bool:
    """Return whether an answer is a wanted command.

    Quotes, blanks, the order of options and whether short options are written together are free.
    """
    right = [_parts(one) for one in wanted]
    given = _parts(_command_of(text))
    return bool(given) and given in right


def _command_of(text: str) -> str:
    fenced, inline = blocks(text), _INLINE.findall(text)
    if fenced or inline:
        command = (fenced or inline)[0]
    else:
        # What follows the first line is an explanation.
        command = text.strip().partition("\n")[0].strip("`")
    lines = [line for line in command.splitlines() if line.strip() and line.lstrip()[0] != "#"]
    return re.sub(r"^\s*[$%>#]\s+", "", " ".join(lines)) if lines else ""


def _parts(command: str) -> list[tuple[tuple[str, ...], tuple[str, ...]]] | None:
    """Split a command at pipes and joins into options, sorted, and operands; None if it cannot be.

    An option's value counts as an operand, so that it keeps its place among them.
    """
    lexer = shlex.shlex(command.strip(), posix=True, punctuation_chars="|&;<>")
    lexer.whitespace_split = True
    lexer.commenters = ""
    try:
        words = list(lexer)
    except ValueError:
        return None
    found: list[tuple[tuple[str, ...], tuple[str, ...]]] = []
    options: list[str] = []
    operands: list[str] = []
    for word in [*words, ";"]:
        if word in _JOINS:
            if options or operands:
                found.append((tuple(sorted(options)), (*operands, word)))
            options, operands = [], []
        elif re.fullmatch(r"-[A-Za-z]{2,}", word) and (operands[:1] not in (["find"], ["java"])):
            options += [f"-{letter}" for letter in word[1:]]
        elif word.startswith("-") and word not in ("-", "--"):
            options.append(word)
        else:
            operands.append(re.sub(r"^\./(?=.)", "", word))
    return found
