"""Which controls there are, by the names that `--compare` takes, and what each of them needs.

Does not know how a control works, and imports nothing heavy: help texts list the names.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from tierchat.errors import UsageError, did_you_mean
from tierchat.learning.outcomes.topics import Topic

ALL = "all"


@dataclass(frozen=True)
class ControlSpec:
    """One control. It `learns` from prompts with outcomes, and asks the tiers about `topic`.

    A control that `asks_learned` needs replies about the prompts it learns from, too.
    """

    name: str
    learns: bool = False
    topic: Topic | None = None
    asks_learned: bool = False


CONTROLS = (
    ControlSpec("random"),
    ControlSpec("untaught"),
    ControlSpec("knn", learns=True),
    ControlSpec("lr", learns=True),
    ControlSpec("tfidf", learns=True),
    ControlSpec("margin"),
    ControlSpec("entropy"),
    ControlSpec("ucci", learns=True),
    ControlSpec("quantiles", learns=True),
    ControlSpec("frugalgpt", learns=True),
    ControlSpec("p-true", topic="is-right"),
    ControlSpec("automix", learns=True, topic="is-right", asks_learned=True),
    ControlSpec("words", topic="unsure"),
    ControlSpec("family-oracle"),
    ControlSpec("oracle"),
)
# Free of charge, so they stand in every comparison.
_ALWAYS = ("family-oracle", "oracle")


def chosen_controls(names: str) -> tuple[ControlSpec, ...]:
    """Read a list such as `knn,ucci`, or `all`; the oracles are always among the result.

    Raises UsageError that names the nearest control, and all of them.
    """
    known = [spec.name for spec in CONTROLS]
    wanted = [word.strip().casefold() for word in names.split(",") if word.strip()]
    listed = f"policies: {', '.join((ALL, *known))}"
    # An option after a bare `--compare` is taken for its value.
    if not wanted or names.startswith("-"):
        raise UsageError("--compare needs the names of policies, such as knn,ucci", listed)
    for name in wanted:
        if name not in (ALL, *known):
            near = did_you_mean(name, (ALL, *known), "")
            raise UsageError(f"--compare: no policy named {name!r}", f"{near} {listed}".strip())
    return tuple(s for s in CONTROLS if ALL in wanted or s.name in (*wanted, *_ALWAYS))


def topics_of(specs: Iterable[ControlSpec]) -> tuple[Topic, ...]:
    """Return what the tiers have to be asked about the judged prompts, each topic once."""
    return tuple(dict.fromkeys(spec.topic for spec in specs if spec.topic))


def topics_of_learned(specs: Iterable[ControlSpec]) -> tuple[Topic, ...]:
    """Return what the tiers have to be asked about the prompts that controls learn from."""
    return topics_of(spec for spec in specs if spec.asks_learned)
