"""Prompts that no tier of the bundled cascade can answer, varied enough to represent real use.

Does not know tokens or models; each category is a small grammar over words, numbers and text.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass

from tierchat.pocket.tasks import outside_kinds, outside_questions, outside_words
from tierchat.pocket.tasks.problems import Problem, Wording

# Standard modules whose source code is pasted into prompts; the second list is for the test side.
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
    """Source code and its words, for prompts that look like pasted text."""

    lines: tuple[str, ...]
    words: tuple[str, ...]


def load_texts(held_out: bool) -> Texts:
    """Read the source code of a few standard-library modules."""
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
            "noise": outside_kinds.noise,
            "symbols": outside_kinds.symbols,
            "arithmetic": outside_kinds.unknown_arithmetic,
            "facts": outside_kinds.number_question,
            "mixed": self._mixed,
            "story": outside_kinds.story,
            "foreign": outside_kinds.scripts,
        }
        only_test: dict[str, Callable[[random.Random], str]] = {
            "diff": self._diff,
            "log": self._log,
            "recipe": outside_kinds.recipe,
            "mail": self._mail,
            "json": self._json,
        }
        self.categories = {**shared, **only_test} if held_out else shared

    def draw(self, rng: random.Random) -> Problem:
        """Draw one prompt from a random category."""
        category = rng.choice(sorted(self.categories))
        if not self._held_out:
            # Prompts that resemble a task, and those that people ask most, are drawn more often.
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
        text = rng.choice(outside_questions.questions(self._held_out))
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
        """Put numbers among words, so that a number alone does not signal a sum."""
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
