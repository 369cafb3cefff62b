"""The line of a value in a TOML text is found however the text is written."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tierchat.config.toml_lines import find_line, find_refused_line

NAMES = st.sampled_from(["a", "qwen3-0.6b", "a#b", "a]b", "x y", "models", "file"])
DECOYS = st.sampled_from(
    [
        "",
        "# typo = 1",
        "  ",
        "[other]",
        "d = '''\n[models.a]\ntypo = 1\n'''",
        "e = [\n 1,\n 2,\n]",
        'f = "typo = 1"',
        "\r",
    ]
)


@given(name=NAMES, before=st.lists(DECOYS, max_size=3, unique=True), layout=st.integers(0, 4))
def test_a_key_is_found_however_its_table_is_written(
    name: str, before: list[str], layout: int
) -> None:
    head = "\n".join(["[decoys]", *before, ""])
    quoted = f"'{name}'"
    tables = [
        f"[models.{quoted}]\nfile = 1\ntypo = 2",
        f"[ models . {quoted} ] # typo\nfile = 1\n  typo=2",
        f"[models]\n{quoted}.file = 1\n{quoted}.typo = 2",
        f"[models]\n\n{quoted} = {{file = 1, typo = 2}}",
        f'[models.{quoted}]\nfile = """\ntypo = 1"""\n"typo" = 2',
    ]
    text = head + tables[layout] + "\n[last]\ntypo = 3\n"
    lines_of_table = tables[layout].split("\n")
    wanted = next(n for n, line in reversed(list(enumerate(lines_of_table, 1))) if "typo" in line)
    assert find_line(text, ("models", name, "typo")) == head.count("\n") + wanted


def test_the_item_of_an_array_over_many_lines_is_found() -> None:
    text = "[c]\ntiers = [\n  {name = 1},\n\n  {name = 2, typo = 3},\n]\n"
    assert find_line(text, ("c", "tiers", 0, "name")) == 3
    assert find_line(text, ("c", "tiers", 1, "typo")) == 5


def test_the_second_of_two_tables_of_an_array_is_found() -> None:
    text = "[[t]]\nname = 1\n[[t]]\nname = 1\n[t.sub]\ntypo = 1\n"
    assert find_line(text, ("t", 1, "name")) == 4
    assert find_line(text, ("t", 1, "sub", "typo")) == 6


def test_a_place_that_is_not_there_gives_the_line_of_what_would_hold_it() -> None:
    assert find_line("\n[a]\nb = 1\n", ("a", "missing")) == 2
    assert find_line("\n[a]\nb = 1\n", ("nothing",)) == 1
    assert find_line("", ("nothing",)) == 1


@pytest.mark.parametrize("num_before", [0, 1, 7])
def test_the_line_that_stops_the_parser_is_found(num_before: int) -> None:
    text = "".join(f"k{n} = [\n]\n" for n in range(num_before)) + f"x = {'9' * 5_000}\ny = 1\n"
    assert find_refused_line(text, ValueError) == 2 * num_before + 1


def test_a_long_file_is_searched_quickly() -> None:
    text = "".join(f"[models.m{n}]\nfile = 'x'\n" for n in range(1_000))
    text += "[models.long]\nabout = '''\n" + "words\n" * 1_000 + "'''\ntypo = 1\n"
    began_s = time.perf_counter()
    assert find_line(text, ("models", "m700", "file")) == 1_402
    assert find_line(text, ("models", "long", "typo")) == 3_004
    assert time.perf_counter() - began_s < 10
