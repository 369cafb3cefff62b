"""What a person should know of how models were loaded, said once.

Does not know how they are loaded.
"""

from __future__ import annotations

from collections.abc import Iterable

from tierchat.terminal.output import Output
from tierchat.workers.pool import Pool


def note_loading(pool: Pool, models: Iterable[str], output: Output) -> None:
    """Print the notices of these models, such as that memory was short; each text once."""
    for notice in dict.fromkeys(filter(None, map(pool.take_notice, models))):
        output.note(notice, "yellow")
