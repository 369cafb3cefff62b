"""The home of one user: its paths, settings and catalogue.

Does not know model files, workers or terminals. A program makes one when it starts and hands it
down; settings and catalogue are read when they are first asked for.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from tierchat.config.settings import Settings, load_settings
from tierchat.paths import Paths, find_paths

if TYPE_CHECKING:
    from tierchat.config.catalogue import Catalogue


@dataclass(frozen=True)
class Home:
    """The paths of a user and the environment that chose them."""

    paths: Paths
    env: Mapping[str, str]

    @classmethod
    def of_process(cls) -> Home:
        """Find the home of the user who runs this process; raises UnsafePath."""
        return cls(find_paths(os.environ), os.environ)

    def reread(self) -> Home:
        """Return the same home with nothing read yet, for files that changed."""
        return Home(self.paths, self.env)

    @cached_property
    def settings(self) -> Settings:
        """The settings of config.toml and the environment; raises ConfigError."""
        return load_settings(self.paths, self.env)

    @cached_property
    def catalogue(self) -> Catalogue:
        """The models and cascades of all models.toml files; raises ConfigError."""
        # A warm `ask` needs no catalogue and does not pay for its import.
        from tierchat.config.catalogue_files import load_catalogue

        return load_catalogue(self.paths)
