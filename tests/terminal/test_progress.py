"""The bar of a long job, in a real terminal."""

from __future__ import annotations

import io
import re
import sys
from types import SimpleNamespace

import pexpect
import pytest

from tierchat.terminal import progress
from tierchat.terminal.output import Output

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


@pytest.mark.parametrize(
    ("step_s", "num", "told"),
    [
        (20.0, 100, "answers: 3 of 100, 3/min, 32 min left"),
        (0.5, 100, "answers: 21 of 100, 2.0/s, 40 s left"),
        (120.0, 9_000, "answers: 2 of 9000, 30/h, 299.9 h left"),
    ],
)
def test_slow_work_has_a_rate_and_a_time_that_can_be_read(
    monkeypatch: pytest.MonkeyPatch, step_s: float, num: int, told: str
) -> None:
    now_s = 0.0
    monkeypatch.setattr(progress, "time", SimpleNamespace(monotonic=lambda: now_s))
    err = io.StringIO()
    output = Output(io.StringIO(), err, {})
    with progress.counting(output, "answers") as tell:
        for done in range(60):
            tell(done, num)
            now_s += step_s
    assert told in err.getvalue().splitlines()
