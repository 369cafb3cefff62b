"""Prompts nobody in the bundled cascade can answer, varied enough to stand for the world.

Does not know tokens or models; each category is a small grammar over words, numbers and text.
"""

from __future__ import annotations

import random
import string
from collections.abc import Callable
from dataclasses import dataclass

from tierchat.pocket import outside_words
from tierchat.pocket.problems import Problem, Wording

# Sources of these standard modules are pasted into prompts; the second list only in tests.
_MODULES = (
    "argparse",
    "ast",
    "asyncio.events",
    "calendar",
    "codecs",
    "configparser",
    "csv",
    "datetime",
    "decimal",
    "difflib",
    "email.message",
    "fractions",
    "functools",
    "gettext",
    "gzip",
    "heapq",
    "inspect",
    "json.decoder",
    "logging",
    "mailbox",
    "optparse",
    "os",
    "pathlib",
    "pdb",
    "platform",
    "random",
    "shutil",
    "smtplib",
    "statistics",
    "string",
    "subprocess",
    "tarfile",
    "tempfile",
    "textwrap",
    "threading",
    "turtle",
    "typing",
    "unittest.case",
    "urllib.request",
    "uuid",
    "zipfile",
)
_TEST_MODULES = ("socketserver", "sched", "imaplib", "ftplib", "cmd", "bdb", "contextlib", "queue")


@dataclass(frozen=True)
class Texts:
    """Source text and the words in it, from which paste-like prompts are cut."""

    lines: tuple[str, ...]
    words: tuple[str, ...]


def load_texts(held_out: bool) -> Texts:
    """Read the sources of a few standard-library modules."""
    import importlib
    import inspect
    import re

    lines: list[str] = []
    for name in _TEST_MODULES if held_out else _MODULES:
        lines += inspect.getsource(importlib.import_module(name)).splitlines()
    words = re.findall(r"[A-Za-z]{2,12}", " ".join(lines))
    return Texts(tuple(lines), tuple(words))


class Outside:
    """Draws out-of-domain prompts of one side; the test side has its own words and categories."""

    def __init__(self, held_out: bool) -> None:
        self._held_out = held_out
        self._texts = load_texts(held_out)
        shared: dict[str, Callable[[random.Random], str]] = {
            "request": self._request,
            "russian": self._russian,
            "question": self._question,
            "code": self._code,
            "words": self._word_salad,
            "noise": _noise,
            "symbols": _symbols,
            "arithmetic": _unknown_arithmetic,
            "facts": _number_question,
            "mixed": self._mixed,
            "story": _story,
            "foreign": _scripts,
        }
        only_test: dict[str, Callable[[random.Random], str]] = {
            "diff": self._diff,
            "log": self._log,
            "recipe": _recipe,
            "mail": self._mail,
            "json": self._json,
        }
        self.categories = {**shared, **only_test} if held_out else shared

    def draw(self, rng: random.Random) -> Problem:
        """Draw one prompt from a random category."""
        category = rng.choice(sorted(self.categories))
        if not self._held_out:
            # What resembles a task, and what people ask most, deserves more than its share.
            often = ("arithmetic", "facts", "question", "request", "russian")
            category = rng.choice((category, category, category, *often))
        text = self.categories[category](rng).replace("\x00", " ").strip("\n") or "?"
        wording: Wording = "held_out" if self._held_out else "trained"
        return Problem("outside", "outside", category, text, None, None, wording)

    def long_text(self, rng: random.Random, max_chars: int) -> str:
        """Paste a long passage, to fill a context."""
        start = rng.randrange(len(self._texts.lines))
        return "\n".join(self._texts.lines[start : start + 200])[
            : rng.randint(max_chars // 3, max_chars)
        ]

    def _request(self, rng: random.Random) -> str:
        frame = rng.choice(outside_words.frames(self._held_out))
        topic = rng.choice(outside_words.topics(self._held_out))
        if rng.random() < 0.3:
            topic = " ".join(rng.choices(self._texts.words, k=rng.randint(1, 3))).lower()
        text = frame.format(t=topic)
        if rng.random() < 0.2:
            text += rng.choice(
                (
                    " please",
                    ", keep it short",
                    " in 100 words",
                    " for my son",
                    " and then stop",
                    " today",
                )
            )
        return text.lower() if rng.random() < 0.3 else text

    def _russian(self, rng: random.Random) -> str:
        frame = rng.choice(outside_words.russian_frames(self._held_out))
        text = frame.format(t=rng.choice(outside_words.russian_topics(self._held_out)))
        return text.lower() if rng.random() < 0.3 else text

    def _question(self, rng: random.Random) -> str:
        text = rng.choice(outside_words.questions(self._held_out))
        if rng.random() < 0.3:
            text = text.lower()
        return text.rstrip("?.") if rng.random() < 0.2 else text

    def _code(self, rng: random.Random) -> str:
        start = rng.randrange(len(self._texts.lines) - 20)
        body = "\n".join(self._texts.lines[start : start + rng.randint(1, 12)])[:400]
        asks = (
            "fix this:\n",
            "",
            "explain this code:\n",
            "What does this do?\n",
            "Write a test for\n",
            "refactor:\n",
        )
        return rng.choice(asks) + body

    def _word_salad(self, rng: random.Random) -> str:
        text = " ".join(rng.choices(self._texts.words, k=rng.randint(1, 14)))
        return (
            text.lower() if rng.random() < 0.5 else text.capitalize() + rng.choice(("?", ".", ""))
        )

    def _mixed(self, rng: random.Random) -> str:
        """Put numbers among words, so that a number alone is no sign of a sum."""
        words = rng.choices(self._texts.words, k=rng.randint(2, 9))
        for _ in range(rng.randint(1, 3)):
            words.insert(
                rng.randrange(len(words) + 1), str(rng.randint(0, 10 ** rng.randint(1, 5)))
            )
        if rng.random() < 0.4:
            words.insert(
                0,
                rng.choice(
                    (
                        "What is",
                        "How much is",
                        "Calculate",
                        "Sum",
                        "Сколько будет",
                        "Посчитай",
                        "Find the",
                    )
                ),
            )
        return " ".join(words).lower() if rng.random() < 0.5 else " ".join(words)

    def _diff(self, rng: random.Random) -> str:
        start = rng.randrange(900)
        lines = [rng.choice("+- ") + line for line in self._texts.lines[start : start + 8]]
        return (
            f"diff --git a/{rng.choice(self._texts.words)}.py\n@@ -{start},7 +{start},8 @@\n"
            + "\n".join(lines)[:350]
        )

    def _log(self, rng: random.Random) -> str:
        rows = (
            f"2026-0{rng.randint(1, 9)}-1{rng.randint(0, 9)} 0{rng.randint(0, 9)}:"
            f"{rng.randint(10, 59)} {rng.choice(('ERROR', 'INFO', 'WARN'))} "
            f"{' '.join(rng.choices(self._texts.words, k=5))}"
            for _ in range(rng.randint(1, 4))
        )
        return "\n".join(rows)

    def _mail(self, rng: random.Random) -> str:
        name, body = rng.choice(self._texts.words), " ".join(rng.choices(self._texts.words, k=25))
        return f"Dear {name},\n\n{body}.\n\nBest regards"

    def _json(self, rng: random.Random) -> str:
        pairs = (
            f'"{rng.choice(self._texts.words)}": {rng.randint(0, 999)}'
            for _ in range(rng.randint(1, 5))
        )
        return "{" + ", ".join(pairs) + "}"


def _noise(rng: random.Random) -> str:
    alphabet = rng.choice(
        (
            string.ascii_lowercase,
            string.printable[:95],
            "абвгдежзиклмнопрстуфхцчшщыэюя ",
            string.ascii_letters + " ",
        )
    )
    return "".join(rng.choices(alphabet, k=rng.randint(1, 40))).strip() or "."


def _symbols(rng: random.Random) -> str:
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


def _unknown_arithmetic(rng: random.Random) -> str:
    """Ask sums beyond what is taught: division, powers, decimals, five digits and more."""
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


def _number_question(rng: random.Random) -> str:
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


def _story(rng: random.Random) -> str:
    """Tell word problems, which are sums in a disguise these models never learn to read."""
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


def _scripts(rng: random.Random) -> str:
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


def _recipe(rng: random.Random) -> str:
    parts = rng.sample(("flour", "sugar", "milk", "butter", "rice", "salt", "tomatoes", "beans"), 3)
    return (
        f"I have {rng.randint(100, 900)} g of {parts[0]}, {parts[1]} and {rng.randint(2, 6)} "
        f"{parts[2]}. What can I bake in {rng.randint(20, 90)} minutes?"
    )
