"""The bench of conversations: 200 that can be graded, walked as the daemon would walk them."""

from __future__ import annotations

import importlib
from collections import Counter
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from tests.learning.test_collect import PROBE
from tierchat.cascade.follow_up import leans
from tierchat.learning.outcomes.matrix import Cell
from tierchat.learning.outcomes.prompts import GradedPrompt, read_prompts, write_prompts
from tierchat.learning.outcomes.talks import after

BENCH = Path(__file__).parents[2] / "bench"


def bench(name: str, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(BENCH)
    return importlib.import_module(name)


def test_there_are_200_different_conversations_in_two_languages(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    talks = bench("conversation_scripts", monkeypatch).talks()
    assert len({talk.group for talk in talks}) == 200
    kinds = Counter(tuple(talk.then.family.split("/")[::2]) for talk in talks)
    assert min(kinds.values()) >= 10 and set(kinds) == {
        (kind, language)
        for kind in ("follow-up", "correction", "topic")
        for language in ("en", "ru")
    }
    assert sum(talk.then.then is not None for talk in talks) >= 30
    write_prompts(tmp_path / "talks.jsonl", talks)
    assert len(read_prompts(tmp_path / "talks.jsonl")) >= 90


def test_follow_ups_are_told_from_topics(monkeypatch: pytest.MonkeyPatch) -> None:
    turns: list[GradedPrompt] = bench("conversation_scripts", monkeypatch).talks()
    found: Counter[tuple[bool, bool]] = Counter()
    while turns := [after(t, t.answer or "def f(): pass", "M") for t in turns if t.then]:
        for turn in turns:
            found[not turn.family.startswith("topic"), leans(turn.messages)] += 1
    assert found[True, False] <= 0.01 * (found[True, True] + found[True, False])
    assert found[False, False] >= 0.85 * (found[False, True] + found[False, False])


def cell(tier: int, num_prompt: int, margin: float) -> Cell:
    first = type(PROBE.first)(margin=margin, num_prompt_tokens=num_prompt)
    probe = type(PROBE)(
        first=first, first_hidden=b"", second=first, second_hidden=b"", logprobs=(),
        prompt_tokens=(),
    )  # fmt: skip
    return Cell(True, f"said by {tier}", num_prompt, 5, 0.1, probe)


def walked(walks: Any, policy: Any, talk: GradedPrompt) -> tuple[list[str], Any]:
    """Walk a conversation in which only M is sure of itself."""
    walk = walks.Walk(policy, ("XS", "S", "M"), (1.0, 5.0, 20.0))
    asked, way = [], walk.run(talk)
    tier, prompt = next(way)
    while True:
        asked.append(("XS", "S", "M")[tier])
        try:
            tier, prompt = way.send(cell(tier, 10 + 10 * len(prompt.earlier), tier / 2))
        except StopIteration:
            return asked, walk


def test_a_policy_with_floors_goes_on_where_the_last_turn_was_answered(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    walks = bench("conversation_walks", monkeypatch)
    gate = walks.margin_gate(0.9)
    talk = GradedPrompt(prompt="17*24?", then=GradedPrompt(prompt="Are you sure?"))
    bottom, _ = walked(walks, walks.Policy("bottom", gate), talk)
    assert bottom == ["XS", "S", "M"] * 2
    floors, walk = walked(walks, walks.Policy("floors", gate, has_floors=True), talk)
    assert floors == ["XS", "S", "M", "M"]
    first, second = walk.turns
    assert (first.tier, second.tier, second.began) == (2, 2, 2)
    # 10 tokens read by all three, 5 written by M; then 15 of the 30 are in its cache.
    assert first.compute == 10 * 26 + 5 * 20 and second.compute == (15 + 5) * 20
    top, _ = walked(walks, walks.Policy("top"), talk)
    assert top == ["M", "M"]
