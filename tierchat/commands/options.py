"""Options that several commands share, and the few steps every command begins with."""

from __future__ import annotations

import os
from typing import Annotated

import typer

from tierchat.paths import Paths, find_paths

Json = Annotated[bool, typer.Option("--json", help="Print one JSON object on one line.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Say nothing but errors on stderr.")]


def our_paths() -> Paths:
    """Find the directories of whoever runs the command."""
    return find_paths(os.environ)
