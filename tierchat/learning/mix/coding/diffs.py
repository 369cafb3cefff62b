"""Questions about a pasted `git diff`, and commit messages to write for one.

Diffs are generated: each changes one small thing, whose names a message may be asked for.
"""

from __future__ import annotations

import random
from dataclasses import dataclass

from tierchat.learning.graders.rules import Rules
from tierchat.learning.mix.item import SENTENCE, Item, Language, item, number, pick, saying
from tierchat.learning.mix.words import WORDS

_MAX_SUBJECT = 72
_LIMITS_RU = {
    "timeout": "тайм",
    "retries": "повтор",
    "page size": "размер",
    "cache size": "кэш",
}
_FOLDERS = ("src", "app", "lib", "tools", "server")


@dataclass(frozen=True)
class Change:
    """A diff of one file; `topics` are words of which a good message says one."""

    file: str
    removed: tuple[str, ...]
    added: tuple[str, ...]
    before: tuple[str, ...]
    after: tuple[str, ...]
    topics: tuple[str, ...]
    topics_ru: tuple[str, ...]
    message: str

    @property
    def text(self) -> str:
        """The change as `git diff` prints it."""
        context = len(self.before) + len(self.after)
        start = 10 + len(self.file)
        place = f"-{start},{context + len(self.removed)} +{start},{context + len(self.added)}"
        return "\n".join(
            (
                f"diff --git a/{self.file} b/{self.file}",
                f"index 3f2a91c..b70d4e5 100644\n--- a/{self.file}\n+++ b/{self.file}",
                f"@@ {place} @@",
                *(f" {line}" for line in self.before),
                *(f"-{line}" for line in self.removed),
                *(f"+{line}" for line in self.added),
                *(f" {line}" for line in self.after),
            )
        )


def draw_change(rng: random.Random) -> Change:
    """Generate one change."""
    return rng.choice((_limit, _guard, _renamed, _typo, _logged, _removed, _dependency, _option))(
        rng
    )


def _names(rng: random.Random) -> tuple[str, str, str]:
    first, second, third = rng.sample(WORDS, 3)
    return first, second, f"{rng.choice(_FOLDERS)}/{third}.py"


def _limit(rng: random.Random) -> Change:
    name, _, file = _names(rng)
    what = rng.choice(list(_LIMITS_RU))
    constant = f"{name}_{what.replace(' ', '_')}".upper()
    old, new = rng.sample((5, 10, 15, 30, 60, 120), 2)
    return Change(
        file,
        (f"{constant} = {old}",),
        (f"{constant} = {new}",),
        ("import os", ""),
        ("", "def main():"),
        (name, what, what.split()[0], constant, str(new)),
        (name, _LIMITS_RU[what], constant, str(new)),
        f"Change {name} {what} from {old} to {new}",
    )


def _guard(rng: random.Random) -> Change:
    name, other, file = _names(rng)
    return Change(
        file,
        (),
        (f"    if not {other}:", "        return None"),
        (f"def load_{name}({other}):",),
        (f"    return open({other}).read()",),
        (name, other, "empty", "none", "missing", "check"),
        (name, other, "пуст", "провер", "none", "возвращ"),
        f"Return None from load_{name} when {other} is empty",
    )


def _renamed(rng: random.Random) -> Change:
    name, other, file = _names(rng)
    return Change(
        file,
        (f"def get_{name}(items):", f"    {name} = items[0]", f"    return {name}"),
        (f"def first_{other}(items):", f"    {other} = items[0]", f"    return {other}"),
        ("",),
        ("", ""),
        ("rename", name, other),
        ("переимен", name, other),
        f"Rename get_{name} to first_{other}",
    )


def _typo(rng: random.Random) -> Change:
    name, other, _ = _names(rng)
    wrong, right = rng.choice(
        (
            ("recieve", "receive"),
            ("seperate", "separate"),
            ("occured", "occurred"),
            ("adress", "address"),
        )
    )
    return Change(
        f"docs/{name}.md",
        (f"The {other} will {wrong} the data.",),
        (f"The {other} will {right} the data.",),
        (f"# {name.title()}", ""),
        ("", "See also the guide."),
        ("typo", "spell", "fix", "correct", "grammar", "wording"),
        ("опечат", "орфограф", "исправ", "правопис"),
        f"Fix a typo in docs/{name}.md",
    )


def _logged(rng: random.Random) -> Change:
    name, other, file = _names(rng)
    return Change(
        file,
        (f'    print("{name}", {other})',),
        (f'    log.debug("{name} %s", {other})',),
        (f"def send_{name}({other}):",),
        (f"    queue.put({other})",),
        ("log", "print", name),
        ("лог", "журнал", "print", "log", name),
        f"Log {name} instead of printing it",
    )


def _removed(rng: random.Random) -> Change:
    name, other, file = _names(rng)
    return Change(
        file,
        (f"def old_{name}({other}):", "    # not used since 2.0", f"    return {other} + 1", ""),
        (),
        ("", ""),
        (f"def {name}({other}):", f"    return {other} + 2"),
        ("remove", "delete", "drop", "unused", "clean", name),
        ("удал", "убра", "неиспольз", name),
        f"Remove the unused old_{name}",
    )


def _dependency(rng: random.Random) -> Change:
    name, other, _ = _names(rng)
    old, new = (
        f"{rng.randrange(1, 4)}.{rng.randrange(9)}",
        f"{rng.randrange(4, 9)}.{rng.randrange(9)}",
    )
    return Change(
        "pyproject.toml",
        (f'  "{name}>={old}",',),
        (f'  "{name}>={new}",',),
        ("dependencies = [",),
        (f'  "{other}>=1.0",', "]"),
        (name, "dependency", "dependencies", "bump", "upgrade", new),
        (name, "зависимост", "обнов", new),
        f"Require {name} {new}",
    )


def _option(rng: random.Random) -> Change:
    name, other, file = _names(rng)
    return Change(
        file,
        (),
        (f'    parser.add_argument("--{name}", type=int, default=3)',),
        ("def arguments():", "    parser = argparse.ArgumentParser()"),
        (f'    parser.add_argument("--{other}")', "    return parser.parse_args()"),
        (name, "option", "argument", "flag"),
        (name, "опци", "аргумент", "параметр", "флаг"),
        f"Add the option --{name}",
    )


def diffs(rng: random.Random, language: Language) -> Item:
    """A question about what a diff changes."""
    change = draw_change(rng)
    kind = rng.choice(("file", "added", "removed", "file"))
    question = pick(
        rng,
        language,
        {
            "file": (
                "Which file does this diff change?",
                "which file is changed here? only the path",
            ),
            "added": ("How many lines does this diff add?",),
            "removed": ("How many lines does this diff remove?",),
        }[kind],
        {
            "file": ("Какой файл меняет этот diff?",),
            "added": ("Сколько строк добавляет этот diff?",),
            "removed": ("Сколько строк удаляет этот diff?",),
        }[kind],
    )
    text = rng.choice((f"{question}\n\n{change.text}", f"{change.text}\n\n{question}"))
    group = f"diff {change.file} {change.message}"
    if kind == "file":
        return saying(
            text,
            group,
            [change.file, change.file.split("/")[-1]],
            ["src/other.py"],
            max_tokens=SENTENCE,
        )
    value = len(change.added if kind == "added" else change.removed)
    return number(text, group, value, max_tokens=SENTENCE)


def commits(rng: random.Random, language: Language) -> Item:
    """A commit message to write: one line that names the change and is not the diff again."""
    change = draw_change(rng)
    question = pick(
        rng,
        language,
        (
            "Write the commit message for this change, one line.",
            "Write a one-line git commit message (at most 72 characters) for this diff.",
            "commit message for this, one line only",
        ),
        ("Напиши сообщение коммита для этого изменения, одной строкой, по-русски.",),
    )
    text = rng.choice((f"{question}\n\n{change.text}", f"{change.text}\n\n{question}"))
    return item(
        text,
        f"commit {change.file} {change.message}",
        _right_message(change, language),
        ["Update files", change.text, f"{change.message}\n\n{change.text}", "Here is the message:"],
        grader="rules",
        rules=message_rules(change, language),
        max_tokens=SENTENCE,
    )


def _right_message(change: Change, language: Language) -> str:
    return (
        f"Исправить поведение: {', '.join(change.topics_ru[:2])}"
        if language == "ru"
        else change.message
    )


def message_rules(change: Change, language: Language) -> Rules:
    """Return what a good message for a change is like."""
    return Rules(
        min_words=2,
        max_lines=1,
        # Quotes or code marks around a message of the greatest length are no fault.
        max_chars=_MAX_SUBJECT + 4,
        any=change.topics_ru if language == "ru" else change.topics,
        lacks=("diff --git", "@@", "+++", "index "),
        lacks_pattern=r"^[-+]\s*\w",
        # Names of the code may take up more letters than the words around them.
        pattern="[а-яё]{4}" if language == "ru" else "[a-z]{3}",
    )
