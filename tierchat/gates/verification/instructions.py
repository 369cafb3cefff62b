"""The part of a message that says what to do, apart from the material that comes with it.

Pure text; does not know what is asked.
"""

from __future__ import annotations

import re

MIN_MATERIAL_LINES = 8
_MAX_CHARS = 1200
_MAX_LINES, _MAX_TAIL_LINES, _MAX_TAIL_CHARS = 6, 2, 300
_FENCED = re.compile(r"^[ \t]*(```|~~~).*?(?:^[ \t]*\1[ \t]*$|\Z)", re.MULTILINE | re.DOTALL)
# What is quoted is talked about. Single words are not cut: "yes" or "no" are asked for that way.
_QUOTED = re.compile(
    r'"[^"\n]{12,}"|“[^”\n]{12,}”|«[^»\n]{12,}»|`[^`\n]{12,}`|(?<!\w)\'[^\'\n]{24,}\'(?!\w)'
)
# What stands behind the colon is the text that is to be changed.
_CHANGED = re.compile(
    r"^(?P<ask>(?:[^:\n]{0,200}(?:[.!?,]|\b(?:please|to|you|and)\b) ?)?"
    r"(?:translat|correct|rewrit|rephras|paraphras|proofread|edit|fix|"
    r"перевед|перевод|исправ|перепиш|перефраз|отредактир)\w*\b[^:\n]{0,80}:)(?!\s*$).*",
    re.IGNORECASE | re.DOTALL,
)
# What holds under a condition only cannot be checked. "Tell me if" is none.
_CONDITION = re.compile(
    r"(?<!\btell me )(?<!\bsay )(?<!\bcheck )(?<!\bскажи, )"
    r"\b(?:if|when|whenever|unless|in case|если|когда)\b[^.!?\n]*[.!?\n]?",
    re.IGNORECASE,
)


def instructions(message: str) -> str:
    """Return what a message asks, without fenced code, quotations and long material.

    Of a long message only the first paragraph and a short last one are instructions: `ask` puts
    standard input behind the words of the command line.
    """
    text = _FENCED.sub("\n\n", message).strip()
    paragraphs = [part.splitlines() for part in re.split(r"\n\s*\n", text) if part.strip()]
    is_short = text.count("\n") < MIN_MATERIAL_LINES and len(text) < _MAX_CHARS
    if paragraphs and not is_short:
        parts = [_first_lines(paragraphs[0]), *map(_last_lines, paragraphs[-1:])]
        if len(paragraphs) > 1:
            # A long paragraph is material.
            parts = [
                *(_first_lines(first) for first in paragraphs[:1] if len(first) <= _MAX_LINES),
                *(_last_lines(last) for last in paragraphs[-1:] if len(last) <= _MAX_LINES),
            ]
        text = "\n\n".join(parts)
    text = _CHANGED.sub(r"\g<ask>", text)
    return _CONDITION.sub(" ", _QUOTED.sub(" … ", text))


def _first_lines(paragraph: list[str]) -> str:
    return "\n".join(paragraph[:_MAX_LINES])[:_MAX_CHARS]


def _last_lines(paragraph: list[str]) -> str:
    text = "\n".join(paragraph[-_MAX_TAIL_LINES:])
    return text if len(text) <= _MAX_TAIL_CHARS else ""


def material(message: str) -> str:
    """Return the long text that a message brings along, empty for none."""
    lines = message.splitlines()
    return message if sum(bool(line.strip()) for line in lines) >= MIN_MATERIAL_LINES else ""
