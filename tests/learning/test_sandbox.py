"""Code of strangers in the sandbox: right answers pass, and no trick makes a wrong one pass."""

from __future__ import annotations

import socket
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tierchat.learning.graders.code import is_code, is_expression
from tierchat.learning.graders.sandbox import passes

CHECK = "def check(candidate):\n    assert candidate(2) == 4\n    assert candidate(3) == 9\n"
RIGHT = "def square(x):\n    return x * x\n"


def is_right(code: str) -> bool:
    return passes(code, CHECK, entry_point="square")


@pytest.mark.parametrize(
    "text",
    [
        RIGHT,
        f"Here it is:\n\n```python\n{RIGHT}```\nIt multiplies.",
        # The block with the function, not the one that shows its use.
        f"```python\n{RIGHT}```\n\nUse:\n\n```python\nprint(square(4))\n```",
        f"```\nimport math\nfrom collections import Counter\n{RIGHT}\nprint(square(2))\n```",
        # Cut off before the closing fence.
        f"```python\n{RIGHT}",
        "def square(x: Optional[int]) -> List[int]:\n    return x ** 2",
        "from typing import NamedTuple\nfrom enum import Enum\nfrom dataclasses import dataclass\n"
        "import collections, re, json, heapq, functools, itertools, random, datetime, decimal\n"
        "P = collections.namedtuple('P', 'x y')\n"
        "class Q(NamedTuple):\n    a: int\n@dataclass\nclass R:\n    a: int\n"
        "class E(Enum):\n    A = 1\n"
        "def square(x):\n    return P(x, x).x * R(x).a",
        "square = lambda x: x * x",
        "if __name__ == '__main__':\n    print(square(int(input())))\n" + RIGHT,
    ],
)
def test_right_code_passes_in_whatever_form(text: str) -> None:
    assert is_code(text, CHECK, entry_point="square")


@pytest.mark.parametrize(
    "code",
    [
        "",
        "def square(x):\n    return x + x",
        "def other(x):\n    return x * x",
        "def square(x:\n",
        "def square(x):\n    return undefined",
        "I cannot write code.",
    ],
)
def test_wrong_code_does_not_pass(code: str) -> None:
    assert not is_right(code)


ATTACKS = {
    "ends early": "import os\nos._exit(0)",
    "leaves": "raise SystemExit(0)",
    "leaves in the test": "import sys\ndef square(x):\n    sys.exit(0)",
    "ends in the test": "import os\ndef square(x):\n    os._exit(0)",
    "prints markers": "print('passed')\nprint('OK')\nprint('True')",
    "writes to all descriptors": (
        "import os\n"
        "for fd in range(3, 300):\n"
        "    try:\n        os.write(fd, b'a' * 48)\n    except OSError: pass"
    ),
    "equals everything": (
        "class Liar:\n    def __eq__(self, other): return True\ndef square(x):\n    return Liar()"
    ),
    "equals everything inside a list": (
        "class Liar(int):\n    __eq__ = lambda self, other: True\ndef square(x):\n    return Liar()"
    ),
    "replaces check": "def check(candidate): pass\ndef square(x): return 0\n",
    "replaces builtins": (
        "import builtins\nbuiltins.AssertionError = None\nbuiltins.abs = lambda x: 0\n"
        "builtins.exec = lambda *a: None\nbuiltins.compile = lambda *a: None\n"
        "def square(x): return 0"
    ),
    "replaces what the sandbox calls": (
        "import builtins, os, json, sys\n"
        "builtins.isinstance = lambda *a: False\nbuiltins.vars = lambda *a: {}\n"
        "sys.modules['__main__']._refuse_own_equality = lambda *a: None\n"
        "class Liar:\n    def __eq__(self, other): return True\n"
        "def square(x):\n    builtins.isinstance = lambda *a: False\n    return Liar()"
    ),
    "looks for the token in frames": (
        "import sys, os\n"
        "frame = sys._getframe()\n"
        "while frame:\n"
        "    order = frame.f_locals.get('order')\n"
        "    if order: os.write(order['result'], order['token'].encode()); os._exit(0)\n"
        "    frame = frame.f_back"
    ),
    "looks for the token in a traceback": (
        "import os\n"
        "try:\n    1 / 0\nexcept ZeroDivisionError as error:\n"
        "    frame = error.__traceback__.tb_frame\n"
        "while frame:\n"
        "    order = frame.f_locals.get('order')\n"
        "    if order: os.write(order['result'], order['token'].encode()); os._exit(0)\n"
        "    frame = frame.f_back"
    ),
    "looks for the token in a generator": (
        "import os\n"
        "def g():\n    yield g_it.gi_frame.f_back\n"
        "g_it = g()\nframe = next(g_it)\n"
        "while frame:\n"
        "    order = frame.f_locals.get('order')\n"
        "    if order: os.write(order['result'], order['token'].encode()); os._exit(0)\n"
        "    frame = frame.f_back"
    ),
    "looks for the token among objects": (
        "import gc, os\n"
        "for found in gc.get_objects():\n"
        "    if isinstance(found, dict) and 'token' in found:\n"
        "        os.write(found['result'], found['token'].encode())\nos._exit(0)"
    ),
    "traces": (
        "import sys, os\n"
        "def tell(frame, *a):\n"
        "    order = frame.f_locals.get('order')\n"
        "    if order: os.write(order['result'], order['token'].encode())\n"
        "    return tell\n"
        "sys.settrace(tell)"
    ),
    "too much memory": "x = 'a' * (2 * 2**30)\n" + RIGHT,
    "much memory by and by": "x = []\nwhile True: x.append('a' * 10**7 + str(len(x)))",
    "recursion": "def f(): return f()\nf()",
    "forks": "import os\nos.fork()\n" + RIGHT,
    "starts a program": "import subprocess\nsubprocess.run(['true'])\n" + RIGHT,
    "starts a program behind the door": ("import _posixsubprocess\n" + RIGHT),
    "calls the system": "import os\nos.system('true')\n" + RIGHT,
    "reads files": "open('/etc/passwd').read()\n" + RIGHT,
    "reads files below": "import os\nos.open('/etc/passwd', os.O_RDONLY)\n" + RIGHT,
    "reads files with io": "import io\nio.FileIO('/etc/passwd')\n" + RIGHT,
    "opens a socket": "import socket\nsocket.socket()\n" + RIGHT,
    "uses C": "import ctypes\nctypes.CDLL(None)\n" + RIGHT,
    "kills": "import os\nos.kill(os.getppid(), 15)\n" + RIGHT,
    "starts a thread": "import threading\nthreading.Thread(target=print).start()\n" + RIGHT,
}


@pytest.mark.parametrize("name", ATTACKS)
def test_no_trick_makes_an_answer_pass(name: str) -> None:
    code = ATTACKS[name]
    began_s = time.monotonic()
    assert not is_right(code if "def square" in code else f"def square(x): return 0\n{code}")
    assert time.monotonic() - began_s < 60


@pytest.mark.slow
@pytest.mark.parametrize(
    "code",
    [
        "while True: pass",
        *(
            pytest.param(code, marks=pytest.mark.slow)
            for code in (
                "while True:\n    try:\n        while True: pass\n    except BaseException: pass",
                "import signal\nsignal.signal(signal.SIGXCPU, signal.SIG_IGN)\nwhile True: pass",
                "x = 9 ** 9 ** 9",
            )
        ),
    ],
)
def test_what_never_ends_is_ended(code: str) -> None:
    began_s = time.monotonic()
    assert not is_right(f"{RIGHT}\n{code}")
    assert time.monotonic() - began_s < 45


def test_nothing_is_written(tmp_path: Path) -> None:
    file = tmp_path / "written"
    for code in (
        f"open({str(file)!r}, 'w').write('x')",
        f"import os\nos.open({str(file)!r}, os.O_WRONLY | os.O_CREAT)",
        f"import pathlib\npathlib.Path({str(file)!r}).touch()",
        f"import os\nos.mkdir({str(file)!r})",
        f"import os, posix\nposix.mkfifo({str(file)!r})",
        f"import sqlite3\nsqlite3.connect({str(file)!r}).execute('create table t (x)')",
        f"import shutil\nshutil.copy('/etc/hosts', {str(file)!r})",
    ):
        assert not is_right(f"{RIGHT}\n{code}"), code
        assert not file.exists(), code


def test_nobody_is_called() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0.2)
        address = server.getsockname()
        call = f"import socket\nsocket.create_connection({address!r}, 1)\n"
        assert not is_right(call + RIGHT)
        with pytest.raises(TimeoutError):
            server.accept()


def test_a_fork_bomb_leaves_no_process(tmp_path: Path) -> None:
    bomb = "import os\nwhile True:\n    try:\n        os.fork()\n    except BaseException: break\n"
    assert passes(bomb + RIGHT, CHECK, entry_point="square")
    # It went on alone: no fork succeeded, else several processes would have run the test.
    assert not is_right("import os\nif os.fork() == 0:\n    os._exit(0)\n" + RIGHT)


def test_plain_asserts_and_a_setup_are_run() -> None:
    test = "assert square(5) == 25\nassert helped(1) == 2"
    setup = "def helper(x):\n    return x + 1\ndef square(x):\n    pass\n"
    code = RIGHT + "def helped(x):\n    return helper(x)"
    assert passes(code, test, setup=setup)
    assert not passes("def helped(x):\n    return helper(x)", test, setup=setup)
    assert not passes(code, "assert square(5) == 26", setup=setup)
    assert not passes(code, CHECK, entry_point="nowhere")


def test_many_at_once_do_not_disturb_each_other() -> None:
    codes = [RIGHT, "def square(x):\n    return 0"] * 8
    with ThreadPoolExecutor(8) as threads:
        assert list(threads.map(is_right, codes)) == [True, False] * 8


@pytest.mark.parametrize(
    "text",
    [
        r"\d{3}-\d{4}",
        r"^\d{3}-\d{4}$",
        "`[0-9]{3}-[0-9]{4}`",
        "```regex\n^[0-9]{3}-[0-9]{4}$\n```",
        "Use `^[[:digit:]]{3}-[[:digit:]]{4}$` for that.",
        r"/^\d{3}-\d{4}$/g",
        "```python\nimport re\npattern = r'^\\d{3}-\\d{4}$'\n```",
        "```python\nre.fullmatch(r'\\d{3}-\\d{4}', text)\n```",
        r"^(?<first>\d{3})-(?<second>\d{4})$",
        "`^\\d{3}-\\d{4}$`\n\n- `^` is the start\n- `\\d` is a digit",
        "^\\d{3}-\\d{4}$\n\nIt matches digits.",
    ],
)
def test_a_regular_expression_is_tried(text: str) -> None:
    assert is_expression(text, ["555-1234"], ["5555-123", "555 1234", "555-1234 x"])


@pytest.mark.parametrize("text", [r".*\.(log|txt)", r"\.(log|txt)$", r"[.]log$|[.]txt$"])
def test_an_expression_may_match_a_part(text: str) -> None:
    assert is_expression(text, ["a.log", "b c.txt"], ["a.logs", "log", "a.csv"])
    assert not is_expression(text, ["a.log", "b.txt", "c.csv"], ["a.logs"])


@pytest.mark.parametrize("text", ["", "(", r"\d+", ".*", "I cannot"])
def test_another_regular_expression_is_wrong(text: str) -> None:
    assert not is_expression(text, ["555-1234"], ["5555-123", "1" * 60])


@pytest.mark.slow
def test_an_expression_that_never_ends_is_ended() -> None:
    assert not is_expression(r"(a|a)*b|a+", ["a"], ["a" * 40 + "c"])
