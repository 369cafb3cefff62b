"""Code to write and code to read: Python functions with tests, and what a small program prints.

Does not know regular expressions, queries and shells: see `patterns.py`, `queries.py`, `shell.py`.
"""

from __future__ import annotations

import random
import re
from dataclasses import dataclass
from functools import cache

from tierchat.learning.mix.item import CODE, LONG_CODE, SENTENCE, Item, Language, item, pick
from tierchat.learning.mix.tables import blocks
from tierchat.learning.mix.words import WORDS

_NUM_LINES_OF_LONG = 7
_ENGLISH = (
    "Write a Python function {n}({a}) that {d}.",
    "python: function {n}({a}) which {d}. Only code.",
    "I need a Python function called {n}. It takes {a} and {d}. Answer with one code block.",
    "Complete this function. Answer with the whole function in one code block.\n\n"
    '```python\ndef {n}({a}):\n    """Function that {d}."""\n```',
)
_RUSSIAN = (
    "Напиши функцию на Python {n}({a}), которая {d}.",
    "Нужна функция {n}({a}) на Python, она {d}. Ответь только кодом.",
)


@dataclass(frozen=True)
class Task:
    """One function to write; `tests` are expressions that hold for a right solution."""

    name: str
    args: str
    english: str
    russian: str
    solution: str
    tests: tuple[str, ...]


@cache
def tasks() -> tuple[Task, ...]:
    """Read all functions, the harder ones last."""
    return tuple(_task(block) for block in blocks("functions"))


def _task(block: tuple[str, ...]) -> Task:
    head, english, russian, *rest = block
    name, args = head.removeprefix("def ").removesuffix(")").split("(")
    body = [line for line in rest if line.startswith(" ")]
    tests = tuple(line for line in rest if not line.startswith(" "))
    solution = "\n".join((f"{head}:", *body)) + "\n"
    return Task(name, args, english, russian, solution, tests)


def functions(rng: random.Random, language: Language) -> Item:
    """A function to write; its tests are run."""
    task = rng.choice(tasks())
    form = pick(rng, language, _ENGLISH, _RUSSIAN)
    described = task.russian if language == "ru" else task.english
    return function_item(task, form.format(n=task.name, a=task.args, d=described))


def function_item(task: Task, text: str) -> Item:
    """Make the item of a task in these words."""
    test = "\n".join(f"assert {line}" for line in task.tests)
    wrong = (f"def {task.name}({task.args}):\n    return None", "I would use a loop.")
    return item(
        text, f"code/{task.name}", f"Here it is:\n\n```python\n{task.solution}```", wrong,
        grader="code", test=test, entry_point=task.name,
        max_tokens=LONG_CODE if task.solution.count("\n") > _NUM_LINES_OF_LONG else CODE,
    )  # fmt: skip


def outputs(rng: random.Random, language: Language) -> Item:
    """A small program whose output is asked for."""
    kinds = (_slice, _loop, _dictionary, _text, _nested, _bash, _while)
    kind = rng.choice(kinds)
    language_of_code, code, printed = kind(rng)
    text = pick(
        rng,
        language,
        (
            "What does this {0} code print?\n\n```{1}\n{2}\n```",
            "```{1}\n{2}\n```\n\nWhat is the output? Only the output.",
        ),
        ("Что напечатает этот код на {0}?\n\n```{1}\n{2}\n```\n\nОтветь только выводом.",),
    ).format(language_of_code, language_of_code.lower(), code)
    wrong = [printed + "0", code]
    return item(
        text, f"output {code}", printed, wrong, grader="regex", max_tokens=SENTENCE,
        answer=_at_the_end(printed),
    )  # fmt: skip


def _at_the_end(printed: str) -> str:
    """Match a line that is the output, or that speaks of the output and ends with it."""
    escaped = re.escape(printed).replace(r",\ ", r",\s*").replace(r"\ ", r"\s+")
    spoken = r"output|print|result|return|вывод|напечат|выве|результат"
    return rf"""(?m)^(?:[^\n]*\b(?i:{spoken})[^\n]*?[\s`"':*])?[`"'*]*{escaped}[`"'*.]*\s*$"""


def _slice(rng: random.Random) -> tuple[str, str, str]:
    word = rng.choice([word for word in WORDS if len(word) > 5])
    code, printed = rng.choice(
        (
            (f'print("{word}"[1:4])', word[1:4]),
            (f'print("{word}"[::-1])', word[::-1]),
            (f'print("{word}"[-3:])', word[-3:]),
            (f'print(len("{word}") * 2)', str(len(word) * 2)),
            (f'print("{word}".upper()[:2] + "{word}"[2:])', word.upper()[:2] + word[2:]),
            (f'print("{word}"[::2])', word[::2]),
        )
    )
    return "Python", code, printed


def _loop(rng: random.Random) -> tuple[str, str, str]:
    last, step, start = rng.randrange(5, 15), rng.choice((1, 2, 3)), rng.randrange(0, 4)
    total = sum(range(start, last, step))
    return "Python", (
        f"total = 0\nfor n in range({start}, {last}, {step}):\n    total += n\nprint(total)"
    ), str(total)  # fmt: skip


def _dictionary(rng: random.Random) -> tuple[str, str, str]:
    keys = rng.sample(("a", "b", "c", "d"), 3)
    values = [rng.randrange(1, 20) for _ in keys]
    code = "d = {" + ", ".join(f'"{k}": {v}' for k, v in zip(keys, values, strict=True)) + "}\n"
    first = keys[0]
    return rng.choice(
        (
            ("Python", f'{code}d["{first}"] += 5\nprint(sum(d.values()))', str(sum(values) + 5)),
            ("Python", f"{code}print(max(d, key=d.get))", keys[values.index(max(values))]),
            (
                "Python",
                f'{code}print(d.get("z", {values[1]}) - d["{first}"])',
                str(values[1] - values[0]),
            ),
        )
    )


def _text(rng: random.Random) -> tuple[str, str, str]:
    words = rng.sample(WORDS, 3)
    code, printed = rng.choice(
        (
            (f'print("-".join({words!r}))', "-".join(words)),
            (f"print(sorted({words!r})[0])", sorted(words)[0]),
            (f'print(" ".join(w[0] for w in {words!r}))', " ".join(word[0] for word in words)),
            (f"print([len(w) for w in {words!r}])", str([len(word) for word in words])),
        )
    )
    return "Python", code, printed


def _nested(rng: random.Random) -> tuple[str, str, str]:
    rows, cols, limit = rng.randrange(2, 5), rng.randrange(2, 5), rng.randrange(1, 5)
    found = [r * c for r in range(rows) for c in range(cols) if r + c > limit]
    code = (
        f"found = []\nfor r in range({rows}):\n    for c in range({cols}):\n"
        f"        if r + c > {limit}:\n            found.append(r * c)\n"
        "print(sum(found), len(found))"
    )
    return "Python", code, f"{sum(found)} {len(found)}"


def _bash(rng: random.Random) -> tuple[str, str, str]:
    a, b, word = rng.randrange(2, 20), rng.randrange(2, 9), rng.choice(WORDS)
    code, printed = rng.choice(
        (
            (f"echo $(({a} * {b} + 1))", str(a * b + 1)),
            (f"echo {word} | wc -c", str(len(word) + 1)),
            (f'x={word}; echo "${{x:1:3}}"', word[1:4]),
            (f"seq {a} {a + b} | tail -n 1", str(a + b)),
            (f"echo {word} | tr a-z A-Z", word.upper()),
            (f'x={word}.tar.gz; echo "${{x%.gz}}"', f"{word}.tar"),
        )
    )
    return "Bash", code, printed


def _while(rng: random.Random) -> tuple[str, str, str]:
    start = rng.randrange(3, 30)
    value, steps = start, 0
    while value != 1:
        value = value // 2 if value % 2 == 0 else 3 * value + 1
        steps += 1
    if steps > 20:
        return _loop(rng)
    code = (
        f"n, steps = {start}, 0\nwhile n != 1:\n    n = n // 2 if n % 2 == 0 else 3 * n + 1\n"
        "    steps += 1\nprint(steps)"
    )
    return "Python", code, str(steps)
