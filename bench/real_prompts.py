"""The prompts of `bench/real.py`: public sets that nobody here wrote, in the forms people ask.

    sets(DIR) reads gsm8k, svamp, mgsm_ru, bbh, humaneval and mbpp `.jsonl` of DIR

Sums come in a short form ("answer with the number only") and in a worked-out form; a question is
asked in one form only, so that no question is in two parts of a split. Every wave holds the same
share of each kind: a run that stops early leaves a smaller matrix, not a lopsided one.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from tierchat.learning.mix.prompts import mix_prompts
from tierchat.learning.outcomes.prompts import GradedPrompt

NUM_WAVES = 12
NUM_LATE_WAVES = 3
NUM_MIX, MIX_SEED, MIX_WAVE = 600, 17, 120
SHORT_TOKENS, LONG_TOKENS = 24, 256
SUMS = {"gsm8k": (200, 90), "svamp": (190, 40), "mgsm_ru": (110, 40)}
_ENGLISH = (
    "\nAnswer with the number only.",
    "\nThink step by step, and end with the answer as a number.",
)
_RUSSIAN = (
    "\nОтветь только числом.",
    "\nРассуждай по шагам и закончи ответом в виде числа.",
)
BBH = (
    "boolean_expressions",
    "date_understanding",
    "navigate",
    "hyperbaton",
    "object_counting",
    "sports_understanding",
    "web_of_lies",
    "reasoning_about_colored_objects",
)
_WORKED_BBH = ("date_understanding", "reasoning_about_colored_objects", "object_counting")
_NUM_SHORT_BBH, _NUM_WORKED_BBH, _NUM_MORE_BBH = 55, 14, 35
_NUM_HUMANEVAL, _NUM_MBPP = 114, 240
_MAX_CODE_CHARS = 900
_TERSE = "Answer with the final answer only: one number, one letter or one word. Never explain."
_TERSE_RUSSIAN = "Отвечай только окончательным ответом: одним числом. Без пояснений."
_CODE = (
    "Complete this Python function. Answer with the whole function in one code block, and nothing "
    "else.\n\n```python\n{code}\n```"
)


def waves(data: Path) -> list[list[GradedPrompt]]:
    """Read the sets and deal every kind of prompt evenly over the waves."""
    dealt: list[list[GradedPrompt]] = [[] for _ in range(NUM_WAVES)]
    for kind in _kinds(data):
        for index, prompt in enumerate(kind):
            dealt[index * NUM_WAVES // len(kind)].append(prompt)
    half = NUM_WAVES // 2
    late = [p for wave in dealt[half:] for p in wave if p.max_tokens == LONG_TOKENS]
    later = [[p for p in wave if p.max_tokens != LONG_TOKENS] for wave in dealt[half:]]
    more = _more_bbh(data)
    for index, prompt in enumerate(more):
        later[index * half // len(more)].append(prompt)
    return [
        *dealt[:half],
        *later,
        *(late[start::NUM_LATE_WAVES] for start in range(NUM_LATE_WAVES)),
    ]


def mix_waves() -> list[list[GradedPrompt]]:
    """Draw from the mix that lessons learn from, balanced over its families in every wave."""
    mix = mix_prompts(NUM_MIX, MIX_SEED)
    return [mix[start : start + MIX_WAVE] for start in range(0, len(mix), MIX_WAVE)]


def set_of(prompt: GradedPrompt) -> str:
    """Return the public set that a prompt is from, or `mix`."""
    name = prompt.family_name.split("/")[0]
    return name if name in (*SUMS, "bbh", "humaneval", "mbpp") else "mix"


def _kinds(data: Path) -> Iterable[list[GradedPrompt]]:
    for name, (num_short, num_worked) in SUMS.items():
        rows = _rows(data, name)
        short, worked = _RUSSIAN if name == "mgsm_ru" else _ENGLISH
        yield [_question(row, short, SHORT_TOKENS) for row in rows[:num_short]]
        worked_rows = rows[num_short : num_short + num_worked]
        yield [_question(row, worked, LONG_TOKENS) for row in worked_rows]
    bbh = _rows(data, "bbh")
    for task in BBH:
        rows = [row for row in bbh if row["family"] == f"bbh/{task}"]
        yield [_question(row, "", SHORT_TOKENS) for row in rows[:_NUM_SHORT_BBH]]
        if task in _WORKED_BBH:
            end = _NUM_SHORT_BBH + _NUM_WORKED_BBH
            ask = "\nThink step by step first."
            yield [_question(row, ask, LONG_TOKENS) for row in rows[_NUM_SHORT_BBH:end]]
    yield [_code("humaneval", row) for row in _rows(data, "humaneval")[:_NUM_HUMANEVAL]]
    short_enough = [row for row in _rows(data, "mbpp") if len(row["prompt"]) < _MAX_CODE_CHARS]
    yield [_code("mbpp", row) for row in short_enough[:_NUM_MBPP]]


def _more_bbh(data: Path) -> list[GradedPrompt]:
    first = _NUM_SHORT_BBH + _NUM_WORKED_BBH
    more = []
    for task in BBH:
        rows = [row for row in _rows(data, "bbh") if row["family"] == f"bbh/{task}"]
        more += [_question(row, "", SHORT_TOKENS) for row in rows[first : first + _NUM_MORE_BBH]]
    random.Random("more").shuffle(more)
    return more


def _rows(data: Path, name: str) -> list[dict[str, Any]]:
    rows = [json.loads(line) for line in (data / f"{name}.jsonl").read_text("utf-8").splitlines()]
    random.Random(f"real {name}").shuffle(rows)
    return rows


def _question(row: dict[str, Any], ask: str, max_tokens: int) -> GradedPrompt:
    terse = _TERSE_RUSSIAN if row["family"] == "mgsm_ru" else _TERSE
    return GradedPrompt(
        system=terse if max_tokens == SHORT_TOKENS else "",
        prompt=row["prompt"] + ask,
        answer=row["answer"],
        grader=row["grader"],
        family=row["family"],
        max_tokens=max_tokens,
    )


def _code(name: str, row: dict[str, Any]) -> GradedPrompt:
    return GradedPrompt(
        prompt=_CODE.format(code=row["prompt"].strip("\n")),
        grader="code",
        setup=_stub(row["prompt"]),
        test=row["test"],
        entry_point=row["entry_point"],
        family=name,
        group=row["entry_point"],
        max_tokens=LONG_TOKENS,
    )


def _stub(code: str) -> str:
    """Return code that may run before the answer: imports and helpers. Some stubs are no Python."""
    for stub in (code, f"{code.rstrip()}\n    pass\n"):
        try:
            compile(stub, "stub", "exec")
        except SyntaxError:
            continue
        return stub
    return ""
