"""The program inside the sandbox: runs an answer's code, then its test, and says so by a token.

Runs by itself (`python -I -S`), on the standard library alone, and imports nothing of tierchat.
Does not know what is right: it writes the token that it was given if the test raised nothing. The
kernel's limits come first; an audit hook, which cannot be removed, refuses files, processes, the
network and the frames in which the token could be read.
"""

from __future__ import annotations

import _thread
import builtins
import functools
import json
import os
import resource
import signal
import sys
import types
from collections.abc import Callable
from typing import Any

_CPU_S, _MEMORY_BYTES, _NUM_FILES = 5, 512 * 2**20, 32
_CLONE_NEWUSER, _CLONE_NEWNET, _CLONE_NEWIPC = 0x10000000, 0x40000000, 0x08000000
_PR_SET_PDEATHSIG, _PR_SET_NO_NEW_PRIVS = 1, 38
_READ = os.O_RDONLY
_REFUSED = (
    *("subprocess.", "socket.", "ctypes.", "shutil.", "pty.", "mmap.", "sqlite3.", "urllib."),
    *("ftplib.", "http.", "smtplib.", "tempfile.", "glob.", "fcntl.", "resource.", "syslog."),
    *("signal.", "gc.get_", "sys._current", "sys.settrace", "sys.setprofile", "code.__new__"),
    *("sys.monitoring", "sys.remote_exec", "faulthandler.", "_posixsubprocess."),
)
_FRAMES = {"tb_frame", "gi_frame", "cr_frame", "ag_frame"}
_NO_IMPORT = {"ctypes", "_ctypes", "_posixsubprocess", "multiprocessing", "_testcapi", "cffi"}
# Calls that raise no audit event and reach outside the process.
_GONE = ("mkfifo", "mknod", "chroot", "setuid", "setgid", "setsid", "setpgid", "unshare", "setns")


def main() -> None:
    """Read the order from standard input, shut the doors, run it."""
    order = json.loads(sys.stdin.buffer.read())
    _close_standard_input()
    result: int = order["result"]
    _limit()
    _leave_the_network()
    _forget_ctypes()
    _forget_calls()
    sys.setrecursionlimit(3_000)
    sys.addaudithook(_Guard().hear)
    passed = _passes(order["setup"], order["code"], order["test"], order["entry_point"])
    if passed:
        os.write(result, order["token"].encode())
    os._exit(0)


def _close_standard_input() -> None:
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)


def _limit() -> None:
    limits = {
        "RLIMIT_CORE": 0,
        "RLIMIT_FSIZE": 0,
        "RLIMIT_NPROC": 0,
        "RLIMIT_NOFILE": _NUM_FILES,
        "RLIMIT_AS": _MEMORY_BYTES,
        "RLIMIT_CPU": _CPU_S,
    }
    for name, most in limits.items():
        # Some systems lack a limit or refuse to set it; the others hold.
        try:
            resource.setrlimit(getattr(resource, name), (most, most))
        except (AttributeError, ValueError, OSError):
            continue


def _leave_the_network() -> None:
    """Enter namespaces without a network, where the system lets users have their own."""
    try:
        import ctypes

        libc = ctypes.CDLL(None, use_errno=True)
        if sys.platform == "linux":
            libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
            libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
            libc.unshare(_CLONE_NEWUSER | _CLONE_NEWNET | _CLONE_NEWIPC)
    except (ImportError, OSError, AttributeError):
        return


def _forget_ctypes() -> None:
    for name in [name for name in sys.modules if name.partition(".")[0] in _NO_IMPORT]:
        del sys.modules[name]


def _forget_calls() -> None:
    for module in (os, sys.modules.get("posix")):
        for name in _GONE:
            if hasattr(module, name):
                delattr(module, name)
    for name in ("start_new_thread", "start_new", "start_joinable_thread"):
        if hasattr(_thread, name):
            setattr(_thread, name, _no_thread)


def _no_thread(*_: Any, **__: Any) -> None:
    raise RuntimeError("can't start new thread")


class _Guard:
    """Hears every audit event from now on; what it raises stops the call."""

    def __init__(self) -> None:
        roots = {os.path.dirname(os.__file__), sys.prefix, sys.base_prefix, sys.exec_prefix}
        self._roots = tuple(root.rstrip("/") + "/" for root in roots if root)

    def hear(self, event: str, args: tuple[Any, ...]) -> None:
        if event == "open":
            self._check_open(args)
        elif event in ("os.listdir", "os.putenv", "os.unsetenv"):
            if event == "os.listdir" and not self._is_library(args[0]):
                raise PermissionError("this folder is out of reach here")
        elif event.startswith(("os.", *_REFUSED)):
            raise PermissionError(f"{event} is out of reach here")
        elif event == "import" and args[0].partition(".")[0] in _NO_IMPORT:
            raise ImportError(f"{args[0]} is out of reach here")
        elif event == "sys._getframe":
            # namedtuple, enum and typing ask for the caller, and go on after a ValueError.
            raise ValueError("call stack is out of reach here")
        elif event == "object.__getattr__" and args[1] in _FRAMES:
            raise AttributeError(args[1])

    def _check_open(self, args: tuple[Any, ...]) -> None:
        [path, mode, flags] = args
        is_reading = (flags or 0) & (os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC) == _READ
        writes = any(mark in (mode or "r") for mark in "wax+")
        if not is_reading or writes or not self._is_library(path):
            raise PermissionError("files are out of reach here")

    def _is_library(self, path: object) -> bool:
        if not isinstance(path, str):
            return False
        return (os.path.abspath(path) + "/").startswith(self._roots)


def _passes(setup: str, code: str, test: str, entry_point: str) -> bool:
    """Return whether the code runs and the test raises nothing.

    The test has names of its own, and whatever the answer does to builtins is undone before the
    test goes on.
    """
    shared = vars(builtins)
    restore = functools.partial(shared.update, dict(shared))
    module = types.ModuleType("answer")
    # What this program is made of must not be found by the answer.
    sys.modules["__main__"] = sys.modules["answer"] = module
    names = vars(module)
    try:
        compiled_test = compile(test, "test", "exec")
        exec("from typing import *", names)
        exec(compile(setup, "setup", "exec"), names)
        exec(compile(code, "answer", "exec"), names)
        restore()
        tested = {**names, "__name__": "test"}
        if entry_point:
            tested[entry_point] = _honest(names[entry_point], names, restore)
        tested.pop("check", None)
        exec(compiled_test, tested)
        restore()
        if "check" in tested:
            tested["check"](tested[entry_point])
    except BaseException:
        return False
    return True


def _honest(function: Any, names: dict[str, Any], restore: Callable[[], None]) -> Any:
    """Wrap a function of the answer: what it returns must not decide what it is equal to."""

    def call(*args: Any, **kwargs: Any) -> Any:
        value = function(*args, **kwargs)
        restore()
        _refuse_own_equality(value, names)
        return value

    return call if callable(function) and not isinstance(function, type) else function


def _refuse_own_equality(value: Any, names: dict[str, Any], depth: int = 3) -> None:
    kind = type(value)
    for base in kind.__mro__:
        equal = vars(base).get("__eq__")
        if not isinstance(equal, types.FunctionType) or equal.__globals__ is not names:
            continue
        # Those of data classes are written by the library.
        if equal.__code__.co_filename == "answer":
            raise TypeError(f"{kind.__name__} decides by itself what it is equal to")
    if depth and isinstance(value, list | tuple | set | frozenset):
        for item in value:
            _refuse_own_equality(item, names, depth - 1)
    elif depth and isinstance(value, dict):
        for item in (*value, *value.values()):
            _refuse_own_equality(item, names, depth - 1)


if __name__ == "__main__":
    main()
