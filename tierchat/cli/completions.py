"""What a shell completes after an option: names that exist on this machine, never an error.

Does not know typer.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from tierchat.errors import TierchatError

if TYPE_CHECKING:
    from tierchat.config.home import Home


def cascades(begun: str) -> list[str]:
    """Complete the name of a cascade."""
    with contextlib.suppress(TierchatError):
        return _matching(begun, _home().catalogue.cascades)
    return []


def tiers(begun: str) -> list[str]:
    """Complete the name of a tier of any cascade."""
    with contextlib.suppress(TierchatError):
        cascades = _home().catalogue.cascades.values()
        names = [tier.name for cascade in cascades for tier in cascade.tiers]
        return _matching(begun, dict.fromkeys(names))
    return []


def models(begun: str) -> list[str]:
    """Complete the name of a model."""
    with contextlib.suppress(TierchatError):
        return _matching(begun, _home().catalogue.models)
    return []


def pullable(begun: str) -> list[str]:
    """Complete the name of a cascade or a model."""
    return [*cascades(begun), *models(begun)]


def templates(begun: str) -> list[str]:
    """Complete the name of a template."""
    from tierchat.cli import templates

    with contextlib.suppress(TierchatError):
        return _matching(begun, templates.names(_home().paths.templates_dir))
    return []


def tools(begun: str) -> list[str]:
    """Complete the name of a tool."""
    from tierchat.tools.builtin import NAMES

    return _matching(begun, NAMES)


def conversations(begun: str) -> Iterator[tuple[str, str]]:
    """Complete the id of a conversation, shown with its title."""
    from tierchat.conversations.listing import SavedConversations

    with contextlib.suppress(TierchatError):
        for row in SavedConversations(_home().paths).newest(50):
            if row.id.startswith(begun):
                yield row.id, row.title


def _home() -> Home:
    # A shell asks for completions before a command runs, so no home was handed down.
    from tierchat.config.home import Home

    return Home.of_process()


def _matching(begun: str, words: Iterable[str]) -> list[str]:
    folded = begun.casefold()
    return [word for word in words if word.casefold().startswith(folded)]
