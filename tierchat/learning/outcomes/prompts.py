"""Prompts that say how to grade their answers, read from JSON lines.

Does not know models, nor how an answer is graded.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any

import msgspec

from tierchat.decoding import decode_strictly, lines_of
from tierchat.errors import SchemaRefused, UsageError
from tierchat.gates.answer_schema import AnswerSchema
from tierchat.gates.order import Earlier
from tierchat.learning.graders.numbers import readings
from tierchat.learning.graders.rules import Rules
from tierchat.learning.graders.sql import is_query
from tierchat.types import Frozen, Message

PUZZLE = "reasoning_gym:"
# Every grader, with the keys of which a prompt must have one; none where any prompt will do, and
# those without an answer are judged by the top tier.
_NEEDS: dict[str, tuple[str, ...]] = {
    "exact": (),
    "number": (),
    "choice": (),
    "regex": (),
    "text": (),
    "cased": (),
    "list": (),
    "set": (),
    "label": ("options",),
    "json": ("answer", "schema"),
    "rules": ("rules",),
    "refuses": (),
    "shell": (),
    "code": ("test",),
    "regex_works": ("matches",),
    "sql": ("answer",),
}
# Graders that compare with something other than `answer`.
_WITHOUT_ANSWER = ("json", "rules", "refuses", "code", "regex_works")


class GradedPrompt(Frozen, frozen=True, omit_defaults=True):
    """One prompt to learn from or to be judged on.

    `grader` is a name of docs/gates.md or `reasoning_gym:<task>`, for which `entry` is
    reasoning-gym's own record of the task. Prompts of one `group` are never split between fitting
    and judging; a prompt without a group is its own. `family` is the kind of task, for tables and
    transfer. `earlier` holds the turns before the prompt. `marks` maps the exact text of an answer
    to whether a person called it good. `max_tokens` bounds the answer; None leaves that to the
    tier.

    `then` is the next turn of the conversation: a lesson asks it after a tier's own answer to this
    prompt. `answered_by` names the tier that gave the last answer of `earlier`, where one did.

    What graders read beside `answer`: `accept` are other answers that are right. `options` are the
    labels to choose from. `setup` is Python or SQL to be run before the answer, `test` Python that
    asserts, or defines `check(candidate)`, which gets the `entry_point`. `matches` and `mismatches`
    are texts for a regular expression. `schema` is that of a JSON answer, `rules` what any answer
    must be like.
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
    accept: tuple[str, ...] = ()
    options: tuple[str, ...] = ()
    setup: str = ""
    test: str = ""
    entry_point: str = ""
    matches: tuple[str, ...] = ()
    mismatches: tuple[str, ...] = ()
    schema: dict[str, Any] | None = None
    rules: Rules | None = None
    then: GradedPrompt | None = None
    answered_by: str = ""

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
    def before(self) -> Earlier:
        """What a gate may know of the turns before the prompt."""
        num_turns = sum(turn.role == "assistant" for turn in self.earlier)
        return Earlier(num_turns=num_turns, answered_by=self.answered_by)

    @property
    def question(self) -> str:
        """The prompt and the turns before it as one text, for an arbiter."""
        turns = [f"{turn.role}: {turn.content}" for turn in self.earlier]
        return "\n\n".join([*turns, f"user: {self.prompt}"]) if turns else self.prompt

    @property
    def is_ungraded(self) -> bool:
        """Whether there is nothing to compare an answer with, so that the top tier has to judge."""
        has_answer = self.answer is not None or self.entry is not None or bool(self.accept)
        return not has_answer and self.grader not in _WITHOUT_ANSWER

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
    turn: GradedPrompt | None = prompt
    while turn is not None:
        if mistake := _mistake_in(turn):
            raise UsageError(f"{where}: {mistake[0]}", mistake[1])
        if turn.then is not None and (turn.then.earlier or not turn.then.prompt.strip()):
            raise UsageError(
                f"{where}: `then` needs a prompt, and has no turns before it but this one"
            )
        turn = turn.then
    return prompt


def _mistake_in(prompt: GradedPrompt) -> tuple[str, str] | None:
    """Return what keeps the grader from grading, and what to do about it."""
    if prompt.grader.startswith(PUZZLE):
        if prompt.entry is None:
            return f"{prompt.grader} needs the task's own record", "add `entry`"
        return None
    needs = _NEEDS.get(prompt.grader)
    if needs is None:
        known = ", ".join(_NEEDS)
        return f"no grader named {prompt.grader!r}", f"known: {known}, reasoning_gym:<task>"
    if needs and not any(getattr(prompt, name) not in (None, "", ()) for name in needs):
        names = " or ".join(f"`{name}`" for name in needs)
        return f"the grader {prompt.grader} needs {names}", f"add {names}"
    try:
        _try_to_read(prompt)
    except (re.error, SyntaxError, ValueError) as error:
        return str(error), ""
    except SchemaRefused as error:
        return error.message, error.hint
    return None


def _try_to_read(prompt: GradedPrompt) -> None:
    """Raise what is raised on reading the parts of a prompt that are written in some language."""
    answer = prompt.answer
    if prompt.grader == "regex" and answer is not None:
        _compile(answer, "the answer is")
    if prompt.rules is not None:
        _compile(prompt.rules.pattern, "`pattern` is")
        _compile(prompt.rules.lacks_pattern, "`lacks_pattern` is")
    if prompt.grader == "json":
        if answer is not None:
            try:
                json.loads(answer)
            except ValueError as error:
                raise ValueError(f"the answer is no JSON: {error}") from error
        if prompt.schema is not None:
            AnswerSchema(prompt.schema)
    if prompt.grader == "code":
        try:
            compile(f"{prompt.setup}\n{prompt.test}", "test", "exec")
        except (SyntaxError, ValueError) as error:
            raise ValueError(f"`setup` and `test` are no Python: {error}") from error
        if "def check(" in prompt.test and not prompt.entry_point:
            raise ValueError("`check` needs an `entry_point`")
        if prompt.entry_point and not prompt.entry_point.isidentifier():
            raise ValueError(f"`entry_point` is no name: {prompt.entry_point!r}")
    if answer is None:
        return
    if prompt.grader == "number" and not any(map(readings, (answer, *prompt.accept))):
        raise ValueError(f"the answer holds no number: {answer!r}")
    if prompt.grader == "sql" and not is_query(answer, prompt.setup, answer):
        raise ValueError("the answer does not run on SQLite after `setup`")


def _compile(pattern: str, what: str) -> None:
    try:
        re.compile(pattern)
    except re.error as error:
        raise ValueError(f"{what} no regular expression: {error}") from error


def write_prompts(path: Path, prompts: Iterable[GradedPrompt]) -> None:
    """Write a file for `read_prompts`."""
    lines = (msgspec.json.encode(p, order="deterministic").decode() for p in prompts)
    path.write_text("\n".join(lines) + "\n", "utf-8")
