"""`-o KEY VALUE` and `-o KEY=VALUE` mean the same."""

from __future__ import annotations

import pytest

from tierchat.cli.option_pairs import merge_pairs


@pytest.mark.parametrize(
    ("typed", "merged"),
    [
        ("ask -o seed 1 x", "ask -o seed=1 x"),
        ("ask -o seed=1 x", "ask -o seed=1 x"),
        ("ask --option stop a=b", "ask --option stop=a=b"),
        ("ask -o a 1 -o b 2", "ask -o a=1 -o b=2"),
        ("ask -o seed", "ask -o seed"),
        ("ask -o", "ask -o"),
        ("ask -o seed 1 -- -o x y", "ask -o seed=1 -- -o x y"),
    ],
)
def test_pairs_are_merged_up_to_the_prompt(typed: str, merged: str) -> None:
    assert merge_pairs(typed.split()) == merged.split()
