"""The bar of a long job, in a real terminal."""

from __future__ import annotations

import re
import sys

import pexpect

JOB = """
import time
from tierchat.terminal.output import standard_output
from tierchat.terminal.progress import counting
output = standard_output()
with counting(output, "answers") as tell:
    for number in range(6):
        tell(number, 6)
        time.sleep(0.15)
        output.note(f"note {number} [bold] {'long ' * 20}end", "yellow")
        output.line(f"line {number}")
"""


def test_lines_written_beside_a_bar_stand_above_it() -> None:
    child = pexpect.spawn(
        sys.executable,
        ["-c", JOB],
        env={"TERM": "xterm-256color", "PYTHONPATH": ":".join(sys.path)},
        dimensions=(24, 60),
        encoding="utf-8",
        timeout=20,
    )
    child.expect(pexpect.EOF)
    bare = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", str(child.before))
    lines = [line.rstrip("\r").rpartition("\r")[2] for line in bare.split("\n")]
    for number in range(6):
        [found] = [line for line in lines if f"note {number}" in line]
        assert found.startswith(f"note {number} [bold] long")
        assert f"line {number}" in lines
