"""Tables are aligned, and fit a terminal where they are asked to."""

from __future__ import annotations

import pytest

from tierchat.terminal.table import fitted, table

ROWS = [("KEY", "VALUE", "FROM"), ("models.x.sha256", "0123456789" * 7, "shipped")]


def test_columns_are_aligned() -> None:
    assert table([("a", "b"), ("long", "c")]) == ["a     b", "long  c"]


@pytest.mark.parametrize("width", [30, 50, 80, 200])
def test_a_column_is_cut_so_that_lines_fit(width: int) -> None:
    lines = fitted(ROWS, 1, width)
    assert max(map(len, lines)) <= width and lines[1].startswith("models.x.sha256")
    assert ("…" in lines[1]) == (width < 98)
    if width > 45:
        assert lines[1].endswith("shipped")
