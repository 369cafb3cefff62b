"""The file in which a bug leaves its traceback. Does not know what went wrong."""

from __future__ import annotations

import os
import time
import traceback
from pathlib import Path

from tierchat import __version__
from tierchat.errors import TierchatError
from tierchat.paths import find_paths, make_private


def record(error: BaseException) -> Path | str:
    """Append the traceback to the crash log; returns its path, or the traceback on failure."""
    text = "".join(traceback.format_exception(error))
    try:
        paths = find_paths(os.environ)
        make_private(paths.state_dir)
        with paths.crash_log.open("a") as file:
            file.write(f"{time.strftime('%F %T')} tierchat {__version__}\n{text}\n")
    except (OSError, TierchatError) as reason:
        return f"this traceback (it could not be saved: {reason}):\n{text}"
    return paths.crash_log
