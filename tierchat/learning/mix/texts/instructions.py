"""Instructions about the form of an answer, checked by rules; content is free.

Does not know how rules are checked.
"""

from __future__ import annotations

import random
from collections.abc import Callable

from tierchat.learning.graders.rules import Rules
from tierchat.learning.mix.item import LINES, STEPS, Item, Language, item

_TOPICS = (
    ("rain", "дождь"), ("coffee", "кофе"), ("bicycles", "велосипеды"), ("the Moon", "Луна"),
    ("backups", "резервные копии"), ("a lazy cat", "ленивый кот"), ("the sea", "море"),
    ("open source software", "открытый код"), ("winter", "зима"), ("trains", "поезда"),
    ("an old library", "старая библиотека"), ("city parks", "городские парки"), ("tea", "чай"),
    ("sleep", "сон"), ("a lost key", "потерянный ключ"), ("Linux", "Linux"), ("bees", "пчёлы"),
    ("a birthday", "день рождения"), ("night shifts", "ночные смены"), ("football", "футбол"),
)  # fmt: skip

Form = tuple[str, str, Rules, str, str]
Made = Callable[[random.Random], Form]


def instructions(rng: random.Random, language: Language) -> Item:
    """One text about a topic, in a given form."""
    topic = rng.choice(_TOPICS)
    made = rng.choice(_FORMS)
    english, russian, rules, right, wrong = made(rng)
    form = (russian if language == "ru" else english).format(t=topic[language == "ru"])
    return item(
        form, f"{made.__name__.strip('_')} {topic[0]}", right, [wrong], grader="rules", rules=rules,
        max_tokens=STEPS if rules.min_sentences or rules.min_bullets else LINES,
    )  # fmt: skip


def _bullets(rng: random.Random) -> Form:
    num = rng.choice((2, 3, 4, 5))
    right = "\n".join(f"- point {n}" for n in range(num))
    return (
        f"Give exactly {num} bullet points about {{t}}.",
        f"Напиши ровно {num} пункта списком, тема: {{t}}.",
        Rules(min_bullets=num, max_bullets=num),
        right,
        right + "\n- one more",
    )


def _sentences(rng: random.Random) -> Form:
    num = rng.choice((1, 2, 3))
    return (
        f"Describe {{t}} in exactly {num} sentence{'s' if num > 1 else ''}.",
        f"Опиши тему «{{t}}», предложений ровно {num}.",
        Rules(min_sentences=num, max_sentences=num, min_words=3, helps=True),
        "It is a fine thing. " * num,
        "It is a fine thing. " * (num + 1),
    )


def _max_words(rng: random.Random) -> Form:
    num = rng.choice((5, 8, 10, 15, 20))
    return (
        f"Write about {{t}} in at most {num} words.",
        f"Напиши не больше {num} слов, тема: {{t}}.",
        Rules(max_words=num, min_words=2, helps=True),
        "A good thing",
        "word " * (num + 1),
    )


def _exact_words(rng: random.Random) -> Form:
    num = rng.choice((3, 4, 5, 6))
    return (
        f"Write a title about {{t}} of exactly {num} words.",
        f"Придумай заголовок ровно из {num} слов, тема: {{t}}.",
        Rules(min_words=num, max_words=num, max_lines=1),
        "word " * num,
        "word " * (num - 1),
    )


def _lower(rng: random.Random) -> Form:
    return (
        "Write one sentence about {t}, all in lower case, without any capital letter.",
        "Напиши одно предложение без заглавных букв, тема: {t}.",
        Rules(case="lower", min_words=3),
        "it is a quiet day today.",
        "It is a quiet day today.",
    )


def _upper(rng: random.Random) -> Form:
    return (
        "WRITE ONE SENTENCE ABOUT {t} IN CAPITAL LETTERS ONLY.",
        "Напиши одно предложение только ЗАГЛАВНЫМИ буквами, тема: {t}.",
        Rules(case="upper", min_words=3),
        "IT IS A QUIET DAY.",
        "It is a quiet day.",
    )


def _no_comma(rng: random.Random) -> Form:
    return (
        "Write two sentences about {t} without using a comma.",
        "Напиши два предложения без запятых, тема: {t}.",
        Rules(lacks=(",",), min_sentences=2, helps=True),
        "It is here. We like it.",
        "It is here, and we like it. Yes.",
    )


def _contains(rng: random.Random) -> Form:
    first, second = rng.sample(("window", "seven", "slowly", "because", "river", "green"), 2)
    return (
        f'Write one sentence about {{t}} that contains the words "{first}" and "{second}".',
        f"Напиши одно предложение, тема: {{t}}. В нём должны быть слова «{first}» и «{second}».",
        Rules(has=(first, second), min_words=4),
        f"The {first} and the {second} thing.",
        f"The {first} thing is here.",
    )


def _avoids(rng: random.Random) -> Form:
    letter = rng.choice(("z", "q", "x", "j", "b", "w"))
    return (
        f'Write one sentence about {{t}} without the letter "{letter}".',
        f"Напиши одно предложение по-английски без буквы «{letter}», тема: {{t}}.",
        Rules(lacks=(letter,), min_words=4, script="latin"),
        "It is a fine and calm day here.",
        f"It is {letter} a fine day here.",
    )


def _ends(rng: random.Random) -> Form:
    ending = rng.choice(("That is all.", "The end.", "Over and out.", "Thank you."))
    return (
        f'Write two sentences about {{t}}. End your answer with exactly "{ending}"',
        f"Напиши два предложения, тема: {{t}}. Закончи ответ точно словами «{ending}»",
        Rules(ends=ending, min_words=5),
        f"It is a very fine thing. {ending}",
        f"{ending} It is a very fine thing.",
    )


def _begins(rng: random.Random) -> Form:
    beginning = rng.choice(("Honestly,", "Once upon a time", "Dear reader,", "Note:"))
    return (
        f'Write one sentence about {{t}} that begins with "{beginning}"',
        f"Напиши одно предложение, тема: {{t}}. Начни его словами «{beginning}»",
        Rules(begins=beginning, min_words=4),
        f"{beginning} it was a fine thing.",
        "It was a fine thing.",
    )


def _only_json(rng: random.Random) -> Form:
    keys = rng.sample(("title", "topic", "mood", "length"), 2)
    return (
        f'Answer only with a JSON object with the keys "{keys[0]}" and "{keys[1]}" about {{t}}.',
        f"Ответь только объектом JSON с ключами «{keys[0]}» и «{keys[1]}», тема: {{t}}.",
        Rules(json=True, has=(f'"{keys[0]}"', f'"{keys[1]}"'), pattern=r"\{"),
        f'{{"{keys[0]}": "a", "{keys[1]}": "b"}}',
        f'Here: {{"{keys[0]}": "a", "{keys[1]}": "b"}}',
    )


def _lines(rng: random.Random) -> Form:
    num = rng.choice((2, 3, 4))
    return (
        f"Write a poem of exactly {num} lines about {{t}}. Nothing else.",
        f"Напиши стихотворение ровно из {num} строк, тема: {{t}}. Больше ничего.",
        Rules(min_lines=num, max_lines=num, helps=True),
        "\n".join(["a line of verse"] * num),
        "\n".join(["a line of verse"] * (num + 1)),
    )


def _in_russian(rng: random.Random) -> Form:
    return (
        "Write one sentence about {t} in Russian.",
        "Напиши по-русски одно предложение, тема: {t}.",
        Rules(script="cyrillic", min_words=3, max_sentences=2),
        "Это очень хорошая вещь.",
        "This is a very fine thing.",
    )


def _in_english(rng: random.Random) -> Form:
    return (
        "In English, one short sentence about {t}, please.",
        "Напиши по-английски одно короткое предложение, тема: {t}.",
        Rules(script="latin", min_words=3, max_words=30),
        "This is a very fine thing.",
        "Это очень хорошая вещь.",
    )


def _listed(rng: random.Random) -> Form:
    num = rng.choice((3, 4, 5))
    return (
        f"List {num} words about {{t}}, comma-separated, on one line, nothing else.",
        f"Перечисли {num} слова через запятую в одну строку, тема: {{t}}. Больше ничего.",
        Rules(pattern=rf"^[^,\n]+(?:, ?[^,\n]+){{{num - 1}}}$", max_lines=1),
        ", ".join(["word"] * num),
        ", ".join(["word"] * (num + 1)),
    )


_FORMS: tuple[Made, ...] = (
    *(_bullets, _sentences, _max_words, _exact_words, _lower, _upper, _no_comma, _contains),
    *(_avoids, _ends, _begins, _only_json, _lines, _in_russian, _in_english, _listed),
)
