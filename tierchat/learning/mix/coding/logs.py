"""Questions about pasted logs and tables of output, which are generated.

Does not know diffs: see `diffs.py`.
"""

from __future__ import annotations

import random

from tierchat.learning.mix.item import SENTENCE, Item, Language, item, number, pick, saying
from tierchat.learning.mix.words import WORDS

_ERRORS = (
    "connection refused by {w}-db:5432",
    "out of memory while loading {w}",
    "certificate of {w}.example has expired",
    "timeout after 30 s waiting for {w}",
    "permission denied: /var/{w}/state",
    "disk quota exceeded on /mnt/{w}",
)
# What an explanation of an error names, by its beginning.
_SIGNS = {
    "connection": "refused|connect|отклон|отказ|соедин|подключ",
    "out of": "memory|памят",
    "certificate": "expir|ист[её]к|просроч|срок",
    "timeout": "time[d -]*out|waiting|тайм|ожидан|врем",
    "permission": "permission|доступ|прав|разреш",
    "disk": "quota|disk|квот|диск|мест",
}
_CALM = (
    "request GET /{w} finished in {n} ms",
    "user {w} logged in",
    "cache warmed with {n} entries",
    "job {w} started",
    "job {w} finished",
    "config reloaded from /etc/{w}.toml",
)


def logs(rng: random.Random, language: Language) -> Item:
    """One question about some lines."""
    kinds = (_journal, _journal, _journal, _traceback, _table, _access)
    return rng.choice(kinds)(rng, language)


def _ask(rng: random.Random, body: str, question: str) -> str:
    return rng.choice(
        (f"{question}\n\n{body}", f"{body}\n\n{question}", f"{question}\n\n```\n{body}\n```")
    )


def _journal(rng: random.Random, language: Language) -> Item:
    seconds = rng.randrange(30000, 60000)
    words = rng.sample(WORDS, 9)
    num_lines, at = rng.choice((5, 7, 9)), rng.randrange(1, 5)
    failed, error = rng.choice(WORDS), rng.choice(_ERRORS)
    lines: list[tuple[str, str, str]] = []
    for place in range(num_lines):
        seconds += rng.randrange(1, 90)
        time = f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}"
        if place == at:
            lines.append((time, "ERROR", error.format(w=failed)))
        else:
            level = rng.choice(("INFO", "INFO", "INFO", "WARN", "DEBUG"))
            said = rng.choice(_CALM).format(w=words[place], n=rng.randrange(2, 900))
            lines.append((time, level, said))
    body = "\n".join(f"{time} {level} {said}" for time, level, said in lines)
    error_time = lines[at][0]
    group = f"journal {error_time} {failed}"
    kind = rng.choice(("time", "count", "what", "last"))
    if kind == "time":
        question = pick(
            rng,
            language,
            (
                "At what time did the error happen?",
                "When does the ERROR line occur? Only the time.",
            ),
            ("В какое время произошла ошибка?",),
        )
        others = [time for time, _, _ in lines if time != error_time]
        return saying(_ask(rng, body, question), group, [error_time], others, max_tokens=SENTENCE)
    if kind == "count":
        level = rng.choice(("INFO", "WARN", "DEBUG"))
        question = pick(
            rng,
            language,
            (f"How many {level} lines are there?",),
            (f"Сколько здесь строк {level}?",),
        )
        value = sum(one == level for _, one, _ in lines)
        return number(_ask(rng, body, question), group, value, max_tokens=SENTENCE)
    if kind == "what":
        question = pick(
            rng,
            language,
            ("What went wrong here, in one sentence?", "why did it fail?"),
            ("Что пошло не так? Одним предложением.",),
        )
        answer = "(?i)" + next(sign for start, sign in _SIGNS.items() if error.startswith(start))
        return item(
            _ask(rng, body, question), group, f"{error.format(w=failed)}",
            ["Everything is fine.", "A user logged in."], grader="regex",
            answer=answer, max_tokens=SENTENCE + 16,
        )  # fmt: skip
    question = pick(
        rng, language, ("What is the time of the last line?",), ("Какое время у последней строки?",)
    )
    others = [time for time, _, _ in lines[:-1]]
    return saying(_ask(rng, body, question), group, [lines[-1][0]], others, max_tokens=SENTENCE)


def _traceback(rng: random.Random, language: Language) -> Item:
    word, other = rng.sample(WORDS, 2)
    name, said = rng.choice(
        (
            ("KeyError", f"'{word}'"),
            ("ZeroDivisionError", "division by zero"),
            ("FileNotFoundError", f"[Errno 2] No such file or directory: '{word}.json'"),
            ("TypeError", 'can only concatenate str (not "int") to str'),
            ("IndexError", "list index out of range"),
            ("AttributeError", f"'NoneType' object has no attribute '{word}'"),
        )
    )
    first, last = rng.randrange(3, 40), rng.randrange(41, 300)
    body = (
        "Traceback (most recent call last):\n"
        f'  File "/srv/app/{other}.py", line {first}, in <module>\n    main()\n'
        f'  File "/srv/app/{word}_tools.py", line {last}, in load\n    return read(path)\n'
        f"{name}: {said}"
    )
    kind = rng.choice(("type", "line", "file"))
    question = pick(
        rng,
        language,
        {
            "type": ("Which exception is this? Only its name.", "What kind of error was raised?"),
            "line": ("In which line number of its file was the error raised?",),
            "file": ("In which file was the exception raised?",),
        }[kind],
        {
            "type": ("Какое это исключение? Только название.",),
            "line": ("В строке с каким номером возникла ошибка?",),
            "file": ("В каком файле возникло исключение?",),
        }[kind],
    )
    group = f"traceback {other} {word} {last}"
    text = _ask(rng, body, question)
    if kind == "line":
        return saying(text, group, [str(last)], [str(first)], max_tokens=SENTENCE)
    if kind == "file":
        return saying(text, group, [f"{word}_tools.py"], [f"{other}.py"], max_tokens=SENTENCE)
    return saying(text, group, [name], ["ValueError", "main"], max_tokens=SENTENCE)


def _table(rng: random.Random, language: Language) -> Item:
    """The output of `df` or `ps`, made up."""
    names = rng.sample(WORDS, 5)
    shares = rng.sample(range(3, 99), 5)
    full = names[shares.index(max(shares))]
    if rng.random() < 0.5:
        lines = [
            f"/dev/sd{'abcde'[n]}1  {rng.randrange(20, 900)}G  {shares[n]}%  /mnt/{names[n]}"
            for n in range(5)
        ]
        body = "Filesystem  Size  Use%  Mounted on\n" + "\n".join(lines)
        question = pick(
            rng,
            language,
            ("Which mount point is the fullest?",),
            ("Какая точка монтирования заполнена больше всех?",),
        )
    else:
        lines = [f"{rng.randrange(100, 9999):>5} {shares[n]:>5}.0 {names[n]}d" for n in range(5)]
        body = "  PID  %CPU COMMAND\n" + "\n".join(lines)
        full += "d"
        question = pick(
            rng,
            language,
            ("Which command uses the most CPU?",),
            ("Какая команда занимает больше всего процессора?",),
        )
    others = [name + ("d" if full.endswith("d") else "") for name in names]
    wrong = [name for name in others if name != full]
    return saying(_ask(rng, body, question), f"table {names}", [full], wrong, max_tokens=SENTENCE)


def _access(rng: random.Random, language: Language) -> Item:
    words = rng.sample(WORDS, 6)
    codes = [rng.choice((200, 200, 200, 304, 404, 500)) for _ in words]
    address = [f"10.0.0.{rng.randrange(2, 250)}" for _ in words]
    body = "\n".join(
        f'{ip} - - [03/May/2024:12:{n:02}:07] "GET /{word} HTTP/1.1" {code} '
        f"{rng.randrange(90, 9000)}"
        for n, (ip, word, code) in enumerate(zip(address, words, codes, strict=True))
    )
    wanted = rng.choice((200, 404, 500))
    question = pick(
        rng,
        language,
        (f"How many requests have the status {wanted}?", f"Count the {wanted}s. Number only."),
        (f"Сколько запросов с кодом {wanted}?",),
    )
    return number(
        _ask(rng, body, question), f"access {words}", codes.count(wanted), max_tokens=SENTENCE
    )
