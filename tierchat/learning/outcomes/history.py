"""Prompts of one's own log, to learn from: what people really ask, and what they said of answers.

Does not know models or grading.
"""

from __future__ import annotations

from pathlib import Path

from tierchat.conversations.reader import LogReader, messages_of, open_log
from tierchat.errors import UsageError
from tierchat.learning.outcomes.prompts import GradedPrompt

_MAX_CONVERSATIONS = 100_000


def history_prompts(log_file: Path, num: int) -> list[GradedPrompt]:
    """Read the newest `num` prompts with the turns before them; a conversation is one group.

    Marks count for undone and replaced answers too. Raises UsageError when nothing is saved.
    """
    found: dict[str, GradedPrompt] = {}
    with open_log(log_file) as log:
        rows = log.conversations(_MAX_CONVERSATIONS) if log else []
        for row in rows:
            assert log is not None
            for prompt in _of_conversation(log, row.id):
                found.setdefault(prompt.digest, prompt)
            if len(found) >= num:
                break
    if not found:
        raise UsageError("nothing is saved to learn from", "`tierchat ask` saves what it is asked")
    return list(found.values())[:num]


def _of_conversation(log: LogReader, id: str) -> list[GradedPrompt]:
    exchanges = log.exchanges(id, is_whole=True, with_hidden=True)
    marks: dict[str, dict[str, bool]] = {}
    for exchange in exchanges:
        if exchange.mark:
            said = marks.setdefault(exchange.prompt, {})
            said[exchange.answer.strip()] = exchange.mark > 0
    shown = [exchange for exchange in exchanges if not exchange.hidden_by]
    return [
        GradedPrompt(
            prompt=exchange.prompt,
            family=exchange.template or "history",
            group=id,
            system=exchange.system,
            earlier=tuple(messages_of(shown[:place])),
            marks=marks.get(exchange.prompt, {}),
        )
        for place, exchange in enumerate(shown)
        if exchange.kind == "exchange"
    ]
