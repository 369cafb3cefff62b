"""Answers that run away are noticed, and answers that only look alike are not."""

from __future__ import annotations

import itertools
import random
import time

import pytest

from tierchat.engine.repetition import Asked, RepetitionDetector, asked_in


def stopped_after(text: str, prompt: str = "") -> int | None:
    """Return after how many words, each a token with the space before it, the text is stopped."""
    detector = RepetitionDetector(asked_in(prompt))
    words = [part for word in text.split(" ") for part in _split(f" {word}")]
    known: dict[str, int] = {}
    found = (detector.is_repeating(known.setdefault(w, len(known)), w) for w in words)
    return next((number for number, is_end in enumerate(found, 1) if is_end), None)


def _split(word: str) -> list[str]:
    """Split a word at its line ends."""
    return [part for part in word.replace("\n", "\0\n\0").split("\0") if part]


def prose(num_words: int, seed: int) -> str:
    rng = random.Random(seed)
    letters = "abcdefghijklmnopqrstuvwxyz"
    return " ".join("".join(rng.choices(letters, k=5)) for _ in range(num_words))


@pytest.mark.parametrize("period", range(1, 9))
def test_a_short_loop_is_stopped_within_64_tokens(period: int) -> None:
    intro = prose(40, 1)
    found = stopped_after(f"{intro} {' '.join([prose(period, 2)] * 70)}")
    assert found is not None and found <= 40 + 64


@pytest.mark.parametrize("period", [9, 17, 40, 100, 199, 256])
def test_a_loop_of_any_period_up_to_256_is_stopped_at_the_latest_in_its_ninth_round(
    period: int,
) -> None:
    rounds = " ".join([prose(period, 3)] * 12)
    found = stopped_after(f"{prose(50, 4)} {rounds}")
    assert found is not None and 50 + 2 * period < found <= 50 + 9 * period


@pytest.mark.parametrize(
    "line",
    [
        "{}. Keep a regular schedule, because your body likes it when you go to bed early.\n",
        "{}. Blue-eared octopus lives here\n",
        "Step {}: foo bar ",
        "{}. Кот сидит дома\n",
    ],
)
def test_counting_without_end_is_stopped(line: str) -> None:
    found = stopped_after("".join(line.format(number) for number in range(1, 200)))
    assert found is not None and found < 600


def test_the_same_paragraph_with_another_number_is_stopped() -> None:
    paragraph = prose(60, 5)
    text = "\n\n".join(f"In chapter {number} we see: {paragraph}." for number in range(1, 9))
    found = stopped_after(text)
    assert found is not None and found < 5 * 66


@pytest.mark.parametrize("blank", ["\n", " ", "\t\n "])
def test_blank_space_without_end_is_stopped(blank: str) -> None:
    detector = RepetitionDetector()
    tokens = zip(itertools.count(), itertools.repeat(blank))
    assert sum(1 for _ in itertools.takewhile(lambda t: not detector.is_repeating(*t), tokens)) < 64


@pytest.mark.parametrize(
    "text",
    [
        "\n".join(map(str, range(1, 501))),
        ", ".join(map(str, range(1, 501))),
        "\n".join(f"{a} x {b} = {a * b}" for a in range(1, 13) for b in range(1, 13)),
        "\n".join(f"{a} times {b} is {a * b}." for a in range(1, 13) for b in range(1, 13)),
        "\n".join(f"| {n} | city | {n * 7 % 90} |" for n in range(50)),
        "\n".join(f"    assert square({n}) == {n * n}" for n in range(40)),
        "\n".join(f"INSERT INTO t (id, price) VALUES ({n}, {n}.99);" for n in range(30)),
        "\n".join(str([int(a == b) for b in range(10)]) for a in range(10)),
        "\n".join("# . # . # . # ." for _ in range(8)),
        "* " * 100,
        f"{prose(100, 6)}\n\n" * 2,
        "".join(
            f"Week {n}: run {n + 2} km on Monday, Wednesday and Friday, rest on all other days.\n"
            for n in range(1, 13)
        ),
    ],
)
def test_tables_lists_rows_and_drawings_are_no_runaways(text: str) -> None:
    assert stopped_after(text) is None


@pytest.mark.parametrize(
    ("prompt", "text"),
    [
        ("Write hello 50 times.", "hello " * 50),
        ("print 100 zeros", "0 " * 100),
        ("напиши слово мир 90 раз", "мир " * 90),
        ("Draw a 20x20 square of stars", ("star " * 20 + "\n") * 20),
        ("Write it a hundred times", "I will not talk in class.\n" * 100),
        ("Say it ten times, please", "I will always do my homework in time.\n" * 10),
        ("повтори это сто раз", "Я не буду болтать на уроке.\n" * 100),
        ("a 25x25 matrix of zeros", ("0 , " * 25 + "\n") * 25),
        ("a 4 x 30 table of zeros", f"{'zero | ' * 4}\n" * 30),
        ("99 bottles of beer", "".join(f"{n} bottles of beer on the wall\n" for n in range(99))),
    ],
)
def test_what_was_asked_for_so_many_times_is_written_and_hardly_more(
    prompt: str, text: str
) -> None:
    assert stopped_after(text, prompt) is None
    assert stopped_after(text * 5, prompt) is not None


def test_so_many_things_are_not_one_line_so_many_times() -> None:
    line = f"{prose(15, 8)}\n"
    found = stopped_after(line * 40, "Give 40 tips for better sleep.")
    assert found is not None and found <= 17 * 8
    assert stopped_after(line * 40, "Write this line 40 times.") is None


@pytest.mark.parametrize(
    ("prompt", "asked"),
    [
        ("hello", Asked()),
        ("What is 999+888?", Asked()),
        ("in 2024 we met", Asked()),
        ("20 tips", Asked(20)),
        ("a 30-line poem of 4 words", Asked(30)),
        ("a 12 x 9 grid", Asked(12, 12)),
        ("a 9 x 12 grid", Asked(12, 12)),
        ("write it fifty times", Asked(50, 50)),
        ("fifty ways to say it", Asked()),
        ("50 times or 60 things", Asked(60, 50)),
        ("напиши 90 раз", Asked(90, 90)),
        (f"{'a ' * 600} 77 words {'a ' * 600}", Asked()),
        (f"{'a ' * 1200} give me 77 words", Asked(77)),
    ],
)
def test_the_counts_that_a_prompt_asks_for(prompt: str, asked: Asked) -> None:
    assert asked_in(prompt) == asked


def test_it_costs_microseconds_even_in_a_loop_that_breaks_again_and_again() -> None:
    rng = random.Random(7)
    tokens = [*([1] * 60 + [2]) * 10, *(rng.randrange(3) for _ in range(3_000))]
    detector = RepetitionDetector()
    began_s = time.process_time()
    for token in tokens:
        detector.is_repeating(token, f"w{token} ")
    assert time.process_time() - began_s < len(tokens) * 100e-6
