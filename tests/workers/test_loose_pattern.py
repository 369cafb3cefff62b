"""Patterns without what looks around still match all that the patterns match."""

from __future__ import annotations

import re

import pytest

from tierchat.workers.child.loose_pattern import plain_classes, without_lookaround


@pytest.mark.parametrize(
    ("pattern", "loose"),
    [
        (r"^(?!admin)[a-z]+$", r"^[a-z]+$"),
        (r"^(?=.*\d)(?=.*[)(])[^ ]{8,}$", r"^[^ ]{8,}$"),
        (r"(?<=a(b|c))d(?<!x\))e", r"de"),
        (r"\bword\B.", r"word."),
        (r"^(?=a)*b(?!c){2,3}?$", r"^b$"),
        (r"^[(?=a)]\(?=x$", r"^[(?=a)]\(?=x$"),
        (r"(?:a)(?<n>b)\\b", r"(?:a)(?<n>b)\\b"),
        (r"[\]\b]\[(?=z)", r"[\]\b]\["),
        ("(?=", ""),
        ("", ""),
    ],
)
def test_only_what_looks_around_goes(pattern: str, loose: str) -> None:
    assert without_lookaround(pattern) == loose


@pytest.mark.parametrize("text", ["abc", "admin", "a1(", "", "wörd x"])
@pytest.mark.parametrize("pattern", [r"^(?!admin)\w+$", r"(?=.*\d)\S+", r"\bw", r"(?<=a)b|x"])
def test_the_rest_matches_all_that_the_pattern_matches(pattern: str, text: str) -> None:
    if re.search(pattern, text):
        assert re.search(without_lookaround(pattern), text)


@pytest.mark.parametrize(
    ("pattern", "plain"),
    [
        (r"[^[\]]+", r"[^\[\]]+"),
        (r"^[[:alpha:]]$", r"^[\[:alpha:]]$"),
        (r"[a-z&&[^b]]", r"[a-z\&\&\[^b]]"),
        (r"[~\~]\[x&&y]~[", r"[\~\~]\[x&&y]~["),
        (r"[\w.-]+@[a-z]", r"[\w.-]+@[a-z]"),
    ],
)
def test_signs_in_a_class_stand_for_themselves(pattern: str, plain: str) -> None:
    assert plain_classes(pattern) == plain
