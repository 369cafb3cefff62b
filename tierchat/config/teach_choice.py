"""Which cascades may teach themselves in idle time, as the user said at `pull`.

Does not know lessons.
"""

from __future__ import annotations

import msgspec

from tierchat.atomic_file import changing_for_user, replace_file
from tierchat.paths import Paths


def taught_cascades(paths: Paths) -> dict[str, bool]:
    """Return the user's choice for each cascade that there was a question for."""
    try:
        return msgspec.json.decode(paths.teach_file.read_bytes(), type=dict[str, bool])
    except (OSError, ValueError):
        return {}


def choose_teaching(paths: Paths, cascade: str, *, is_wanted: bool) -> None:
    """Remember whether a cascade may teach itself; raises UnsafePath where that cannot be."""
    with changing_for_user(paths.teach_file):
        choices = {**taught_cascades(paths), cascade: is_wanted}
        replace_file(paths.teach_file, msgspec.json.format(msgspec.json.encode(choices)))
