"""The mix: every family in turn, so that any beginning of it is balanced.

Does not know what families ask. The same number and seed give the same prompts on every Python.
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterator
from dataclasses import replace

import msgspec

from tierchat.learning.mix.coding import diffs, functions, logs, patterns, queries, shell
from tierchat.learning.mix.item import Draw, Item, Language
from tierchat.learning.mix.knowledge import dates, facts, logic, problems, sums, units
from tierchat.learning.mix.talks import chat, corrections, follow_ups, topics
from tierchat.learning.mix.texts import (
    classify,
    edits,
    extract,
    instructions,
    lists,
    spelling,
    translate,
)
from tierchat.learning.outcomes.prompts import GradedPrompt

FAMILIES: dict[str, Draw] = {
    "facts/world": facts.world,
    "sums/short": sums.short,
    "code/python": functions.functions,
    "edits": edits.edits,
    "chat": chat.chat,
    "talk/follow_up": follow_ups.follow_ups,
    "units": units.units,
    "logs": logs.logs,
    "problems/short": problems.short,
    "extract": extract.extract,
    "instructions": instructions.instructions,
    "facts/science": facts.science,
    "code/output": functions.outputs,
    "talk/correction": corrections.corrections,
    "dates": dates.dates,
    "translate": translate.translate,
    "commit": diffs.commits,
    "sums/worked": sums.worked,
    "unknown": chat.unknown,
    "lists": lists.lists,
    "shell": shell.commands,
    "facts/computing": facts.computing,
    "talk/topic": topics.topics,
    "logic": logic.logic,
    "json": extract.json_records,
    "spelling": spelling.spelling,
    "sql": queries.queries,
    "facts/history": facts.history,
    "talk/recall": topics.recall,
    "diff": diffs.diffs,
    "regex": patterns.patterns,
    "problems/worked": problems.worked,
    "classify": classify.classify,
}
# Every fourth prompt of a family is Russian.
_LANGUAGES: tuple[Language, ...] = ("en", "en", "en", "ru")
# So many draws in vain mean that a family has no more prompts.
_MAX_MISSES = 300


def mix_prompts(num: int, seed: int) -> list[GradedPrompt]:
    """Draw `num` different prompts, of all families in turn; fewer if there are no more."""
    return [item.prompt for item in mix_items(num, seed)]


def mix_items(num: int, seed: int) -> list[Item]:
    """Draw the prompts with answers that are right and wrong."""
    streams: list[Iterator[Item]] = [
        _stream(name, draw, seed, place) for place, (name, draw) in enumerate(FAMILIES.items())
    ]
    found: list[Item] = []
    while streams and len(found) < num:
        drawn = [(stream, next(stream, None)) for stream in streams]
        streams = [stream for stream, item in drawn if item]
        found += [item for _, item in drawn if item]
    return found[:num]


def _stream(name: str, draw: Draw, seed: int, place: int) -> Iterator[Item]:
    """Yield the items of one family, each prompt once."""
    rng = random.Random(f"{seed} {name}")
    seen: set[str] = set()
    # Families begin at different places of the cycle, so that every round has both languages.
    for turn in itertools.count(place):
        language = _LANGUAGES[turn % len(_LANGUAGES)]
        item = _new(rng, draw, language, seen)
        if item is None:
            return
        seen.add(item.prompt.digest)
        # Groups are shared: a fact that is asked for alone also ends conversations.
        prompt = msgspec.structs.replace(item.prompt, family=name)
        yield replace(item, prompt=prompt)


def _new(rng: random.Random, draw: Draw, language: Language, seen: set[str]) -> Item | None:
    for _ in range(_MAX_MISSES):
        item = draw(rng, language)
        if item.prompt.digest not in seen:
            return item
    return None
