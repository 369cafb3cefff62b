"""Prompts that say how to grade their answers, read from JSON lines.

Does not know models. Graders are exact: no grader asks a model.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Annotated, Any

import msgspec

from tierchat.decoding import decode_strictly, lines_of
from tierchat.errors import UsageError
from tierchat.types import Frozen, Message

_NUMBER = re.compile(r"[-+]?\d[\d\s,_]*(?:\.\d+)?(?:[eE][-+]?\d+)?")
_CHOICE = re.compile(r"\b([A-Z])\b")
_PLAIN = ("exact", "number", "choice", "regex")
_PUZZLE = "reasoning_gym:"


class GradedPrompt(Frozen, frozen=True):
    """One prompt to learn from or to be judged on.

    `grader` is exact, number, choice, regex or `reasoning_gym:<task>`, for which `entry` is
    reasoning-gym's own record of the task. Prompts of one `group` are never split between fitting
    and judging; a prompt without a group is its own. `family` is the kind of task, for tables and
    transfer. `earlier` holds the turns before the prompt. `marks` maps the exact text of an answer
    to whether a person called it good. `max_tokens` bounds the answer; None leaves that to the
    tier.
    """

    prompt: str
    answer: str | None = None
    grader: str = "exact"
    family: str = ""
    group: str = ""
    system: str = ""
    entry: dict[str, Any] | None = None
    earlier: tuple[Message, ...] = ()
    marks: dict[str, bool] = msgspec.field(default_factory=dict)
    max_tokens: Annotated[int, msgspec.Meta(ge=1)] | None = None

    @property
    def digest(self) -> str:
        """The prompt's name, made from its content."""
        turns = "".join(f"\0{turn.role}\0{turn.content}" for turn in self.earlier)
        named = f"{self.system}{turns}\0{self.prompt}"
        return hashlib.blake2b(named.encode("utf-8", "replace"), digest_size=12).hexdigest()

    @property
    def messages(self) -> tuple[Message, ...]:
        """The conversation that is sent to a tier."""
        system = (Message(role="system", content=self.system),) if self.system else ()
        return (*system, *self.earlier, Message(role="user", content=self.prompt))

    @property
    def question(self) -> str:
        """The prompt and the turns before it as one text, for an arbiter."""
        turns = [f"{turn.role}: {turn.content}" for turn in self.earlier]
        return "\n\n".join([*turns, f"user: {self.prompt}"]) if turns else self.prompt

    @property
    def is_ungraded(self) -> bool:
        """Whether there is nothing to compare an answer with, so that the top tier has to judge."""
        return self.answer is None and self.entry is None

    @property
    def group_name(self) -> str:
        return self.group or self.digest

    @property
    def family_name(self) -> str:
        return self.family or self.grader


def read_prompts(path: Path) -> list[GradedPrompt]:
    """Read a file of JSON lines, each prompt once.

    Raises UsageError that names the file, the line and the mistake.
    """
    try:
        lines = lines_of(decode_strictly(path.read_bytes()))
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror}", "check --prompts") from error
    except UnicodeDecodeError as error:
        place = error.object.count(b"\n", 0, error.start) + 1
        raise UsageError(
            f"{path}, line {place}: this is not UTF-8 text (byte {error.start})",
            "convert it: iconv -t utf-8",
        ) from error
    prompts: dict[str, GradedPrompt] = {}
    for number, line in enumerate(lines, 1):
        if line.strip():
            prompt = _read_line(f"{path}, line {number}", line)
            prompts.setdefault(prompt.digest, prompt)
    if not prompts:
        raise UsageError(
            f"{path} holds no prompts", 'write lines like {"prompt": "2+2", "answer": "4"}'
        )
    return list(prompts.values())


def _read_line(where: str, line: str) -> GradedPrompt:
    try:
        prompt = msgspec.json.decode(line, type=GradedPrompt)
    except (msgspec.ValidationError, msgspec.DecodeError) as error:
        raise UsageError(
            f"{where}: {error}", "known keys: " + ", ".join(GradedPrompt.__struct_fields__)
        ) from error
    if not prompt.prompt.strip():
        raise UsageError(f"{where}: the prompt is empty")
    if prompt.grader.startswith(_PUZZLE):
        if prompt.entry is None:
            raise UsageError(f"{where}: {prompt.grader} needs the task's own record", "add `entry`")
    elif prompt.grader not in _PLAIN:
        raise UsageError(
            f"{where}: no grader named {prompt.grader!r}",
            f"known: {', '.join(_PLAIN)}, reasoning_gym:<task>",
        )
    if prompt.grader == "regex" and prompt.answer is not None:
        try:
            re.compile(prompt.answer)
        except re.error as error:
            raise UsageError(f"{where}: the answer is no regular expression: {error}") from error
    return prompt


def write_prompts(path: Path, prompts: Iterable[GradedPrompt]) -> None:
    """Write a file for `read_prompts`."""
    lines = (msgspec.json.encode(p, order="deterministic").decode() for p in prompts)
    path.write_text("\n".join(lines) + "\n", "utf-8")


def grade(prompt: GradedPrompt, text: str) -> bool | None:
    """Return whether an answer is right; None when the prompt has no answer to compare with.

    number: compares the last number of the text, without blanks and thousands separators. choice:
    compares the last capital letter that is a word by itself. regex: searches the whole text. A
    person's mark overrides the grader. Raises UsageError when reasoning-gym is needed and missing.
    """
    if text.strip() in prompt.marks:
        return prompt.marks[text.strip()]
    if prompt.grader.startswith(_PUZZLE):
        score = _scorer(prompt.grader.removeprefix(_PUZZLE))
        return bool(score(answer=text.strip(), entry=prompt.entry) == 1.0)
    wanted = prompt.answer
    if wanted is None:
        return None
    match prompt.grader:
        case "number":
            given, right = _last_number(text), _last_number(wanted)
            return given is not None and right is not None and abs(given - right) < 1e-6
        case "choice":
            letters = _CHOICE.findall(text)
            return bool(letters) and letters[-1] == wanted.strip().upper()
        case "regex":
            return re.search(wanted, text) is not None
    return text.strip() == wanted.strip()


def _last_number(text: str) -> float | None:
    numbers = _NUMBER.findall(text)
    return float(re.sub(r"[\s,_]", "", numbers[-1])) if numbers else None


@cache
def _scorer(task: str) -> Any:
    try:
        import reasoning_gym
    except ImportError as error:
        raise UsageError(
            "reasoning-gym is not installed", 'run: pip install "tierchat[train]"'
        ) from error
    try:
        return reasoning_gym.get_score_answer_fn(task)
    except ValueError as error:
        raise UsageError(f"reasoning-gym has no task named {task!r}") from error
