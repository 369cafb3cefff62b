"""Commands to write for a Unix shell. Knows accepted commands; none is ever run."""

from __future__ import annotations

import random

from tierchat.learning.mix.item import LINES, Item, Language, item, pick
from tierchat.learning.mix.tables import blocks
from tierchat.learning.mix.words import WORDS

_ENGLISH = (
    "Shell command to {}? Only the command.",
    "bash one-liner to {}",
    "How do I {} in the terminal (Linux)? Just the command, please.",
)
_RUSSIAN = (
    "Какой командой bash {}? Только команда.",
    "Команда для терминала Linux: {}",
)


def commands(rng: random.Random, language: Language) -> Item:
    """One command to write."""
    english, russian, *accepted = rng.choice(blocks("shell"))
    words = rng.sample(WORDS, 3)
    values = {
        "f": words[0] + rng.choice((".txt", ".log", ".csv", ".sh")),
        "d": words[1],
        "w": words[2],
        "n": rng.choice((5, 10, 20, 3)),
    }
    what = (russian if language == "ru" else english).format(**values)
    text = pick(rng, language, _ENGLISH, _RUSSIAN).format(what)
    right, *others = dict.fromkeys(one.format(**values) for one in accepted)
    wrong = [f"{right} {words[0]}x", right.split()[0], "echo hello"]
    return item(
        text, f"command/{english}", f"```bash\n{right}\n```", wrong, grader="shell",
        answer=right, accept=tuple(others), max_tokens=LINES,
    )  # fmt: skip
