"""The documents say what the code does: pointers and links, tables, and every command's help."""

from __future__ import annotations

import ast
import importlib.util
import re
from pathlib import Path
from types import ModuleType

import pytest
from starlette.routing import Route

from tests.test_architecture import CLI_ORDER, ROOMS, SEAMS, WORDS
from tierchat.cli.chat import slash
from tierchat.cli.exit_codes import ExitCode
from tierchat.config.catalogue_files import load_catalogue
from tierchat.config.settings import Settings
from tierchat.errors import TierchatError
from tierchat.paths import find_paths
from tierchat.service.routes import Service
from tierchat.types import TierOptions

ROOT = Path(__file__).parent.parent
README = ROOT / "README.md"
DOCS = ROOT / "docs"
PAGES = [README, ROOT / "CONTRIBUTING.md", *sorted(DOCS.glob("*.md"))]
_POINTER = re.compile(r"`([\w./-]+\.py)(?::([\w.]+))?`")
_FILE = re.compile(r"`((?:tests|bench|docs|tierchat|\.ci)/[\w./-]*)`")
# A command that CONTRIBUTING.md writes for an example.
_EXAMPLE = "greet.py"
_MODULE = re.compile(r"python -m (tierchat[\w.]*)")
_LINK = re.compile(r"\]\(([^)#\s]+)?(#[\w-]+)?\)")
_MAX_README_LINES = 200


def generator() -> ModuleType:
    spec = importlib.util.spec_from_file_location("generate_cli", DOCS / "generate_cli.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_page_of_commands_is_current() -> None:
    assert (DOCS / "cli.md").read_text("utf-8") == generator().page(), (
        "help has changed: run `python docs/generate_cli.py`"
    )


def file_named(name: str) -> Path | None:
    places = (ROOT / "tierchat" / name, ROOT / name)
    return next((place for place in places if place.exists()), None)


def names_in(path: Path) -> set[str]:
    """List what a file defines: functions, classes, their methods, and constants."""
    found: set[str] = set()
    for node in ast.parse(path.read_text("utf-8")).body:
        found |= names_of(node)
        if isinstance(node, ast.ClassDef):
            found |= {f"{node.name}.{name}" for inner in node.body for name in names_of(inner)}
    return found


def names_of(node: ast.stmt) -> set[str]:
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        return {node.name}
    if isinstance(node, ast.Assign):
        return {target.id for target in node.targets if isinstance(target, ast.Name)}
    if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
        return {node.target.id}
    return set()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_pointer_into_the_code_leads_somewhere(page: Path) -> None:
    lost = []
    text = page.read_text("utf-8").replace("file.py:function", "")
    for file, name in _POINTER.findall(text):
        path = file_named(file)
        if file.endswith(_EXAMPLE):
            continue
        if path is None or (name and name not in names_in(path)):
            lost.append(f"{file}:{name}")
    folders = [name for name in _FILE.findall(text) if not name.endswith(_EXAMPLE)]
    lost += [name for name in folders if not (ROOT / name).exists()]
    assert not lost


def test_every_module_that_is_started_by_name_is_there() -> None:
    notes = [ROOT / "bench" / "RESULTS.md", ROOT / "tierchat" / "pocket" / "models" / "ROUNDS.md"]
    names = {name for page in [*PAGES, *notes] for name in _MODULE.findall(page.read_text("utf-8"))}
    lost = {
        name
        for name in names - {"tierchat"}
        if not (ROOT / name.replace(".", "/")).with_suffix(".py").exists()
    }
    assert not lost


@pytest.mark.parametrize(
    "page",
    [*PAGES, ROOT / "CHANGELOG.md", *(ROOT / "bench").glob("*.md")],
    ids=lambda page: page.name,
)
def test_no_page_holds_both_sides_of_a_merge(page: Path) -> None:
    assert not re.search(r"^(<{7}|={7}|>{7})( |$)", page.read_text("utf-8"), re.M)


@pytest.mark.parametrize("page", [*PAGES, ROOT / "CHANGELOG.md"], ids=lambda page: page.name)
def test_every_link_between_pages_leads_somewhere(page: Path) -> None:
    lost = []
    for file, anchor in _LINK.findall(page.read_text("utf-8")):
        if "://" in file:
            continue
        target = (page.parent / file).resolve() if file else page
        if not target.exists() or (anchor and anchor[1:] not in anchors(target)):
            lost.append(file + anchor)
    assert not lost


def anchors(page: Path) -> set[str]:
    """Name the headings of a page as GitHub links them."""
    headings = re.findall(r"^#+ (.*)$", page.read_text("utf-8"), re.M)
    return {re.sub(r"[^\w\- ]", "", head.lower()).replace(" ", "-") for head in headings}


def rows(heading: str, page: str = "ARCHITECTURE.md") -> list[list[str]]:
    """Read the first table below a heading of a page, without its two head lines."""
    text = (DOCS / page).read_text("utf-8").split(heading, 1)[1]
    lines = re.search(r"(?:^\|.*\n)+", text, re.M)
    assert lines
    return [[cell.strip() for cell in line.split("|")[1:-1]] for line in lines[0].splitlines()[2:]]


def test_the_page_has_the_rooms_that_the_code_keeps_to() -> None:
    written = {
        room.strip("`"): set(re.findall("`([^`]+)`", imports))
        for room, _, imports in rows("## Rooms")
    }
    assert written == {room: set(imports) for room, imports in ROOMS.items()}
    text = (DOCS / "ARCHITECTURE.md").read_text("utf-8").split("## Rooms")[1]
    assert {f"`{word}.py`" for word in WORDS} <= set(re.findall("`[^`]+`", text.split("|")[0]))


def test_the_page_has_the_order_inside_the_command_line() -> None:
    order = ", ".join(f"`{part}`" for part in CLI_ORDER)
    assert order in (DOCS / "ARCHITECTURE.md").read_text("utf-8")


def test_the_page_has_the_doors_of_the_libraries() -> None:
    written = {
        library: {file.removesuffix(".py").replace("/", ".") for file in re.findall(r"`(.+?)`", at)}
        for libraries, at in rows("Some libraries have a single door")
        for library in libraries.split(", ")
    }
    doors = {
        library: {f.removeprefix("tierchat.") for f in files} for library, files in SEAMS.items()
    }
    assert written == doors


def first_column(heading: str, page: str) -> list[str]:
    """List what stands in backticks in the first column of a table."""
    return [name for row in rows(heading, page) for name in re.findall("`([^`]+)`", row[0])]


def test_the_page_of_the_service_has_every_setting_option_and_route() -> None:
    assert first_column("## Settings", "service.md") == list(Settings.__struct_fields__)
    options = set(first_column("## Fields of a request", "service.md"))
    assert options == set(TierOptions.__struct_fields__)
    # The routes do not depend on what the handlers work with.
    routes = Service.__new__(Service).app().routes
    known = {
        f"{method} {route.path}"
        for route in routes
        if isinstance(route, Route)
        for method in (route.methods or set()) - {"HEAD"}
    }
    assert set(first_column("## Routes", "service.md")) == known


def test_the_page_of_models_has_every_cascade(tmp_path: Path) -> None:
    catalogue = load_catalogue(find_paths({"TIERCHAT_HOME": str(tmp_path)}))
    assert set(first_column("## The cascades", "models.md")) == set(catalogue.cascades)


def test_the_page_of_the_chat_names_commands_that_the_chat_knows() -> None:
    table = " ".join(row[0] for row in rows("## The chat", "chat-and-pipelines.md"))
    assert set(re.findall(r"/[a-z]+", table)) <= set(slash.NAMES)


def test_the_page_of_the_chat_has_every_exit_code() -> None:
    kinds = [TierchatError]
    for kind in kinds:
        kinds += kind.__subclasses__()
    known = {kind.exit_code for kind in kinds} | {code.value for code in ExitCode}
    assert {int(row[0]) for row in rows("## Exit codes", "chat-and-pipelines.md")} == known


def test_the_readme_is_short() -> None:
    assert len(README.read_text("utf-8").splitlines()) < _MAX_README_LINES
