"""Conversations of two and three turns: follow-ups, corrections, what was said, changes of topic.

Earlier answers are reference answers, now and then a wrong one that is to be corrected.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace

import msgspec

from tierchat.learning.graders.rules import Rules
from tierchat.learning.mix.coding.functions import Task, tasks
from tierchat.learning.mix.item import (
    CODE,
    LINES,
    SENTENCE,
    Item,
    Language,
    item,
    number,
    pick,
    saying,
)
from tierchat.learning.mix.tables import table
from tierchat.learning.mix.words import CITIES, CITIES_RU, PEOPLE, PEOPLE_RU, WORDS, WORDS_RU
from tierchat.types import Message

# The first functions are short enough to stand in a conversation.
_NUM_EASY = 25


def after(turns: Sequence[str], last: Item) -> Item:
    """Put turns before an item: the user's and the assistant's in turn, beginning with the user."""
    assert len(turns) % 2 == 0
    roles = ("user", "assistant")
    earlier = tuple(
        Message(role=roles[place % 2], content=content)  # type: ignore[arg-type]
        for place, content in enumerate(turns)
    )
    return replace(last, prompt=msgspec.structs.replace(last.prompt, earlier=earlier))


def follow_ups(rng: random.Random, language: Language) -> Item:
    """A turn that cannot be understood without the one before."""
    kinds = (_other_language, _renamed, _documented, _other_country, _other_unit, _next_sum)
    return rng.choice((*kinds, _list_again, _more_json))(rng, language)


def _code_turn(task: Task, language: Language) -> tuple[str, str]:
    what = task.russian if language == "ru" else task.english
    asked = (
        f"Напиши функцию на Python {task.name}({task.args}), которая {what}."
        if language == "ru"
        else f"Write a Python function {task.name}({task.args}) that {what}."
    )
    return asked, f"```python\n{task.solution}```"


def _other_language(rng: random.Random, language: Language) -> Item:
    task = rng.choice(tasks()[:_NUM_EASY])
    name, keyword = rng.choice(
        (("Go", "func "), ("Rust", "fn "), ("JavaScript", "function|=>"), ("Ruby", "def "),
         ("Java", "static|public"), ("C", "return|char|int"))
    )  # fmt: skip
    pattern = rf"(?:{keyword})" + (r"(?s).*\bend\b" if name == "Ruby" else "")
    if name == "Ruby":
        pattern = r"(?s)def .*\bend\b"
    text = pick(
        rng,
        language,
        ("Now in {}.", "And in {}?", "the same in {}, please"),
        ("Теперь на {}.", "А на {}?"),
    ).format(name)
    rules = Rules(
        pattern=pattern,
        lacks_pattern=r"(?m)^\s*def \w+\([^)]*\)[^\n]*:\s*$",
        min_lines=2,
        helps=True,
    )
    right = {
        "Go": "```go\nfunc f() int {\n    return 1\n}\n```",
        "Rust": "```rust\nfn f() -> i32 {\n    1\n}\n```",
        "JavaScript": "```js\nfunction f() {\n    return 1;\n}\n```",
        "Ruby": "```ruby\ndef f(x)\n  x\nend\n```",
        "Java": "```java\nstatic int f() {\n    return 1;\n}\n```",
        "C": "```c\nint f(void) {\n    return 1;\n}\n```",
    }[name]
    last = item(
        text, f"code/{task.name}", right, [f"```python\n{task.solution}```", "Sure!"],
        grader="rules", rules=rules, max_tokens=CODE,
    )  # fmt: skip
    return after(_code_turn(task, language), last)


def _renamed(rng: random.Random, language: Language) -> Item:
    task = rng.choice(tasks()[:_NUM_EASY])
    name = f"{rng.choice(WORDS)}_{rng.choice(('value', 'helper', 'of'))}"
    text = pick(
        rng,
        language,
        ("Rename the function to {}.", "call it {} instead"),
        ("Переименуй функцию в {}.",),
    ).format(name)
    test = "\n".join(f"assert {line.replace(task.name + '(', name + '(')}" for line in task.tests)
    solution = task.solution.replace(f"{task.name}(", f"{name}(")
    last = item(
        text, f"code/{task.name}", f"```python\n{solution}```",
        [f"```python\n{task.solution}```", "Done."], grader="code", test=test, entry_point=name,
        max_tokens=CODE,
    )  # fmt: skip
    return after(_code_turn(task, language), last)


def _documented(rng: random.Random, language: Language) -> Item:
    task = rng.choice(tasks()[:_NUM_EASY])
    text = pick(
        rng, language, ("Add a docstring.", "now with a docstring, please"), ("Добавь docstring.",)
    )
    test = "\n".join(f"assert {line}" for line in task.tests)
    head, body = task.solution.split("\n", 1)
    solution = f'{head}\n    """Do as asked."""\n{body}'
    # The function itself, not what the sandbox calls in its place, has the docstring.
    check = f"assert {task.name}.__doc__\n{test}"
    last = item(
        text, f"code/{task.name}", f"```python\n{solution}```",
        [f"```python\n{task.solution}```", "Sure."], grader="code", test=check, max_tokens=CODE,
    )  # fmt: skip
    return after(_code_turn(task, language), last)


def _other_country(rng: random.Random, language: Language) -> Item:
    first, second, third = rng.sample(table("facts/capitals"), 3)
    name, answer = (1, 3) if language == "ru" else (0, 2)
    form = pick(
        rng, language, ("What is the capital of {}?", "capital of {}?"), ("Столица страны {}?",)
    )
    turns = [form.format(first[name]), first[answer].split("/")[0]]
    if rng.random() < 0.4:
        again = pick(rng, language, ("And {}?",), ("А {}?",))
        turns += [again.format(third[name]), third[answer].split("/")[0]]
    text = pick(rng, language, ("And of {}?", "what about {}?"), ("А страны {}?", "А {}?"))
    answers = [*second[answer].split("/"), *second[2].split("/")]
    last = saying(
        text.format(second[name]), f"capital/{second[0]}", answers,
        [first[answer].split("/")[0], second[name]], max_tokens=SENTENCE,
    )  # fmt: skip
    return after(turns, last)


def _other_unit(rng: random.Random, language: Language) -> Item:
    value = rng.choice((2, 3, 5, 12, 40, 7))
    (source, source_ru), chain = rng.choice(
        (
            (
                ("kilometers", "км"),
                (("meters", "метрах", 1000), ("centimeters", "сантиметрах", 100_000)),
            ),
            (("hours", "ч"), (("minutes", "минутах", 60), ("seconds", "секундах", 3600))),
            (
                ("kilograms", "кг"),
                (("grams", "граммах", 1000), ("milligrams", "миллиграммах", 10**6)),
            ),
            (("weeks", "недель"), (("days", "днях", 7), ("hours", "часах", 168))),
        )
    )
    first, second = chain if rng.random() < 0.6 else chain[::-1]
    asked = pick(
        rng,
        language,
        (f"How much is {value} {source} in {first[0]}?",),
        (f"Сколько это: {value} {source_ru} в {first[1]}?",),
    )
    text = pick(
        rng,
        language,
        (f"and in {second[0]}?", f"And {second[0]}?"),
        (f"а в {second[1]}?",),
    )
    last = number(text, f"unit {source} {value}", value * second[2], max_tokens=SENTENCE)
    return after([asked, str(value * first[2])], last)


def _next_sum(rng: random.Random, language: Language) -> Item:
    a, b = rng.randrange(3, 60), rng.randrange(3, 30)
    value = a * b
    turns = [
        pick(rng, language, (f"{a}*{b}", f"What is {a} times {b}?"), (f"{a}*{b}?",)),
        str(value),
    ]
    for _ in range(rng.choice((1, 1, 2))):
        num = rng.randrange(2, 90)
        english, russian, value = rng.choice(
            (
                (f"plus {num}?", f"плюс {num}?", value + num),
                (f"And minus {num}?", f"А минус {num}?", value - num),
                ("twice that?", "а вдвое больше?", value * 2),
                (f"now add {num} to it", f"теперь прибавь {num}", value + num),
            )
        )
        turns += [russian if language == "ru" else english, str(value)]
    *before, text, _ = turns
    last = number(text, f"then {a} {b}", value, wrong=[before[-1]], max_tokens=SENTENCE)
    return after(before, last)


def _list_again(rng: random.Random, language: Language) -> Item:
    words = sorted(rng.sample(WORDS_RU if language == "ru" else WORDS, 4))
    given = rng.sample(words, 4)
    asked = pick(rng, language, ("Sort alphabetically: {}",), ("Отсортируй по алфавиту: {}",))
    english, russian, right = rng.choice(
        (
            ("Now in reverse order.", "Теперь в обратном порядке.", words[::-1]),
            ("only the first two", "только первые два", words[:2]),
            ("Leave out the last one.", "Убери последнее.", words[:3]),
            ("in capital letters", "заглавными буквами", [word.upper() for word in words]),
        )
    )
    text, written = (russian if language == "ru" else english), ", ".join(right)
    last = item(
        text, f"list {words}", written, [", ".join(words[1:]), ", ".join(given[:1])],
        grader="list", answer=written, max_tokens=LINES,
    )  # fmt: skip
    return after([asked.format(", ".join(given)), ", ".join(words)], last)


def _more_json(rng: random.Random, language: Language) -> Item:
    name = rng.choice(PEOPLE_RU if language == "ru" else PEOPLE)
    city = rng.choice(CITIES_RU if language == "ru" else CITIES)
    age = rng.randrange(18, 90)
    asked = pick(
        rng,
        language,
        (f"Write as JSON with name and city: {name} lives in {city}.",),
        (f"Запиши в JSON с ключами name и city: {name}, город {city}.",),
    )
    value = {"name": name, "city": city}
    english, russian, changed = rng.choice(
        (
            (f"Add the key age with the number {age}.", f"Добавь ключ age с числом {age}.",
             {**value, "age": age}),
            ("Remove the city.", "Убери city.", {"name": name}),
            ("Rename the key name to person.", "Переименуй ключ name в person.",
             {"person": name, "city": city}),
            ("Put it in an array.", "Положи это в массив.", [value]),
        )
    )  # fmt: skip
    right = msgspec.json.encode(changed).decode()
    before = msgspec.json.encode(value).decode()
    last = item(
        russian if language == "ru" else english, f"json {name} {city}", right, [before, "Done."],
        grader="json", answer=right, max_tokens=LINES,
    )  # fmt: skip
    return after([asked, before], last)
