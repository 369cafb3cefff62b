"""200 conversations of our own, English and Russian, with an exact grader for every turn.

Two thirds are follow-ups that lean on what was said and corrections ("shorter", "are you sure?"),
one third are changes of topic; some have a third turn. Nothing was ever taught on them. A turn's
family is `KIND/WHAT/LANGUAGE`, its kind `first`, `follow-up`, `correction` or `topic`.

    python bench/conversation_scripts.py FILE.jsonl

writes them as a file of prompts.
"""

from __future__ import annotations

import random
import sys
from collections.abc import Sequence
from itertools import zip_longest
from pathlib import Path

import msgspec
from conversation_english import CORRECTIONS_EN, FOLLOW_UPS_EN, TOPICS_EN
from conversation_russian import CORRECTIONS_RU, FOLLOW_UPS_RU, TOPICS_RU
from conversation_turns import Turn

from tierchat.learning.outcomes.prompts import GradedPrompt, write_prompts

NUM_TALKS = 200
_SHORT = 48
_BRIEF = {"en": "Answer in as few words as possible.", "ru": "Отвечай как можно короче."}


def talks() -> list[GradedPrompt]:
    """Return the first turns of all conversations; `then` holds what follows."""
    found = [_talk(rows, "follow-up", "en") for rows in FOLLOW_UPS_EN]
    found += [_talk(rows, "follow-up", "ru") for rows in FOLLOW_UPS_RU]
    found += [_talk(rows, "correction", "en") for rows in CORRECTIONS_EN]
    found += [_talk(rows, "correction", "ru") for rows in CORRECTIONS_RU]
    # After a change of topic come questions of all kinds, behind first turns of all kinds.
    num_left = NUM_TALKS - len(found)
    rng = random.Random(17)
    for language, firsts, topics, num in (
        ("en", FOLLOW_UPS_EN, TOPICS_EN, num_left * 2 // 3),
        ("ru", FOLLOW_UPS_RU, TOPICS_RU, num_left - num_left * 2 // 3),
    ):
        # Every other first turn is code: the hardest ones, after which a talk has to come down.
        hard = [rows for rows in firsts if rows[0].grader == "code"]
        easy = rng.sample(firsts, len(firsts))
        for index in range(num):
            first = hard[index // 2 % len(hard)] if index % 2 else easy[index // 2]
            # The shift keeps the same two from meeting again.
            topic = topics[(index + index // len(topics)) % len(topics)]
            found.append(_talk([first[0], *topic], "topic", language))
    return found


def _talk(turns: Sequence[Turn], kind: str, language: str) -> GradedPrompt:
    """Chain the turns of a conversation; after a topic change comes a follow-up."""
    kinds = ["first", kind, "follow-up"]
    later: GradedPrompt | None = None
    for turn, name in reversed(list(zip_longest(turns, kinds[: len(turns)]))):
        is_code = turn.grader == "code"
        later = msgspec.structs.replace(
            turn,
            family=f"{name}/{turn.grader}/{language}",
            system=_BRIEF[language],
            max_tokens=turn.max_tokens if is_code else _SHORT,
            then=later,
        )
    assert later is not None
    names = [turn.prompt for turn in turns]
    return msgspec.structs.replace(later, group=" | ".join(names))


if __name__ == "__main__":
    write_prompts(Path(sys.argv[1]), talks())
