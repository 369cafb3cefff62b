"""Replace a small file whole or not at all."""

from __future__ import annotations

import os
import threading
from pathlib import Path


def write_quietly(path: Path, data: bytes) -> None:
    """Replace a small memory file; a home that cannot be written costs only the memory."""
    # Its own name for each writer: two must not mix.
    part = path.with_name(f"{path.name}.{os.getpid()}.{threading.get_ident()}.part")
    try:
        part.write_bytes(data)
        part.replace(path)
    except OSError:
        return
