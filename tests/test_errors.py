"""The errors that are drawn are the errors there are."""

from __future__ import annotations

import importlib
import pkgutil
import re

import tierchat
from tierchat import errors
from tierchat.errors import TierchatError, error_from_code, family

_DRAWN = re.compile(r"^ {4}([│├└─ ]*)([A-Z]\w+) +(\d+) +(\d+)", re.MULTILINE)

Row = tuple[str, str, int, int]


def drawn() -> set[Row]:
    rows, parents = set(), ["Exception"]
    for branch, name, exit_code, status in _DRAWN.findall(errors.__doc__ or ""):
        depth = len(branch) // 4
        rows.add((name, parents[depth], int(exit_code), int(status)))
        parents[depth + 1 :] = [name]
    return rows


def import_everything() -> None:
    for module in pkgutil.walk_packages(tierchat.__path__, "tierchat."):
        try:
            importlib.import_module(module.name)
        except ModuleNotFoundError as error:
            # An extra that is not installed.
            assert error.name and not error.name.startswith("tierchat")


def defined() -> list[type[TierchatError]]:
    import_everything()
    return [kind for kind in family(TierchatError) if kind.__module__.startswith("tierchat.")]


def test_the_drawing_shows_every_error_with_its_parent_and_codes() -> None:
    found = {
        (
            kind.__name__,
            kind.__base__.__name__ if kind.__base__ else "",
            kind.exit_code,
            kind.http_status,
        )
        for kind in defined()
    }
    assert drawn() == found


def test_the_columns_of_the_drawing_are_aligned() -> None:
    lines = (errors.__doc__ or "").splitlines()
    rows = [line for line in lines if _DRAWN.match(line)]
    assert len({re.search(r"\d(?=   \d{3})", row).start() for row in rows}) == 1  # type: ignore[union-attr]
    assert max(map(len, rows)) <= 100


def test_every_code_comes_back_from_another_process_as_its_error() -> None:
    for kind in defined():
        error = error_from_code(kind.code, "what happened", "what to do")
        assert (error.code, error.exit_code) == (kind.code, kind.exit_code)
        assert (error.message, error.hint) == ("what happened", "what to do")
    assert type(error_from_code("from the future", "")) is TierchatError
