"""A few dozen cases of the bench that damages model files, with real workers."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

BENCH = Path(__file__).parents[2] / "bench" / "fuzz_headers.py"


@pytest.mark.slow
def test_damaged_headers_end_with_a_reason_and_never_the_parent() -> None:
    command = [
        sys.executable,
        str(BENCH),
        "--mutations",
        "60",
        "--truncations",
        "30",
        "--seed",
        "7",
    ]
    found = subprocess.run(
        command, capture_output=True, text=True, timeout=240, env=dict(os.environ), check=False
    )
    assert found.returncode == 0, found.stderr
    assert "has lived through all of it" in found.stdout
    assert "WITHOUT A REASON" not in found.stdout
    assert "| refused by the header check |" in found.stdout
