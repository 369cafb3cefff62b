"""What a value may be, in words."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
import pytest

from tierchat.config.catalogue import Catalogue
from tierchat.config.expected import expectation, known_names, wrong
from tierchat.config.settings import Settings
from tierchat.types import Sampling, TierOptions


class Sample(msgspec.Struct, forbid_unknown_fields=True):
    above: Annotated[float, msgspec.Meta(gt=0, le=1)] = 1
    least: Annotated[int, msgspec.Meta(ge=1)] | None = None
    one: Annotated[int, msgspec.Meta(ge=1, le=1)] = 1
    texts: Annotated[list[str], msgspec.Meta(max_length=3)] | str = ""
    named: dict[str, int] = {}
    plain: int = 0
    word: Literal["a", "b"] = "a"


@pytest.mark.parametrize(
    ("steps", "words"),
    [
        (["above"], "a number above 0 and of at most 1"),
        (["least"], "a whole number of at least 1"),
        (["one"], "1"),
        (["texts"], "a list of at most 3 items or a text"),
        (["texts", "0"], "a text"),
        (["named"], "an object"),
        (["named", "x"], "a whole number"),
        (["plain"], "a whole number"),
        (["word"], "one of a, b"),
        (["nothing"], None),
        (["plain", "deeper"], None),
    ],
)
def test_bounds_and_choices_are_words(steps: list[str], words: str | None) -> None:
    assert expectation(Sample, steps) == words


def test_every_field_that_a_user_writes_has_words() -> None:
    for kind in (Sampling, TierOptions, Settings, Catalogue):
        for name in kind.__struct_fields__:
            assert expectation(kind, [name]), (kind, name)


def test_a_message_that_tells_more_is_kept() -> None:
    with pytest.raises(msgspec.ValidationError) as caught:
        msgspec.convert({"words": "c"}, Sample)
    assert wrong(caught.value, Sample) == "Object contains unknown field `words`"
    name, known = known_names(caught.value, Sample)
    assert name == "words" and "word" in known
    with pytest.raises(msgspec.ValidationError) as caught:
        msgspec.convert({"word": "c"}, Sample)
    assert wrong(caught.value, Sample) == "must be one of a, b"
    assert known_names(caught.value, Sample) == ("", ())
