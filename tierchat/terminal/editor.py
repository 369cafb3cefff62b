"""The user's editor, opened on a file. Does not know what is edited."""

from __future__ import annotations

import os
import shlex
import subprocess
from pathlib import Path

from tierchat.errors import UsageError


def edit_file(file: Path) -> None:
    """Open a file in $VISUAL or $EDITOR and wait; raises UsageError when that fails."""
    command = os.environ.get("VISUAL") or os.environ.get("EDITOR") or "vi"
    try:
        code = subprocess.run([*shlex.split(command), str(file)], check=False).returncode
    except (OSError, ValueError) as error:
        raise UsageError(f"cannot run the editor {command!r}: {error}", "set $EDITOR") from error
    if code:
        raise UsageError(f"the editor {command!r} ended with {code}", f"the file: {file}")
