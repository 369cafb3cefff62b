"""A home whose cascades are those of a tierchat elsewhere.

Does not know how that one is asked.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

from tierchat.config.catalogue import CascadeSpec, Catalogue, TierSpec
from tierchat.config.home import Home
from tierchat.service.messages import DaemonStatus


@dataclass(frozen=True)
class HomeElsewhere(Home):
    """The settings of this home, and the cascades of a server: the tiers of each by name."""

    cascades: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    @classmethod
    def of(cls, home: Home, status: DaemonStatus) -> HomeElsewhere:
        """Join a home with what a server says of itself."""
        return cls(home.paths, home.env, status.cascades)

    @cached_property
    def catalogue(self) -> Catalogue:
        """The cascades of the server. Its models are not known by name, nor needed."""
        return Catalogue(
            cascades={
                name: CascadeSpec(tiers=tuple(TierSpec(name=tier, model=tier) for tier in tiers))
                for name, tiers in self.cascades.items()
            }
        )
