"""Prompts from the user's own log to learn from, with the marks that people gave to answers.

Does not know models or grading.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from tierchat.conversations.reader import LogReader, messages_of, open_log
from tierchat.conversations.rows import ExchangeRow
from tierchat.errors import UsageError
from tierchat.learning.outcomes.prompts import GradedPrompt

_MAX_CONVERSATIONS = 100_000


@dataclass(frozen=True)
class DatedPrompt:
    """A saved prompt, and when it was asked."""

    prompt: GradedPrompt
    asked_at: datetime


def history_prompts(log_file: Path, num: int) -> list[GradedPrompt]:
    """Read the newest `num` prompts with the turns before them; a conversation is one group.

    The marks of undone and replaced answers count too. Raises UsageError when nothing is saved.
    """
    with open_log(log_file) as log:
        found = dated_prompts(log, None, num) if log else []
    if not found:
        raise UsageError(
            "there are no saved conversations to learn from",
            "`tierchat ask` saves its conversations",
        )
    return [dated.prompt for dated in found]


def dated_prompts(log: LogReader, cascade: str | None, num: int) -> list[DatedPrompt]:
    """Read the newest `num` prompts, each once; only those that one cascade was asked, if given."""
    prompts: dict[str, DatedPrompt] = {}
    for row in log.conversations(_MAX_CONVERSATIONS):
        if cascade is not None and row.cascade != cascade:
            continue
        for dated in _of_conversation(log, row.id):
            prompts.setdefault(dated.prompt.digest, dated)
        if len(prompts) >= num:
            break
    return list(prompts.values())[:num]


def _of_conversation(log: LogReader, id: str) -> list[DatedPrompt]:
    exchanges = log.exchanges(id, is_whole=True, with_hidden=True)
    marks: dict[str, dict[str, bool]] = {}
    for exchange in exchanges:
        if exchange.mark:
            of_prompt = marks.setdefault(exchange.prompt, {})
            of_prompt[exchange.answer.strip()] = exchange.mark > 0
    shown = [exchange for exchange in exchanges if not exchange.hidden_by]
    return [
        DatedPrompt(
            GradedPrompt(
                prompt=exchange.prompt,
                family=exchange.template or "history",
                group=id,
                system=exchange.system,
                earlier=tuple(messages_of(shown[:index])),
                answered_by=_answered_by(shown[:index]),
                marks=marks.get(exchange.prompt, {}),
            ),
            datetime.fromisoformat(exchange.created_at),
        )
        for index, exchange in enumerate(shown)
        if exchange.kind == "exchange"
    ]


def _answered_by(exchanges: Sequence[ExchangeRow]) -> str:
    """Return the tier that gave the last answer; empty where that is not known."""
    return next((row.tier or "" for row in reversed(exchanges) if row.answer.strip()), "")
