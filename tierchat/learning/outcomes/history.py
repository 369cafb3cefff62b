"""Prompts from the user's own log to learn from, with the marks that people gave to answers.

Does not know models or grading.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from tierchat.conversations.reader import LogReader, messages_of, open_log
from tierchat.conversations.rows import ExchangeRow
from tierchat.errors import UsageError
from tierchat.learning.outcomes.prompts import GradedPrompt

_MAX_CONVERSATIONS = 100_000


def history_prompts(log_file: Path, num: int) -> list[GradedPrompt]:
    """Read the newest `num` prompts with the turns before them; a conversation is one group.

    The marks of undone and replaced answers count too. Raises UsageError when nothing is saved.
    """
    prompts: dict[str, GradedPrompt] = {}
    with open_log(log_file) as log:
        rows = log.conversations(_MAX_CONVERSATIONS) if log else []
        for row in rows:
            assert log is not None
            for prompt in _of_conversation(log, row.id):
                prompts.setdefault(prompt.digest, prompt)
            if len(prompts) >= num:
                break
    if not prompts:
        raise UsageError(
            "there are no saved conversations to learn from",
            "`tierchat ask` saves its conversations",
        )
    return list(prompts.values())[:num]


def _of_conversation(log: LogReader, id: str) -> list[GradedPrompt]:
    exchanges = log.exchanges(id, is_whole=True, with_hidden=True)
    marks: dict[str, dict[str, bool]] = {}
    for exchange in exchanges:
        if exchange.mark:
            of_prompt = marks.setdefault(exchange.prompt, {})
            of_prompt[exchange.answer.strip()] = exchange.mark > 0
    shown = [exchange for exchange in exchanges if not exchange.hidden_by]
    return [
        GradedPrompt(
            prompt=exchange.prompt,
            family=exchange.template or "history",
            group=id,
            system=exchange.system,
            earlier=tuple(messages_of(shown[:index])),
            answered_by=_answered_by(shown[:index]),
            marks=marks.get(exchange.prompt, {}),
        )
        for index, exchange in enumerate(shown)
        if exchange.kind == "exchange"
    ]


def _answered_by(exchanges: Sequence[ExchangeRow]) -> str:
    """Return the tier that gave the last answer; empty where that is not known."""
    return next((row.tier or "" for row in reversed(exchanges) if row.answer.strip()), "")
