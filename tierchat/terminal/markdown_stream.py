"""Markdown for a terminal while it is still being written; text is only appended, never redrawn.

Pieces go in, text with terminal styles comes out: words as soon as they are complete, text between
marks (`**bold**`) when the mark is closed, code line by line, tables whole. Text without Markdown
comes out unchanged. Does not know streams; its input must be free of control characters.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterator
from typing import Literal

from tierchat.terminal.code_blocks import FENCE, closes
from tierchat.terminal.markdown_inline import DIM, HEADING, ansi, joined, next_inline, styled

Theme = Literal["dark", "light"]
_MAX_HELD = 400
_MIN_COLUMN = 6
# A long text is taken in pieces, since the search for marks takes quadratic time.
_PIECE = 128
_MAX_HIGHLIGHTED = 150
_ITEM = re.compile(r"( *)([-*+]|\d{1,9}[.)]) +(?=\S)")
_ITEM_SO_FAR = re.compile(r" *([-*+]|\d{1,9}[.)]?)? *")
_HEADING = re.compile(r" {0,3}#{1,6} +")
_RULE = re.compile(r" {0,3}([-*_])( *\1){2,} *")
_TABLE_RULE = re.compile(r"\|?[\s:|-]*-[\s:|-]*\|?")


class MarkdownStream:
    """Renders one answer for a terminal of `width()` columns; with 0 columns nothing is wrapped.

    `theme` is the background of the terminal, for the colours of code.
    """

    def __init__(self, width: Callable[[], int], theme: Theme = "dark") -> None:
        self._width = width
        self._theme: Theme = theme
        self._line = ""
        self._is_text = False
        self._style = ""
        self._fence = ""
        self._code: list[str] = []
        self._language = ""
        self._table: list[str] = []
        self._wrapper = _Wrapper(width)
        self._before = ""

    def feed(self, text: str) -> str:
        """Take a piece of the answer; returns the text that can be shown now."""
        shown = []
        for line in text.splitlines(keepends=True):
            for start in range(0, len(line), _PIECE):
                part = line[start : start + _PIECE]
                self._line += part.removesuffix("\n")
                shown.append(self._take(is_complete=part.endswith("\n")))
        return "".join(shown)

    def close(self) -> str:
        """Return the text that was held back; the cursor is then at the start of a line."""
        shown = self._take(is_complete=True) if self._line or self._is_text else ""
        shown += self._end_table()
        self._fence = ""
        return shown + self._wrapper.break_line(only_if_open=True)

    def _take(self, *, is_complete: bool) -> str:
        if self._fence:
            return self._take_code() if is_complete else ""
        shown = ""
        if not self._is_text:
            if not is_complete and _may_become_block(self._line):
                return ""
            shown = self._begin(is_complete)
            if not self._is_text:
                return shown
        shown += self._inline(is_complete)
        if is_complete:
            self._is_text = False
            shown += self._wrapper.flush() + self._wrapper.break_line()
        return shown

    def _begin(self, is_complete: bool) -> str:
        """Decide by its first characters what a line is; only text is then shown piece by piece."""
        line = self._line
        opened = FENCE.match(line)
        is_row = line.lstrip().startswith("|")
        shown = "" if is_row else self._end_table()
        if is_row:
            self._table.append(line)
        elif opened:
            self._fence, self._language = opened[1], opened[2].strip()
            self._code = []
            shown += styled(line, DIM) + "\n"
        elif is_complete and _RULE.fullmatch(line):
            shown += styled("─" * max(1, min(self._width() or 40, 40)), DIM) + "\n"
        else:
            self._is_text = True
            return shown + self._begin_text()
        self._line = ""
        return shown

    def _begin_text(self) -> str:
        heading, item = _HEADING.match(self._line), _ITEM.match(self._line)
        self._style, self._before = "", ""
        if heading:
            self._line = self._line[heading.end() :]
            self._style = HEADING
            return self._wrapper.begin("", "")
        if item:
            self._line = self._line[item.end() :]
            mark = "•" if item[2] in "-*+" else item[2]
            prefix = f"{item[1]}{mark} "
            return self._wrapper.begin(prefix, " " * len(prefix))
        if self._line.startswith(">"):
            self._line = self._line[1:].removeprefix(" ")
            return self._wrapper.begin("▌ ", "▌ ")
        spaces = len(self._line) - len(self._line.lstrip(" "))
        self._line = self._line[spaces:]
        return self._wrapper.begin(" " * spaces, " " * spaces)

    def _inline(self, is_complete: bool) -> str:
        shown = []
        is_last = is_complete or len(self._line) > _MAX_HELD
        while self._line:
            found = next_inline(self._line, self._before, is_last)
            if found is None:
                break
            raw, pieces = found
            self._line = self._line[len(raw) :]
            self._before = raw[-1]
            shown += [self._wrapper.add(text, joined(self._style, style)) for text, style in pieces]
        return "".join(shown)

    def _take_code(self) -> str:
        line, self._line = self._line, ""
        if closes(line, self._fence):
            self._fence = ""
            return styled(line, DIM) + "\n"
        self._code.append(line)
        return _highlighted(self._code, self._language, self._theme) + "\n"

    def _end_table(self) -> str:
        rows, self._table = self._table, []
        if not rows:
            return ""
        if len(rows) < 2 or not _TABLE_RULE.fullmatch(rows[1].strip()):
            return "".join(f"{row}\n" for row in rows)
        if self._width() and self._width() < _MIN_COLUMN * rows[0].count("|"):
            # Too narrow for a table: unformatted text is better than cut cells.
            return "".join(f"{row}\n" for row in rows)
        return _table(rows, self._width())


class _Wrapper:
    """Breaks lines between words; keeps track of the cursor's column."""

    def __init__(self, width: Callable[[], int]) -> None:
        self._width = width
        self._column = 0
        self._indent = ""
        self._word: list[tuple[str, str]] = []
        self._spaces = 0

    def begin(self, prefix: str, indent: str) -> str:
        """Start a line with a prefix; its continuation lines start with an indent."""
        self._indent = indent
        self._column = _cells(prefix)
        return prefix

    def add(self, text: str, style: str) -> str:
        """Take text; returns the words that are complete."""
        shown = ""
        for part in re.split(r"( +)", text):
            if part.startswith(" "):
                shown += self.flush()
                self._spaces += len(part)
            elif part and self._word and self._word[-1][1] == style:
                self._word[-1] = (self._word[-1][0] + part, style)
            elif part:
                self._word.append((part, style))
        return shown

    def flush(self) -> str:
        """Return the word collected so far, on a new line if it does not fit."""
        if not self._word:
            return ""
        length = sum(_cells(text) for text, _ in self._word)
        width = self._width()
        shown = " " * self._spaces
        is_first = self._column <= len(self._indent)
        if width and not is_first and self._column + self._spaces + length > width:
            shown = "\n" + self._indent
            self._column = _cells(self._indent)
        else:
            self._column += self._spaces
        shown += "".join(styled(text, style) for text, style in self._word)
        self._column += length
        if width and self._column > width:
            # The terminal itself breaks a word that is longer than a line.
            self._column = self._column % width or width
        self._word, self._spaces = [], 0
        return shown

    def break_line(self, *, only_if_open: bool = False) -> str:
        """End the line."""
        if only_if_open and not self._column:
            return ""
        self._column, self._spaces, self._indent = 0, 0, ""
        return "\n"


def _may_become_block(line: str) -> bool:
    """Whether more text may still turn a line into a heading, an item or another block."""
    bare = line.lstrip(" ")
    if not bare:
        return True
    if bare[0] in "|`~":
        return bare[0] == "|" or len(bare) < 3 or bare[:3] == bare[0] * 3
    if bare[0] == ">":
        return len(bare) == 1
    if bare[0] == "#":
        return not bare.lstrip("#").strip(" ") and len(bare) < 8
    if bare[0] in "-*+_" and not bare.strip("-*+_ "):
        return True
    return bool(_ITEM_SO_FAR.fullmatch(line))


def _cells(text: str) -> int:
    if text.isascii():
        return len(text)
    return sum(_width_of(char) for char in text)


def _width_of(char: str) -> int:
    if unicodedata.combining(char) or unicodedata.category(char) in ("Cf", "Me", "Mn"):
        return 0
    return 2 if unicodedata.east_asian_width(char) in "WF" else 1


def _highlighted(lines: list[str], language: str, theme: Theme) -> str:
    """Colour the last line of a code block; the lines before give its context."""
    if not language or not lines[-1].strip():
        return lines[-1]
    from pygments import highlight
    from pygments.formatters import TerminalFormatter
    from pygments.lexers import get_lexer_by_name
    from pygments.util import ClassNotFound

    try:
        lexer = get_lexer_by_name(language.split()[0], stripnl=False, ensurenl=False)
    except ClassNotFound:
        return lines[-1]
    seen = lines if len(lines) <= _MAX_HIGHLIGHTED else lines[-1:]
    found = highlight("\n".join(seen), lexer, TerminalFormatter(bg=theme)).split("\n")
    return found[len(seen) - 1] if len(found) >= len(seen) else lines[-1]


def _table(rows: list[str], width: int) -> str:
    import io

    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    head, rule, *body = (list(_cells_of(row)) for row in rows)
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False)
    for index, name in enumerate(head):
        mark = rule[index].strip() if index < len(rule) else ""
        is_right = mark.endswith(":") and not mark.startswith(":")
        table.add_column(
            Text.from_ansi(ansi(name)), justify="right" if is_right else "left", overflow="fold"
        )
    for row in body:
        kept, surplus = row[: len(head)], row[len(head) :]
        if surplus:
            kept[-1] = " | ".join((kept[-1], *surplus))
        cells = [Text.from_ansi(ansi(cell)) for cell in kept]
        table.add_row(*cells, *[""] * (len(head) - len(cells)))
    console = Console(
        file=io.StringIO(), width=width or 100, force_terminal=True, color_system="standard"
    )
    console.print(table)
    text = console.file.getvalue()  # type: ignore[attr-defined]
    return "".join(f"{line.rstrip()}\n" for line in str(text).splitlines() if line.strip())


def _cells_of(row: str) -> Iterator[str]:
    bare = row.strip().removeprefix("|").removesuffix("|")
    return (cell.strip().replace("\\|", "|") for cell in re.split(r"(?<!\\)\|", bare))
