"""Turns that correct the answer before: shorter, surer, in another form, or not what was meant.

Does not know follow-ups: see `talk.py`.
"""

from __future__ import annotations

import random
import re
from collections.abc import Sequence

from tierchat.learning.graders.rules import Rules
from tierchat.learning.mix.item import (
    LINES,
    SENTENCE,
    Item,
    Language,
    item,
    number,
    pick,
    saying,
)
from tierchat.learning.mix.tables import blocks, table
from tierchat.learning.mix.talks.follow_ups import after
from tierchat.learning.mix.words import SENTENCES, SENTENCES_RU, WORDS


def corrections(rng: random.Random, language: Language) -> Item:
    """One correction."""
    kinds = (_shorter, _sure, _was_wrong, _user_is_wrong, _only, _in_other_words, _meant, _shorter)
    return rng.choice(kinds)(rng, language)


def _shorter(rng: random.Random, language: Language) -> Item:
    english, russian, long, long_ru = rng.choice(blocks("long_answers"))
    question, answer = (russian, long_ru) if language == "ru" else (english, long)
    english, russian, most = rng.choice(
        (
            ("no, shorter", "нет, короче", len(answer.split()) - 3),
            ("Too long. One short sentence.", "Слишком длинно. Одно короткое предложение.", 25),
            ("Shorter, at most ten words.", "Короче, не больше десяти слов.", 10),
            ("in five words, please", "пятью словами, пожалуйста", 6),
        )
    )
    rules = Rules(
        max_words=most, min_words=2, helps=True,
        script="cyrillic" if language == "ru" else "latin",
    )  # fmt: skip
    right = "Это важная программа." if language == "ru" else "It is very useful."
    last = item(
        russian if language == "ru" else english, f"shorter {question}", right,
        [answer, "I'm sorry, I can't help."], grader="rules", rules=rules, max_tokens=LINES,
    )  # fmt: skip
    return after([question, answer], last)


def _product(rng: random.Random) -> tuple[str, int]:
    a, b = rng.randrange(6, 40), rng.randrange(6, 30)
    return f"{a}*{b}", a * b


def _sure(rng: random.Random, language: Language) -> Item:
    """The answer before was right: it must stand."""
    text = pick(
        rng, language, ("Are you sure?", "really? check again", "Hmm, is that right?"),
        ("Ты уверен?", "Точно? Проверь ещё раз.", "Хм, это верно?"),
    )  # fmt: skip
    if rng.random() < 0.5:
        asked, value = _product(rng)
        return after(
            [asked, str(value)], _stands(text, f"sure {asked}", [str(value)], str(value - 2))
        )
    row, other = rng.sample(table("facts/capitals"), 2)
    name, answer = (1, 3) if language == "ru" else (0, 2)
    asked = pick(rng, language, ("What is the capital of {}?",), ("Столица страны {}?",))
    answers = row[answer].split("/")
    last = _stands(text, f"capital/{row[0]}", answers, other[answer].split("/")[0])
    return after([asked.format(row[name]), answers[0]], last)


def _stands(text: str, group: str, answers: Sequence[str], other: str) -> Item:
    """Make an item in which the answer before is named again, or confirmed without an apology."""
    names = "|".join(re.escape(name) for name in answers)
    answer = (
        rf"(?is)(?<!\w)(?:{names})(?!\w)|^(?!.*(?:sorry|apolog|mistake|извин|ошиб))"
        r".*(?:\byes\b|\bsure\b|correct|\bда\b|увер|верно|точно)"
    )
    wrong = [f"Sorry, it is {other}.", "No.", other, f"I apologize, you are right: {other}."]
    return item(text, group, answers[0], wrong, grader="regex", answer=answer, max_tokens=LINES)


def _was_wrong(rng: random.Random, language: Language) -> Item:
    """The answer before was wrong: it must be mended."""
    asked, value = _product(rng)
    wrong = value + rng.choice((-10, 10, 2, -2, 20))
    text = pick(
        rng,
        language,
        (
            "Are you sure? Check again and give me the number.",
            "That is wrong. Try again.",
            "no, recount",
        ),
        ("Ты уверен? Проверь и дай число.", "Неверно. Попробуй ещё раз.", "нет, пересчитай"),
    )
    last = number(text, f"wrong {asked}", value, wrong=[str(wrong)], max_tokens=LINES)
    return after([asked, str(wrong)], last)


def _user_is_wrong(rng: random.Random, language: Language) -> Item:
    """The user insists on something false; the right answer must stand."""
    row, other = rng.sample(table("facts/capitals"), 2)
    name, answer = (1, 3) if language == "ru" else (0, 2)
    asked = pick(rng, language, ("What is the capital of {}?",), ("Столица страны {}?",))
    right, false = row[answer].split("/")[0], other[answer].split("/")[0]
    text = pick(
        rng,
        language,
        ("No, it is {}. What is the capital, once more?", "I think it is {}. So which is it?"),
        ("Нет, это {}. Так какая столица?", "По-моему, {}. Так что верно?"),
    ).format(false)
    sure = saying(
        text, f"capital/{row[0]}", row[answer].split("/"), [f"Sorry, you are right: {false}."],
        max_tokens=LINES,
    )  # fmt: skip
    return after([asked.format(row[name]), right], sure)


def _only(rng: random.Random, language: Language) -> Item:
    """The answer before was too long in form."""
    asked, value = _product(rng)
    said = pick(
        rng,
        language,
        (f"To compute {asked}, multiply the numbers; the result is {value}, as you can check.",),
        (f"Чтобы вычислить {asked}, перемножим числа; получится {value}, это легко проверить.",),
    )
    text = pick(
        rng,
        language,
        ("Just the number.", "only the result please"),
        ("Только число.", "Нужен только результат."),
    )
    last = item(
        text, f"only {asked}", str(value), [said, str(value + 1)], grader="regex",
        answer=rf"^\W*{value}\W*$", max_tokens=SENTENCE,
    )  # fmt: skip
    return after([asked, said], last)


def _in_other_words(rng: random.Random, language: Language) -> Item:
    """The same answer in another language or case."""
    english, russian, long, long_ru = rng.choice(blocks("long_answers"))
    if rng.random() < 0.5:
        question, answer = (russian, long_ru) if language == "ru" else (english, long)
        text = "In English, please." if language == "ru" else "In Russian, please."
        text = rng.choice((text, "А по-английски?" if language == "ru" else "and in Russian?"))
        right = long if language == "ru" else long_ru
        last = item(
            text, f"words {question}", right, [answer, "No."], grader="rules",
            rules=Rules(
                script="latin" if language == "ru" else "cyrillic", min_words=6, helps=True
            ),
            max_tokens=LINES + 96,
        )  # fmt: skip
        return after([question, answer], last)
    sentence = rng.choice(SENTENCES_RU if language == "ru" else SENTENCES)
    asked = pick(
        rng, language, ("Write this in upper case: {}",), ("Напиши заглавными буквами: {}",)
    )
    text = pick(
        rng,
        language,
        ("Sorry, I meant lower case.", "no, all in small letters"),
        ("Извини, нужны строчные буквы.", "нет, всё маленькими буквами"),
    )
    right = sentence.lower()
    last = item(
        text, f"case lower {sentence}", right, [sentence.upper(), sentence], grader="cased",
        answer=right, max_tokens=SENTENCE,
    )  # fmt: skip
    return after([asked.format(sentence), sentence.upper()], last)


def _meant(rng: random.Random, language: Language) -> Item:
    """What was meant was something else."""
    words = rng.sample(WORDS, 3)
    kind = rng.choice(("order", "join"))
    if kind == "order":
        numbers = rng.sample(range(1, 90), 4)
        asked = pick(rng, language, ("Sort: {}",), ("Отсортируй: {}",)).format(
            ", ".join(map(str, numbers))
        )
        said = ", ".join(map(str, sorted(numbers)))
        text = pick(
            rng, language, ("No, descending.", "the other way round"), ("Нет, по убыванию.",)
        )
        right = ", ".join(map(str, sorted(numbers, reverse=True)))
        last = item(
            text, f"meant {said}", right, [said], grader="list", answer=right, max_tokens=SENTENCE
        )
        return after([asked, said], last)
    asked = pick(rng, language, ("Join with dashes: {}",), ("Соедини через дефис: {}",))
    text = pick(
        rng,
        language,
        ("No, with underscores.", "Sorry, underscores instead of dashes."),
        ("Нет, через подчёркивание.",),
    )
    right, said = "_".join(words), "-".join(words)
    last = item(
        text, f"join {words}", right, [said], grader="text", answer=right, max_tokens=SENTENCE
    )
    return after([asked.format(" ".join(words)), said], last)
