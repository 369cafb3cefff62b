"""Small puzzles: what is larger, who is tallest, which number comes next, does it follow.

Does not know arithmetic beyond what the puzzles need.
"""

from __future__ import annotations

import itertools
import random

from tierchat.learning.mix.item import SENTENCE, Item, Language, item, number, pick

_NAMES = ("Ann", "Bill", "Cora", "Dave", "Ella", "Finn")
_NAMES_RU = ("Аня", "Боря", "Вера", "Гена", "Даша", "Женя")


def logic(rng: random.Random, language: Language) -> Item:
    """One puzzle."""
    return rng.choice((_larger, _order, _next, _follows, _place, _odd))(rng, language)


def _options(text: str, group: str, right: str, options: tuple[str, ...]) -> Item:
    wrong = [option for option in options if option != right]
    return item(
        text, group, right, [*wrong, " or ".join(options)], grader="label", answer=right,
        options=options, max_tokens=SENTENCE,
    )  # fmt: skip


def _larger(rng: random.Random, language: Language) -> Item:
    whole = rng.randrange(1, 20)
    short, long = f"{whole}.{rng.randrange(2, 10)}", f"{whole}.{rng.randrange(11, 99)}"
    if rng.random() < 0.4:
        short, long = (str(rng.randrange(100, 100_000)) for _ in range(2))
    if float(short) == float(long):
        return _larger(rng, language)
    pair = (short, long) if rng.random() < 0.5 else (long, short)
    text = pick(
        rng,
        language,
        ("Which number is larger, {} or {}? Only the number.", "{} or {}: which is bigger?"),
        ("Какое число больше: {} или {}? Только число.",),
    ).format(*pair)
    right = max(pair, key=float)
    return _options(text, f"larger {min(pair)} {max(pair)}", right, pair)


def _order(rng: random.Random, language: Language) -> Item:
    names = rng.sample(_NAMES_RU if language == "ru" else _NAMES, rng.choice((3, 4, 5)))
    # Names run from the tallest to the shortest.
    facts = list(itertools.pairwise(names))
    rng.shuffle(facts)
    is_ru = language == "ru"
    told = ". ".join(
        (f"{a} выше, чем {b}" if is_ru else f"{a} is taller than {b}")
        if rng.random() < 0.6
        else (f"{b} ниже, чем {a}" if is_ru else f"{b} is shorter than {a}")
        for a, b in facts
    )
    is_top = rng.random() < 0.5
    question = pick(
        rng,
        language,
        (f"Who is the {'tallest' if is_top else 'shortest'}? Only the name.",),
        (f"Кто самый {'высокий' if is_top else 'низкий'}? Только имя.",),
    )
    right = names[0] if is_top else names[-1]
    return _options(f"{told}. {question}", f"order {told}", right, tuple(sorted(names)))


def _next(rng: random.Random, language: Language) -> Item:
    start, step = rng.randrange(1, 10), rng.randrange(2, 9)
    kind = rng.choice(("add", "times", "square", "fibonacci", "two steps"))
    if kind == "add":
        terms = [start + n * step for n in range(6)]
    elif kind == "times":
        terms = [start * rng.choice((2,)) ** n for n in range(6)]
    elif kind == "square":
        terms = [(n + start) ** 2 for n in range(6)]
    elif kind == "fibonacci":
        terms = [start, step]
        while len(terms) < 7:
            terms.append(terms[-1] + terms[-2])
    else:
        terms = [start]
        for n in range(6):
            terms.append(terms[-1] + (step if n % 2 == 0 else 1))
    text = pick(
        rng,
        language,
        ("What number comes next: {}, ...?", "Continue the sequence with one number: {}"),
        ("Какое число следующее: {}, ...?",),
    ).format(", ".join(map(str, terms[:-1])))
    return number(text, f"next {terms}", terms[-1], max_tokens=SENTENCE)


def _follows(rng: random.Random, language: Language) -> Item:
    kinds = rng.sample(("blips", "zarks", "mogs", "tulls", "fends"), 3)
    a, b, c = kinds
    forms = (
        (f"All {a} are {b}. All {b} are {c}.", f"Are all {a} {c}?", "yes"),
        (f"All {a} are {b}. No {b} are {c}.", f"Can a member of {a} be one of the {c}?", "no"),
        (f"All {a} are {b}. Some {b} are {c}.", f"Must some {a} be {c}?", "no"),
        (f"All {a} are {b}. Tim is one of the {a}.", f"Is Tim one of the {b}?", "yes"),
        (f"All {a} are {b}. Tim is one of the {b}.", f"Must Tim be one of the {a}?", "no"),
        (f"No {a} are {b}. Tim is one of the {b}.", f"Is Tim one of the {a}?", "no"),
    )
    told, question, right = rng.choice(forms)
    if language == "ru":
        text = f"{told}\n{question}\nОтветь да или нет."
        return _options(text, f"follows {told}", {"yes": "да", "no": "нет"}[right], ("да", "нет"))
    return _options(f"{told} {question} Answer yes or no.", f"follows {told}", right, ("yes", "no"))


def _place(rng: random.Random, language: Language) -> Item:
    ahead, behind = rng.randrange(2, 15), rng.randrange(2, 15)
    text = pick(
        rng,
        language,
        (
            "In a queue {a} people stand before me and {b} behind me. How many are in the queue?",
            "I am number {p} in a queue and {b} people stand behind me. How long is the queue?",
        ),
        ("В очереди передо мной {a} чел., за мной {b}. Сколько всего человек в очереди?",),
    ).format(a=ahead, b=behind, p=ahead + 1)
    return number(text, f"queue {ahead} {behind}", ahead + behind + 1, max_tokens=SENTENCE)


_GROUPS = (
    ("apple banana cherry grape", "hammer", "яблоко банан вишня виноград", "молоток"),
    ("dog cat horse cow", "table", "собака кошка лошадь корова", "стол"),
    ("red green blue yellow", "seven", "красный зелёный синий жёлтый", "семь"),
    ("Python Java Rust Go", "Paris", "Python Java Rust Go", "Париж"),
    ("violin piano flute drum", "pillow", "скрипка пианино флейта барабан", "подушка"),
    ("Mars Venus Saturn Earth", "Amazon", "Марс Венера Сатурн Земля", "Амазонка"),
    ("copper iron zinc tin", "oxygen", "медь железо цинк олово", "кислород"),
    ("salmon trout tuna herring", "dolphin", "лосось форель тунец сельдь", "дельфин"),
    ("triangle square pentagon hexagon", "cube", "треугольник квадрат круг ромб", "куб"),
)  # fmt: skip


def _odd(rng: random.Random, language: Language) -> Item:
    row = rng.choice(_GROUPS)
    members, right = (row[2], row[3]) if language == "ru" else (row[0], row[1])
    words = [*rng.sample(members.split(), 3), right]
    rng.shuffle(words)
    text = pick(
        rng,
        language,
        ("Which does not belong: {}? One word.", "Odd one out: {}. Only that word."),
        ("Что здесь лишнее: {}? Одно слово.",),
    ).format(", ".join(words))
    return _options(text, f"odd {row[1]}", right, tuple(sorted(words)))
