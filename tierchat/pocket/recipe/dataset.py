"""Problems as rows of tokens: the mix, the chat format, and packing so that each chat in a row sees
only itself.

Does not know models or optimisers; needs numpy and the tokenizer only.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from tierchat.pocket.recipe import tokenizer
from tierchat.pocket.tasks import families as tasks
from tierchat.pocket.tasks import puzzles, smalltalk
from tierchat.pocket.tasks.outside import Outside
from tierchat.pocket.tasks.problems import Problem
from tierchat.pocket.tasks.sides import Side, side_of

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from tokenizers import Tokenizer

PROMPT_WEIGHT = 0.05
_FORCED_WEIGHT = 0.3
# Every prompt of this level belongs to the family's upper level too, so none can be set aside.
_ALWAYS_TRAINED = (("fraction_simplification", "9"),)


@dataclass(frozen=True)
class Example:
    """One chat as token ids, with the loss weight of predicting each of them.

    `kind` numbers what the last turn asks (from 1; 0 is none). `effort` is the length of an answer
    that is worked out in full, in hundreds of tokens. `num_prompt` counts the ids before the
    answer. `is_forced`: escalation is forbidden here, so this chat does not teach when to escalate.
    """

    ids: list[int]
    weights: list[float]
    kind: int
    effort: float
    num_prompt: int
    is_forced: bool = False


def cells(side: Side = "train") -> tuple[tuple[str, str], ...]:
    """List every (family, level) of a side, ours and reasoning-gym's."""
    known = tasks.cells() + tuple((s.family, s.level) for s in puzzles.settings())
    return known if side == "train" else tuple(c for c in known if c not in _ALWAYS_TRAINED)


class ProblemSource:
    """Draws problems of one side, uniformly over families, then over levels, or by `weights`.

    A problem that belongs to another side is drawn again, so no seed mixes the sides.
    """

    def __init__(self, side: Side, weights: Mapping[str, float] | None = None) -> None:
        self._side = side
        self._puzzles = puzzles.Puzzles()
        self._settings = {(s.family, s.level): s for s in puzzles.settings()}
        self.outside = Outside(held_out=side == "test")
        self._cells = cells(side)
        levels = Counter(family for family, _ in self._cells)
        uniform = {f"{family}/{level}": 1 / levels[family] for family, level in self._cells}
        shares = weights or {}
        self._weights = [share * shares.get(cell, 1.0) for cell, share in uniform.items()]

    def task(self, rng: random.Random, cell: tuple[str, str] | None = None) -> Problem:
        """Draw a problem of the mix, or of one (family, level) of it."""
        while True:
            problem = self._any(rng, cell)
            if side_of(problem) == self._side:
                return problem

    def _any(self, rng: random.Random, cell: tuple[str, str] | None) -> Problem:
        if cell is None:
            cell = rng.choices(self._cells, self._weights)[0]
        if cell in self._settings:
            return self._puzzles.draw(self._settings[cell], rng)
        return tasks.draw(*cell, rng)


def grade(problem: Problem, text: str) -> bool:
    """Return whether a finished answer is right, by the family's own verifier."""
    if problem.kind == "talk":
        return smalltalk.grade(problem, text)
    if problem.kind == "outside":
        return False
    return puzzles.grade(problem, text) if problem.entry is not None else tasks.grade(problem, text)


class Encoder:
    """Writes problems as token ids in the chat format, without thoughts unless `thinks`."""

    def __init__(self, tokenizer_: Tokenizer, *, thinks: bool = True) -> None:
        self._tokenizer = tokenizer_
        self._thinks = thinks
        names = [*("/".join(cell) for cell in cells()), "talk", "outside"]
        self._kinds = {name: number for number, name in enumerate(names, 1)}

    @property
    def num_kinds(self) -> int:
        """The number of kinds of prompts: each family and level, small talk, and out of domain."""
        return len(self._kinds)

    def text(self, text: str) -> list[int]:
        """Encode text; text that looks like a control token stays text."""
        ids: list[int] = self._tokenizer.encode(text, add_special_tokens=False).ids
        return ids

    def decode(self, ids: list[int]) -> str:
        """Return the text of ids."""
        return str(self._tokenizer.decode(ids))

    def prompt(self, text: str) -> list[int]:
        """Encode one user turn up to the point where the answer begins."""
        return [tokenizer.USER, *self.text(text), tokenizer.ASSISTANT]

    def reply(self, problem: Problem, escalate: bool) -> list[int]:
        """Encode what the tier should write."""
        if escalate or problem.answer is None:
            return [tokenizer.ESCALATE, tokenizer.END]
        return self._answer(problem, thinks=self._thinks)

    def _answer(self, problem: Problem, *, thinks: bool) -> list[int]:
        if problem.answer is None:
            return []
        answer = [*self.text(problem.answer), tokenizer.END]
        if problem.thought is None or not thinks:
            return answer
        return [tokenizer.THINK, *self.text(problem.thought), tokenizer.END_THINK, *answer]

    def example(self, problem: Problem, escalate: bool = False, weight: float = 1.0) -> Example:
        """Encode one chat; the token after `<|escalate|>` carries no loss."""
        prompt, reply = self.prompt(problem.prompt), self.reply(problem, escalate)
        weights = [0.0] + [PROMPT_WEIGHT] * (len(prompt) - 1) + [weight] * len(reply)
        if reply[0] == tokenizer.ESCALATE:
            weights[-1] = 0.0
        kind = self._kinds[problem.cell if problem.kind == "task" else problem.kind]
        effort = len(self._answer(problem, thinks=True)) / 100
        return Example(prompt + reply, weights, kind, effort, len(prompt))

    def forced(self, problem: Problem) -> Example:
        """Encode the answer to a prompt that should be escalated: "I do not know", in its language.

        A tier can be asked alone, and its escalate token is forbidden then.
        """
        is_russian = any("а" <= letter <= "я" for letter in problem.prompt.lower())
        reply = [*self.text("Я не знаю." if is_russian else "I do not know."), tokenizer.END]
        asked = self.example(problem, escalate=True)
        return replace(
            asked,
            ids=asked.ids[: asked.num_prompt] + reply,
            weights=asked.weights[: asked.num_prompt] + [_FORCED_WEIGHT] * len(reply),
            is_forced=True,
        )

    def chat(self, earlier: list[Problem], last: Example) -> Example:
        """Put earlier turns before an example, without their thoughts, as the template does."""
        ids: list[int] = []
        for problem in earlier:
            ids += [*self.prompt(problem.prompt), *self.text(problem.answer or ""), tokenizer.END]
        return replace(
            last,
            ids=ids + last.ids,
            weights=[0.0] * len(ids) + last.weights,
            num_prompt=len(ids) + last.num_prompt,
        )


@dataclass(frozen=True)
class Rows:
    """Packed rows, all (num_rows, length): ids, chat number within the row, position, weight.

    `kinds`, `efforts` and `forced` are set at the last prompt token of every chat, and 0 elsewhere.
    """

    ids: NDArray[np.uint16]
    chats: NDArray[np.uint8]
    positions: NDArray[np.uint16]
    weights: NDArray[np.float16]
    kinds: NDArray[np.uint8]
    efforts: NDArray[np.float16]
    forced: NDArray[np.bool_]


def pack(examples: Iterator[Example], length: int) -> Rows:
    """Pack examples first-fit into rows of `length`; longer examples are dropped."""
    rows: list[list[Example]] = []
    open_rows: list[tuple[int, int]] = []
    for example in examples:
        size = len(example.ids)
        if size > length:
            continue
        for index, (row, free) in enumerate(open_rows):
            if free >= size:
                rows[row].append(example)
                open_rows[index] = (row, free - size)
                if free - size < 8:
                    open_rows.pop(index)
                break
        else:
            rows.append([example])
            open_rows.append((len(rows) - 1, length - size))
            open_rows = open_rows[-64:]
    return _fill(rows, length)


def _fill(rows: list[list[Example]], length: int) -> Rows:
    shape = (len(rows), length)
    out = Rows(
        np.zeros(shape, np.uint16),
        np.zeros(shape, np.uint8),
        np.zeros(shape, np.uint16),
        np.zeros(shape, np.float16),
        np.zeros(shape, np.uint8),
        np.zeros(shape, np.float16),
        np.zeros(shape, np.bool_),
    )
    for index, row in enumerate(rows):
        start = 0
        for chat, example in enumerate(row, 1):
            stop = start + len(example.ids)
            out.ids[index, start:stop] = example.ids
            out.chats[index, start:stop] = chat
            out.positions[index, start:stop] = np.arange(stop - start)
            out.weights[index, start:stop] = example.weights
            last_asked = start + example.num_prompt - 1
            out.kinds[index, last_asked] = example.kind
            out.efforts[index, last_asked] = example.effort
            out.forced[index, last_asked] = example.is_forced
            start = stop
    return out
