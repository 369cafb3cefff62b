"""Long lines are broken between words, below the column that they continue."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tierchat.terminal.wrapping import wrapped


@pytest.mark.parametrize(
    ("line", "width", "shown"),
    [
        ("one two three", 13, ["one two three"]),
        ("one two three", 9, ["one two", "three"]),
        ("One.  Two three four", 10, ["One.  Two", "three four"]),
        ("model    here   a:S, b:M, c:L", 24, ["model    here   a:S,", " " * 16 + "b:M, c:L"]),
        # More than the last column is too far right; a word that no line can hold.
        ("ab   cd ef  wordword", 15, ["ab   cd ef  wordword"]),
        ("file  /a/very/long/path", 14, ["file  /a/very/long/path"]),
        ("reads  │ one two three", 16, ["reads  │ one two", "       │ three"]),
        ("    code or a list", 14, ["    code or a", "    list"]),
        ("S · 9 s │ cost 5 tokens │ less", 20, ["S · 9 s", "│ cost 5 tokens", "│ less"]),
        ("S · 9 s │ cost 5 tokens │ less", 24, ["S · 9 s │ cost 5 tokens", "│ less"]),
        ("   ", 2, ["   "]),
        ("see /a/very/long/path here", 10, ["see /a/very/long/path here"]),
    ],
)
def test_a_line_is_broken_between_words(line: str, width: int, shown: list[str]) -> None:
    assert wrapped(line, width) == shown


@given(line=st.text("ab .│:  -\u00e9"), width=st.integers(1, 40))
def test_no_word_is_lost_or_cut(line: str, width: int) -> None:
    lines = wrapped(line, width)
    assert [w for w in line.split() if w != "│"] == [
        word for part in lines for word in part.split() if word != "│"
    ]
    assert lines == [line] or all(len(part) <= width for part in lines)
