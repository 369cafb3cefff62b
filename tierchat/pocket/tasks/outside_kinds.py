"""Kinds of outside prompts that need no word lists: noise, symbols, stories, untaught sums.

Does not know how often each is drawn.
"""

from __future__ import annotations

import random
import string


def noise(rng: random.Random) -> str:
    alphabet = rng.choice(
        (
            string.ascii_lowercase,
            string.printable[:95],
            "абвгдежзиклмнопрстуфхцчшщыэюя ",
            string.ascii_letters + " ",
        )
    )
    return "".join(rng.choices(alphabet, k=rng.randint(1, 40))).strip() or "."


def symbols(rng: random.Random) -> str:
    marks = [
        "?",
        "!",
        ".",
        "...",
        "-",
        "+",
        "=",
        "*",
        "()",
        ",",
        ":",
        ";",
        "#",
        "/",
        "<|end|>",
        "<|escalate|>",
        "<|user|>",
        "<|think|>",
        "</s>",
        "[INST]",
        "\\n",
        "@",
        "$",
        "%",
        "&",
        "\t",
        "😀",
        "👍",
        "❤️",
        "€",
    ]
    text = "".join(rng.choices(marks, k=rng.randint(1, 6)))
    return text + str(rng.randint(0, 99)) if rng.random() < 0.15 else text


def unknown_arithmetic(rng: random.Random) -> str:
    """Ask for sums that are not taught: division, powers, decimals, five digits and more."""
    small, large = rng.randint(1, 999), rng.randint(10**4, 10 ** rng.randint(5, 12))
    other = rng.randint(1, 999)
    sign = rng.choice("+-*")
    forms = (
        f"{small}/{other}",
        f"{small} : {other}",
        f"{small} divided by {other}",
        f"{small}^{rng.randint(2, 9)}",
        f"{small}**{rng.randint(2, 9)}",
        f"sqrt({small})",
        f"{small}%",
        f"{small}% of {other}",
        f"{large}{sign}{other}",
        f"{other} {sign} {large}",
        f"{large}*{large + other}",
        f"{small}.{rng.randint(1, 99)}{sign}{other}",
        f"{small},{rng.randint(1, 9)} {sign} {other},{rng.randint(1, 9)}",
        f"log({small})",
        f"{small}!",
        f"{small} mod {other}",
        f"{rng.randint(100, 999)}*{rng.randint(100, 999)}",
        f"{small} поделить на {other}",
        f"{small} в степени {other % 9}",
        f"корень из {small}",
        f"{small} разделить на {other}",
        f"({small}+{other})*{other}",
        f"x+{small}={other}",
    )
    asks = (
        "{e}",
        "{e}=",
        "What is {e}?",
        "what is {e}",
        "Calculate {e}",
        "Сколько будет {e}?",
        "Solve {e}",
        "{e} = ?",
        "Compute {e}.",
    )
    return rng.choice(asks).format(e=rng.choice(forms))


def number_question(rng: random.Random) -> str:
    year, number = rng.randint(1000, 2030), rng.randint(2, 999)
    forms = (
        "What happened in {y}?",
        "Who was king in {y}?",
        "In which year did {n} people land there?",
        "call me at {n} {y}",
        "Is {n} a lucky number?",
        "Convert {n} dollars to euros",
        "How many km are {n} miles?",
        "{n} kg in pounds",
        "What is {n}?",
        "Write {n} in words",
        "My number is {n}, what is yours?",
        "Room {n}, please",
        "chapter {n} of the book",
        "{n}",
        "{y}",
        "Что было в {y} году?",
        "Переведи {n} рублей в доллары",
        "Сколько метров в {n} милях?",
        "Мне {n} лет",
        "дом {n}",
        "{n} слов о лете",
        "What is the {n}th prime?",
        "the {n} best movies",
        "Name {n} animals.",
        "{n} ideas",
        "how many digits has {y}?",
        "{n} or {y}?",
        "Write {n} sentences about {y}",
        "How long is {n} minutes in hours?",
        "version {n}.{y}",
        "{y}-{n}-10",
        "What is the year {y} known for?",
    )
    return rng.choice(forms).format(y=year, n=number)


def story(rng: random.Random) -> str:
    """Pose word problems: sums in a form that these models never learn to read."""
    who = rng.choice(
        ("Anna", "Tom", "A farmer", "My sister", "Иван", "Маша", "The shop", "Bob", "Мама")
    )
    thing = rng.choice(
        ("apples", "books", "dollars", "pens", "eggs", "яблок", "книг", "рублей", "cats", "stamps")
    )
    a, b = rng.randint(2, 99), rng.randint(2, 99)
    forms = (
        "{w} has {a} {t} and gives away {b}. How many are left?",
        "{w} buys {a} {t} for {b} each. What is the total?",
        "{w} had {a} {t}, then found {b} more. How many now?",
        "If {w} eats {a} {t} a day, how many in {b} days?",
        "У {w} было {a} {t}, отдали {b}. Сколько осталось?",
        "{w} is {a} years old. How old in {b} years?",
        "A train goes {a} km in {b} hours. How fast is it?",
        "{w} shares {a} {t} among {b} friends.",
        "{w} купил {a} {t} по {b}. Сколько всего?",
    )
    return rng.choice(forms).format(w=who, a=a, b=b, t=thing)


def scripts(rng: random.Random) -> str:
    blocks = (
        (0x4E00, 0x9FA5),
        (0x3040, 0x30FF),
        (0x0620, 0x064A),
        (0xAC00, 0xD7A3),
        (0x05D0, 0x05EA),
        (0x0391, 0x03C9),
        (0x0400, 0x04FF),
        (0x00C0, 0x017F),
        (0x0905, 0x0939),
        (0x1F300, 0x1F5FF),
    )
    low, high = rng.choice(blocks)
    return (
        "".join(
            chr(rng.randint(low, high)) if rng.random() < 0.85 else " "
            for _ in range(rng.randint(1, 20))
        ).strip()
        or "?"
    )


def recipe(rng: random.Random) -> str:
    parts = rng.sample(("flour", "sugar", "milk", "butter", "rice", "salt", "tomatoes", "beans"), 3)
    return (
        f"I have {rng.randint(100, 900)} g of {parts[0]}, {parts[1]} and {rng.randint(2, 6)} "
        f"{parts[2]}. What can I bake in {rng.randint(20, 90)} minutes?"
    )
