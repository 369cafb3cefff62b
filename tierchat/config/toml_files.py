"""Reads the user's TOML files; a mistake is reported with its file, line and key.

Does not know what the values mean.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from tierchat.decoding import decode_strictly
from tierchat.errors import ConfigError

_Value = TypeVar("_Value")


def read_toml(file: Path, kind: type[_Value]) -> _Value | None:
    """Read a file of the user as `kind`; None when the file does not exist.

    Raises ConfigError with file, line and the nearest known key.
    """
    text = read_own(file)
    return None if text is None else decode_toml(text, file, kind)


def read_own(file: Path) -> str | None:
    """Read a file of the user; None when the file does not exist. Raises ConfigError."""
    try:
        # Opening a pipe without O_NONBLOCK would wait for a writer.
        with open(os.open(file, os.O_RDONLY | os.O_NONBLOCK), "rb") as opened:
            _refuse_unsafe(file, os.fstat(opened.fileno()).st_mode)
            raw = opened.read()
    except (FileNotFoundError, NotADirectoryError) as error:
        if file.is_symlink():
            target = os.readlink(file)
            raise ConfigError(f"{file} is a link to {target}, which does not exist") from error
        return None
    except OSError as error:
        raise ConfigError(
            f"cannot read {file}: {error.strerror}",
            "make it readable, or set TIERCHAT_HOME to a directory you own",
        ) from error
    try:
        return decode_strictly(raw)
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise ConfigError(f"{file}, line {line}: this is not UTF-8 text") from error


def _refuse_unsafe(file: Path, mode: int) -> None:
    if not stat.S_ISREG(mode):
        raise ConfigError(f"{file} is not a regular file", "replace it with a TOML file")
    if mode & stat.S_IWOTH:
        raise ConfigError(
            f"{file} can be changed by every user of this machine", f"run: chmod o-w {file}"
        )


def parse_toml(text: str, file: Path) -> dict[str, Any]:
    # Most commands have no settings file to read, and need not import a parser.
    import tomllib

    from tierchat.config.toml_lines import find_refused_line

    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        end = f"at line {text.count(chr(10)) + 1}, the end of the file"
        what = str(error).replace("at end of document", end)
        raise ConfigError(f"{file} is not valid TOML: {what}", "correct that line") from error
    except RecursionError as error:
        line = find_refused_line(text, RecursionError)
        raise ConfigError(f"{file}, line {line}: nested too deeply") from error
    except ValueError as error:
        # The parser does not map this error of `int`: more than 4,300 digits.
        line = find_refused_line(text, ValueError)
        raise ConfigError(f"{file}, line {line}: this number is too long") from error


def decode_toml(text: str, file: Path, kind: type[_Value]) -> _Value:
    if not text:
        return kind()
    data = parse_toml(text, file)
    try:
        return msgspec.convert(data, kind)
    except msgspec.ValidationError as error:
        from tierchat.config.toml_lines import explain

        message, hint = explain(str(error), text, data, kind)
        raise ConfigError(f"{file}{message}", hint) from error
