"""Markdown as it comes: nothing lost, nothing twice, however the pieces are cut."""

from __future__ import annotations

import random
import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tierchat.terminal.markdown_stream import MarkdownStream

SAMPLE = """# Title

Some **bold** and *slanted* words, `code` and snake_case, 2 * 3 * 4, 2**10.

- first item that is long enough to need another line at this width
- second
  1. inner

> quoted

```python
def f(x):
    return "a" * x  # ```
```

| a | b |
|---|--:|
| 1 | **2** |

---
The end, **never closed.
"""


def bare(text: str) -> str:
    return re.sub(r"\x1b\[[0-9;]*m", "", text)


def shown(text: str, width: int = 40, cuts: random.Random | None = None) -> str:
    stream, found = MarkdownStream(lambda: width), ""
    while text:
        size = cuts.randint(1, 7) if cuts else len(text)
        found, text = found + stream.feed(text[:size]), text[size:]
    return found + stream.close()


def test_a_sample_looks_as_it_should() -> None:
    lines = bare(shown(SAMPLE)).splitlines()
    assert lines[0] == "Title"
    assert lines[2:4] == ["Some bold and slanted words, code and", "snake_case, 2 * 3 * 4, 2**10."]
    assert lines[5:8] == [
        "• first item that is long enough to need",
        "  another line at this width",
        "• second",
    ]
    assert "▌ quoted" in lines and "  1. inner" in lines
    assert '    return "a" * x  # ```' in lines
    assert lines[-1] == "The end, **never closed."
    assert any(set(line) == {"─"} for line in lines)
    assert any(re.fullmatch(r"1\s+2", line.strip()) for line in lines)


def test_styles_are_what_the_marks_say() -> None:
    found = shown("**b** *i* `c` ***x*** _e_ **`f`**")
    for part in ("\x1b[1mb", "\x1b[3mi", "\x1b[36mc", "\x1b[3me", "\x1b[1;36mf"):
        assert part in found
    assert "*" not in bare(found) and "_" not in bare(found)


@pytest.mark.parametrize(
    "text",
    [
        "2**10",
        "a_b_c",
        "__init__.py",
        "5 * 6",
        "*",
        "**",
        "a ** b",
        "\\*x\\*",
        "`open",
        "x*y",
        "_",
        "[a](b)",
    ],
)
def test_what_is_no_markdown_stays(text: str) -> None:
    assert bare(shown(text)) == text.replace("\\", "") + "\n"


@pytest.mark.parametrize("seed", range(20))
def test_cuts_do_not_matter(seed: int) -> None:
    assert shown(SAMPLE, cuts=random.Random(seed)) == shown(SAMPLE)


@given(st.text(alphabet="ab *_`#-|>\\1.\n~", max_size=80), st.integers(0, 1000))
def test_letters_are_never_lost_or_doubled(text: str, seed: int) -> None:
    whole = shown(text, width=0)
    assert shown(text, width=0, cuts=random.Random(seed)) == whole
    for char in "ab1":
        assert bare(whole).count(char) == text.count(char)


def test_words_come_before_their_line_ends() -> None:
    stream = MarkdownStream(lambda: 80)
    assert stream.feed("Hello brave new wor") == "Hello brave new"
    assert stream.feed("ld **bo") == " world"
    assert bare(stream.feed("ld** end")) == " bold"
    assert bare(stream.close()) == " end\n"


def test_code_comes_line_by_line_and_is_not_touched() -> None:
    stream = MarkdownStream(lambda: 20)
    stream.feed("```\n")
    long = "x = '**' + " + "y" * 60
    assert stream.feed(long) == "" and stream.feed("\n") == long + "\n"
    assert bare(stream.feed("```\n")) == "```\n"


def test_no_line_is_wider_than_the_terminal_even_after_a_resize() -> None:
    width = [40]
    stream = MarkdownStream(lambda: width[0])
    found = stream.feed("слово word 漢字 " * 30)
    width[0] = 20
    found += stream.feed("word " * 30) + stream.close()
    widths = [len(line) + line.count("漢") + line.count("字") for line in bare(found).splitlines()]
    assert max(widths) <= 40 and max(widths[-4:]) <= 20
    assert found.split() == ("слово word 漢字 " * 30 + "word " * 30).split()


def test_2000_lines_come_through_whole() -> None:
    text = "".join(f"line {n} of many, long enough to be wrapped at forty\n" for n in range(2000))
    found = bare(shown(text, 40, random.Random(1)))
    assert " ".join(found.split()) == " ".join(text.split())


def test_tables_are_never_cut() -> None:
    wide = "|" + "".join(f" c{n} |" for n in range(30))
    text = f"{wide}\n{'|---' * 30}|\n{wide}\n"
    found = bare(shown(text, 80))
    assert all(found.count(f"c{n} ") == 2 for n in range(30))
    long = bare(shown("|a|\n|-|\n|1|2|3|4|\n"))
    assert all(cell in long for cell in "1234")


def test_code_below_a_list_item_is_code() -> None:
    found = bare(shown("1. so:\n\n    ```c\n    a = b*c*d; _x_\n    ```\n"))
    assert "a = b*c*d; _x_" in found


def test_a_long_line_handed_over_whole_takes_no_square_of_time() -> None:
    began_s = time.monotonic()
    shown("**a " * 8000 + "\n")
    assert time.monotonic() - began_s < 3
