"""What shells complete after our options: names that exist on this machine, never an error.

Does not know typer.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable, Iterator

from tierchat.errors import TierchatError
from tierchat.paths import find_paths


def cascades(begun: str) -> list[str]:
    """Complete the name of a cascade."""
    with contextlib.suppress(TierchatError):
        return _matching(begun, _catalogue())
    return []


def tiers(begun: str) -> list[str]:
    """Complete the name of a tier of any cascade."""
    with contextlib.suppress(TierchatError):
        found = [tier for names in _catalogue().values() for tier in names]
        return _matching(begun, dict.fromkeys(found))
    return []


def models(begun: str) -> list[str]:
    """Complete the name of a model."""
    from tierchat.config.catalogue import load_catalogue

    with contextlib.suppress(TierchatError):
        return _matching(begun, load_catalogue(find_paths(os.environ)).models)
    return []


def pullable(begun: str) -> list[str]:
    """Complete the name of a cascade or a model."""
    return [*cascades(begun), *models(begun)]


def templates(begun: str) -> list[str]:
    """Complete the name of a template."""
    from tierchat.cli.ask import templates

    with contextlib.suppress(TierchatError):
        return _matching(begun, templates.names(find_paths(os.environ).templates_dir))
    return []


def conversations(begun: str) -> Iterator[tuple[str, str]]:
    """Complete the id of a conversation, with its title beside."""
    from tierchat.conversations.listing import SavedConversations

    with contextlib.suppress(TierchatError):
        for row in SavedConversations(find_paths(os.environ)).newest(50):
            if row.id.startswith(begun):
                yield row.id, row.title


def _catalogue() -> dict[str, tuple[str, ...]]:
    from tierchat.config.catalogue import load_catalogue

    found = load_catalogue(find_paths(os.environ)).cascades
    return {name: tuple(tier.name for tier in spec.tiers) for name, spec in found.items()}


def _matching(begun: str, words: Iterable[str]) -> list[str]:
    folded = begun.casefold()
    return [word for word in words if word.casefold().startswith(folded)]
