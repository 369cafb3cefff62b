"""The inside of a line of Markdown: bold, italic and code, as text with terminal styles.

Pure; does not know lines, blocks or widths.
"""

from __future__ import annotations

import re

BOLD, ITALIC, CODE, DIM, HEADING = "1", "3", "36", "2", "1;4"
_INLINE = (
    (CODE, re.compile(r"(`+)(?!`)(.+?)(?<!`)\1(?!`)", re.S)),
    # `__x__` is not bold here: names of Python are seen more often than that spelling of bold.
    (BOLD, re.compile(r"(\*\*)(?=\S)(.+?\*?)(?<=\S)\1(?!\*)", re.S)),
    (ITALIC, re.compile(r"(\*)(?![\s*])(.+?)(?<![\s*])\1(?!\*)", re.S)),
    (ITALIC, re.compile(r"(_)(?![\s_])(.+?)(?<![\s_])\1(?!\w)", re.S)),
)
_PLAIN = re.compile(r"[^`*_\\]+")
_WORD_END = re.compile(r"\w$")


def next_inline(line: str, before: str, is_last: bool) -> tuple[str, list[tuple[str, str]]] | None:
    """Split the next unit off a line: its raw text, and its pieces with styles.

    Returns None if more text must come first.
    """
    plain = _PLAIN.match(line)
    if plain:
        return plain[0], [(plain[0], "")]
    if line[0] == "\\":
        if len(line) == 1 and not is_last:
            return None
        is_escape = len(line) > 1 and line[1] in "\\`*_{}[]()#+-.!|>~"
        return (line[:2], [(line[1], "")]) if is_escape else (line[0], [(line[0], "")])
    is_in_word = line[0] == "_" and bool(_WORD_END.search(before))
    if not is_in_word:
        for style, pattern in _INLINE:
            found = pattern.match(line)
            # The next character may turn a closing mark into another mark.
            if found and (is_last or found.end() < len(line)):
                inner = [(found[2], "")] if style == CODE else _inline_of(found[2])
                return found[0], [(text, joined(style, more)) for text, more in inner]
        if not is_last:
            return None
    run = len(line) - len(line.lstrip(line[0]))
    if run == len(line) and not is_last:
        return None
    return line[:run], [(line[:run], "")]


def _inline_of(text: str) -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    before = ""
    while text:
        unit = next_inline(text, before, True)
        assert unit is not None
        raw, pieces = unit
        text, before = text[len(raw) :], raw[-1]
        found += pieces
    return found


def joined(*styles: str) -> str:
    """Combine styles."""
    return ";".join(filter(None, styles))


def styled(text: str, style: str) -> str:
    """Wrap text in the codes of a style."""
    return f"\x1b[{style}m{text}\x1b[0m" if style and text else text


def ansi(text: str) -> str:
    """Turn the marks in a complete text into styles."""
    return "".join(styled(piece, style) for piece, style in _inline_of(text))
