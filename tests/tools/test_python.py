"""The interpreter of `python`: what it computes, and thirty ways out of it that lead nowhere."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("pydantic_monty")

from tierchat.tools.apart.process import ToolProcess
from tierchat.tools.failure import ToolFailed


@pytest.fixture(scope="module")
def process() -> Iterator[ToolProcess]:
    made = ToolProcess((), 30.0)
    yield made
    made.close()


def run(process: ToolProcess, code: str) -> str:
    return process.run("python", {"code": code})


def test_what_is_printed_is_the_result(process: ToolProcess) -> None:
    assert run(process, "print(sum(n for n in range(101) if n % 7))") == "4315"
    assert run(process, "import math\nmath.factorial(20)") == "2432902008176640000"
    assert run(process, "\n    x = 2\n    if x:\n        print(x)\n  ") == "2"
    assert "nothing was printed" in run(process, "x = 1")


def test_an_error_says_where_and_keeps_what_was_printed(process: ToolProcess) -> None:
    with pytest.raises(ToolFailed) as failed:
        run(process, "print('before')\n1 / 0")
    assert "ZeroDivisionError" in failed.value.message and "before" in failed.value.message
    with pytest.raises(ToolFailed, match=r"SyntaxError|invalid|Expected"):
        run(process, "def (")


def test_every_program_begins_from_a_clean_slate(process: ToolProcess) -> None:
    run(process, "kept = 1")
    with pytest.raises(ToolFailed, match="NameError"):
        run(process, "print(kept)")


ESCAPES = {
    "read a file": "print(open('{secret}').read())",
    "read by pathlib": "from pathlib import Path\nprint(Path('{secret}').read_text())",
    "read passwords": "print(open('/etc/passwd').read())",
    "read its memory": "print(open('/proc/self/mem', 'rb').read(10))",
    "read its environment": "print(open('/proc/self/environ').read())",
    "write a file": "open('{made}', 'w').write('x')",
    "write by pathlib": "from pathlib import Path\nPath('{made}').write_text('x')",
    "make a folder": "import os\nos.mkdir('{made}')",
    "list a folder": "import os\nprint(os.listdir('/'))",
    "the environment": "import os\nprint(os.environ['HOME'])",
    "a variable": "import os\nassert os.getenv('HOME'), 'none'",
    "a command": "import os\nos.system('touch {made}')",
    "a subprocess": "import subprocess\nsubprocess.run(['touch', '{made}'])",
    "a fork": "import os\nos.fork()",
    "an exec": "import os\nos.execv('/bin/sh', ['sh', '-c', 'touch {made}'])",
    "a signal": "import os\nos.kill(os.getppid(), 9)",
    "a socket": "import socket\nsocket.create_connection(('127.0.0.1', 22))",
    "a request": "import urllib.request\nurllib.request.urlopen('http://127.0.0.1')",
    "ctypes": "import ctypes\nctypes.CDLL(None).system(b'touch {made}')",
    "an import by name": "__import__('subprocess').run(['touch', '{made}'])",
    "subclasses": "print(().__class__.__base__.__subclasses__()[0].__init__.__globals__)",
    "the frame": "import sys\nprint(sys._getframe().f_back.f_globals)",
    "builtins": "print(__builtins__.__dict__['open']('{secret}').read())",
    "threads": "import threading\nthreading.Thread(target=print).start()\nprint('started')\n1 / 0",
    "an endless loop": "while True:\n    pass",
    "a long sleep": "import time\ntime.sleep(60)",
    "deep recursion": "def f(n):\n    return f(n + 1)\nf(0)",
    "much memory": "x = [0]\nwhile True:\n    x = x + x",
    "a long text": "x = 'x' * (10 ** 10)\nprint(len(x))",
    "a large number": "print(len(str(9 ** (9 ** 9))))",
    "a flood": "while True:\n    print('x' * 1000)",
    "a loop that catches": (
        "while True:\n    try:\n        while True:\n            pass\n"
        "    except BaseException:\n        pass"
    ),
}


# These take all the time that a program has.
_LATE = ("an endless loop", "a flood", "a loop that catches")


@pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=pytest.mark.slow) if name in _LATE else name for name in ESCAPES],
)
def test_nothing_gets_out(process: ToolProcess, tmp_path: Path, name: str) -> None:
    secret, made = tmp_path / "secret.txt", tmp_path / "made"
    secret.write_text("the secret of this machine")
    code = ESCAPES[name].replace("{secret}", str(secret)).replace("{made}", str(made))
    began_s = time.monotonic()
    with pytest.raises(ToolFailed) as failed:
        run(process, code)
    said = failed.value.message
    assert time.monotonic() - began_s < 25
    assert "the secret of" not in said and "root:" not in said and len(said) < 80_000
    assert os.environ.get("TIERCHAT_HOME", "") not in said and not made.exists()
    assert run(process, "print(6 * 7)") == "42"


def test_there_are_thirty_ways_tried() -> None:
    assert len(ESCAPES) >= 30
