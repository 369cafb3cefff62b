"""Bytes turned into text, by their mark."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tierchat.decoding import decode, decode_strictly, lines_of


@given(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\ufeff")))
def test_every_text_comes_back_from_every_encoding(text: str) -> None:
    # The mark of UTF-16 and a NUL together are the mark of UTF-32.
    text = text.lstrip("\0")
    for encoding in ("utf-8", "utf-8-sig", "utf-16", "utf-32"):
        # Without characters utf-16 writes its mark alone.
        data = text.encode(encoding)
        assert decode(data).text == decode_strictly(data) == text and decode(data).num_bad == 0


def test_mistakes_are_counted_and_named_with_their_place() -> None:
    assert decode(b"a\xffb\xff").num_bad == 2
    assert decode("\ufffd".encode() + b"\xff").num_bad == 1
    with pytest.raises(UnicodeDecodeError) as caught:
        decode_strictly(b"\xef\xbb\xbfab\xff")
    assert caught.value.start == 5


def test_lines_end_at_line_feeds_alone() -> None:
    assert lines_of("a\u2028b\x85c\r\nd\x0ce\n") == ["a\u2028b\x85c", "d\x0ce", ""]
