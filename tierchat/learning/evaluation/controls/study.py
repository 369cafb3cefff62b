"""What a control may use: the prompts it learns from, those it is judged on, and replies to
questions.

Does not know any control.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from tierchat.learning.evaluation.controls.embeddings import Embedder
from tierchat.learning.outcomes.matrix import Matrix
from tierchat.learning.outcomes.questions import Said
from tierchat.learning.outcomes.topics import Topic


@dataclass(frozen=True)
class Study:
    """One comparison. Controls are fitted on `learned` and walked on `judged`.

    `said` and `said_of_learned` are what the tiers replied about `judged` and `learned`, by topic;
    only the topics that the chosen controls need are there. `embedder` turns prompts into vectors.
    """

    learned: Matrix
    judged: Matrix
    said: Mapping[Topic, Said] = field(default_factory=dict)
    said_of_learned: Mapping[Topic, Said] = field(default_factory=dict)
    embedder: Embedder = field(default_factory=Embedder)
