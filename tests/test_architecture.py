"""Imports follow the table of rooms, lazy ones too; one seam per library; no circles."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import tierchat

PACKAGE = Path(tierchat.__file__).parent

WORDS = {"types", "events", "errors", "paths", "atomic_file"}
# The file that starts the program; it stands outside the rooms.
DOORS = {"__main__"}

# What each room may import beside the words and itself. A longer name stands for a part of a room.
# `programs` and `tools` will come between cascade and service.
ROOMS = {
    "terminal": set(),
    "engine": set(),
    "config": set(),
    "conversations": {"terminal"},
    "models": {"config", "engine.limits"},
    "gates": {"config", "models"},
    "workers": {"config", "models", "gates"},
    "workers.child": {"config", "models", "gates", "workers", "engine"},
    "cascade": {"config", "models", "gates", "workers"},
    "learning": {"config", "conversations", "models", "gates", "workers"},
    "service": {"config", "conversations", "models", "gates", "workers", "cascade"},
    "cli": {
        *("terminal", "config", "conversations", "models", "gates", "workers", "cascade"),
        *("learning", "service"),
    },
    "pocket": {"learning", "workers"},
}
# The command line, top down; its files beside these are words that all of them may use.
CLI_ORDER = ("main", "root", "commands", "actions", "chat", "ask")
# The files that may import a library.
SEAMS = {
    "httpx": {"tierchat.models.hub.hub"},
    "huggingface_hub": {"tierchat.models.hub.hub"},
    "jinja2": {"tierchat.engine.template"},
    "jsonschema": {"tierchat.cli.ask.answer_schema"},
    "llama_cpp": {"tierchat.engine.llama"},
    "platformdirs": {"tierchat.paths"},
    "prompt_toolkit": {"tierchat.cli.chat.line_editor"},
    "starlette": {"tierchat.service.routes", "tierchat.service.replies"},
    "uvicorn": {"tierchat.service.http_listener"},
}


def modules() -> dict[str, Path]:
    found = {}
    for path in PACKAGE.rglob("*.py"):
        parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def imports(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            yield node.module or ""
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def own_imports(name: str, path: Path, known: dict[str, Path]) -> set[str]:
    """Return the files of this package that a file imports; packages' markers left out."""
    files = {found for found in imports(path) if found in known}
    return {found for found in files if known[found].name != "__init__.py"} - {name}


def is_within(module: str, place: str) -> bool:
    return f"{module}.".startswith(f"tierchat.{place}.")


def room_of(module: str) -> str:
    return max((room for room in ROOMS if is_within(module, room)), key=len, default="")


def may_import(module: str, found: str) -> bool:
    if found.removeprefix("tierchat.") in WORDS:
        return True
    room = room_of(module)
    if not room:
        return module.removeprefix("tierchat.") in DOORS
    places = {room, *ROOMS[room]}
    return room_of(found) in places or any(is_within(found, place) for place in places - set(ROOMS))


def test_every_file_is_in_a_room() -> None:
    homeless = [
        name
        for name, path in modules().items()
        if not room_of(name)
        and path.name != "__init__.py"
        and name.removeprefix("tierchat.") not in WORDS | DOORS
    ]
    assert not homeless


def test_no_folder_holds_more_than_twenty_files() -> None:
    folders = [path.parent for path in modules().values() if path.name != "__init__.py"]
    assert not {str(folder) for folder in folders if folders.count(folder) > 20}


def test_rooms_import_what_the_table_allows() -> None:
    known = modules()
    wrong = [
        f"{name} imports {found}"
        for name, path in known.items()
        for found in own_imports(name, path, known)
        if not may_import(name, found)
    ]
    assert not wrong


def cli_level(module: str) -> int:
    """Return how far down the command line a module is; len(CLI_ORDER) for its words."""
    place = module.removeprefix("tierchat.cli.").split(".")[0]
    return CLI_ORDER.index(place) if place in CLI_ORDER else len(CLI_ORDER)


def test_inside_the_command_line_imports_point_down() -> None:
    known = {name: path for name, path in modules().items() if is_within(name, "cli")}
    wrong = [
        f"{name} imports {found}"
        for name, path in known.items()
        for found in own_imports(name, path, known)
        if cli_level(found) < cli_level(name)
    ]
    assert not wrong


def test_commands_are_handed_their_home_and_do_not_look_for_it() -> None:
    finders = {
        "tierchat.paths.find_paths",
        "tierchat.config.settings.load_settings",
        "tierchat.config.catalogue.load_catalogue",
    }
    # A crash log must be written whatever is broken.
    wrong = {
        name
        for name, path in modules().items()
        if is_within(name, "cli") and finders & set(imports(path))
    }
    assert wrong == {"tierchat.cli.crash_log"}


def test_every_room_says_its_purpose() -> None:
    known = modules()
    silent = [
        room
        for room in ROOMS
        if not ast.get_docstring(ast.parse(known[f"tierchat.{room}"].read_text()))
    ]
    assert not silent


def test_a_library_is_imported_at_its_seam_only() -> None:
    wrong = [
        f"{name} imports {library}"
        for name, path in modules().items()
        for found in imports(path)
        for library, seams in SEAMS.items()
        if found.split(".")[0] == library and name not in seams
    ]
    assert not wrong


def test_there_are_no_circles() -> None:
    known = modules()
    graph = {name: own_imports(name, path, known) for name, path in known.items()}
    done: set[str] = set()
    while len(done) < len(graph):
        ready = {name for name in graph if name not in done and graph[name] <= done}
        assert ready, f"a circle among {sorted(set(graph) - done)}"
        done |= ready
