"""The bound never exceeds what a real tokenizer counts, and is worth something on long texts."""

from __future__ import annotations

import random
import string

import pytest

from tierchat.engine.llama.model import LlamaModel
from tierchat.engine.token_bound import TokenBound

BYTES = [bytes([byte]) for byte in range(256)]
ALPHABETS = (
    string.ascii_letters,
    string.digits,
    string.printable,
    " \n\t",
    "абвгдежзийклмнопрстуфхцчшщъыьэюя ,.",
    "漢字かなカナ한글😀🇩🇪é\u0301\u2028\ud800\x00\x7f",
    "<|think|><|im_end|>",
)


def test_letters_digits_signs_and_blanks_are_counted_apart() -> None:
    bound = TokenBound([*BYTES, b"hello", b" world", b"12", b"    ", b"--", "ж".encode()])
    assert bound.at_least(["hello" * 100]) == 100
    assert bound.at_least(["HELLO " * 100]) == 100
    assert bound.at_least(["1" * 101]) == 51
    assert bound.at_least(["x" + " " * 40 + "x"]) == 10
    assert bound.at_least(["a-" * 30, "-" * 30]) == 30
    assert bound.at_least(["ж" * 10]) == bound.at_least(["ю" * 10]) == 10
    assert bound.at_least([]) == bound.at_least([""]) == 0


def test_what_a_tokenizer_or_a_template_may_drop_is_not_counted() -> None:
    assert TokenBound(BYTES).at_least([" \n" * 50]) == 0
    assert TokenBound(BYTES, counts_blanks=False).at_least(["x" + " " * 50 + "x"]) == 2
    without_a = [piece for piece in BYTES if piece != b"a"]
    assert TokenBound(without_a).at_least(["abc" * 10]) == 20
    assert TokenBound([]).at_least(["abc"]) == 0


@pytest.mark.parametrize("seed", range(40))
def test_no_text_has_fewer_tokens_than_the_bound(seed: int, pocket_s: LlamaModel) -> None:
    rng = random.Random(seed)
    bound = pocket_s.token_bound
    assert bound
    for _ in range(20):
        alphabet = rng.choice(ALPHABETS)
        unit = "".join(rng.choices(alphabet, k=rng.randint(1, 30)))
        text = (unit * rng.randint(1, 40))[: rng.randint(1, 400)]
        assert bound.at_least([text]) <= len(pocket_s.tokenize(text, parse_special=False))


def test_a_long_text_is_known_to_be_long(pocket_s: LlamaModel) -> None:
    assert pocket_s.token_bound
    assert pocket_s.token_bound.at_least(["What is 17 + 25? " * 10_000]) > 4_000
