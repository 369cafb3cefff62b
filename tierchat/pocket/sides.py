"""Which side a prompt is on: trained on, used in the arbiter rounds, or only ever tested.

Does not know how problems are drawn; the side follows from a problem's content alone.
"""

from __future__ import annotations

import hashlib
import re
from typing import Literal

from tierchat.pocket.problems import Problem

Side = Literal["train", "rounds", "test"]
_NUM_BUCKETS = 16
_DECORATION = re.compile(r"[\s?.!:=,\"'`]+")


def side_of(problem: Problem) -> Side:
    """Put one bucket of 16 aside for the test and one for the rounds.

    A problem that must be worked out is known by its numbers: no wording of a tested 17 times 24
    is ever trained on. A problem of the small tables (about a hundred facts) is known by its
    words without blanks and punctuation: its fact may be met in another wording.
    """
    if problem.is_easy:
        key = _DECORATION.sub("", problem.prompt.casefold())
    else:
        key = f"{problem.cell} {' '.join(re.findall(r'[0-9]+', problem.prompt))}"
    bucket = hashlib.blake2b(key.encode(), digest_size=2).digest()[0] % _NUM_BUCKETS
    return "test" if bucket == 0 else "rounds" if bucket == 1 else "train"
