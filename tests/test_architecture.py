"""Imports point down the floors, lazy ones too; a library has one seam; there are no cycles."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import tierchat

PACKAGE = Path(tierchat.__file__).parent

# First match wins; every module must be listed, so that a new one is placed on purpose.
FLOORS = (
    ("tierchat.pocket", 5),
    ("tierchat.engine", 2),
    ("tierchat.protocol", 2),
    ("tierchat.request", 2),
    ("tierchat.signals", 2),
    ("tierchat.gates", 3),
    ("tierchat.gate_files", 3),
    ("tierchat.gate_book", 3),
    ("tierchat.row_gate", 3),
    ("tierchat.evaluation", 3),
    ("tierchat.training", 3),
    ("tierchat.outcome_store", 1),
    ("tierchat.log_store", 1),
    ("tierchat.log_reader", 1),
    ("tierchat.log_rows", 0),
    ("tierchat.migrations", 1),
    ("tierchat.recorder", 4),
    ("tierchat.titles", 4),
    ("tierchat.errors", 0),
    ("tierchat.types", 0),
    ("tierchat.paths", 0),
    ("tierchat.config", 1),
    ("tierchat.catalogue", 1),
    ("tierchat.own_toml", 1),
    ("tierchat.memory_model", 1),
    ("tierchat.planner", 1),
    ("tierchat.hardware", 1),
    ("tierchat.gpu_drivers", 1),
    ("tierchat.memory_words", 0),
    ("tierchat.residency", 2),
    ("tierchat.worker_start", 2),
    ("tierchat.file_stamp", 1),
    ("tierchat.downloads", 1),
    ("tierchat.hub_names", 1),
    ("tierchat.toml_places", 1),
    ("tierchat.held_model", 4),
    ("tierchat.worker_process", 4),
    ("tierchat.worker", 2),
    ("tierchat.pool", 2),
    ("tierchat.model_files", 1),
    ("tierchat.gguf_header", 1),
    ("tierchat.gguf_hyperparameters", 1),
    ("tierchat.gguf_reader", 1),
    ("tierchat.gguf_tensors", 1),
    ("tierchat.gguf_types", 1),
    ("tierchat.gguf_vocabulary", 1),
    ("tierchat.peer", 1),
    ("tierchat.ledger", 3),
    ("tierchat.climb", 3),
    ("tierchat.cascade", 3),
    ("tierchat.prompt_run", 3),
    ("tierchat.foresight", 3),
    ("tierchat.part_file", 1),
    ("tierchat.deadline", 3),
    ("tierchat.openai_format", 4),
    ("tierchat.admission", 4),
    ("tierchat.server", 4),
    ("tierchat.http_listener", 4),
    ("tierchat.daemon", 4),
    ("tierchat.live_cascade", 4),
    ("tierchat.client", 4),
    ("tierchat.daemon_start", 4),
    ("tierchat.progress", 5),
    ("tierchat.sizes", 0),
    ("tierchat.hub", 1),
    ("tierchat.model_shelf", 5),
    ("tierchat.model_text", 5),
    ("tierchat.pull_run", 5),
    ("tierchat.pull_plan", 5),
    ("tierchat.adding", 5),
    ("tierchat.add_run", 5),
    ("tierchat.residing", 5),
    ("tierchat.asking_people", 5),
    ("tierchat.train_run", 5),
    ("tierchat.eval_run", 5),
    ("tierchat.gate_shelf", 5),
    ("tierchat.output", 5),
    ("tierchat.terminal_text", 5),
    ("tierchat.tier_line", 5),
    ("tierchat.status_text", 5),
    ("tierchat.prompt_text", 5),
    ("tierchat.ask_request", 5),
    ("tierchat.conversations", 5),
    ("tierchat.log_shelf", 5),
    ("tierchat.stats", 5),
    ("tierchat.typed_options", 5),
    ("tierchat.answer_schema", 5),
    ("tierchat.repl", 5),
    ("tierchat.markdown_stream", 5),
    ("tierchat.markdown_inline", 5),
    ("tierchat.editor", 5),
    ("tierchat.templates", 5),
    ("tierchat.attachments", 5),
    ("tierchat.code_blocks", 5),
    ("tierchat.asking", 5),
    ("tierchat.merged_pairs", 5),
    ("tierchat.crash_log", 5),
    ("tierchat.__main__", 5),
    ("tierchat.doctor", 5),
    ("tierchat.config_check", 5),
    ("tierchat.cli", 5),
    ("tierchat.commands", 5),
)
SINGLE_IMPORTER = {
    "httpx": "tierchat.hub",
    "huggingface_hub": "tierchat.hub",
    "jinja2": "tierchat.engine.template",
    "jsonschema": "tierchat.answer_schema",
    "llama_cpp": "tierchat.engine.llama",
    "platformdirs": "tierchat.paths",
    "prompt_toolkit": "tierchat.repl.line_editor",
    "starlette": "tierchat.server",
    "uvicorn": "tierchat.http_listener",
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


def floor(module: str) -> int:
    return next(n for name, n in FLOORS if module == name or module.startswith(name + "."))


def own_imports(name: str, path: Path, known: dict[str, Path]) -> set[str]:
    return {found for found in imports(path) if found in known and found not in (name, "tierchat")}


def test_imports_point_down() -> None:
    known = modules()
    wrong = [
        f"{name} (floor {floor(name)}) imports {found} (floor {floor(found)})"
        for name, path in known.items()
        if name != "tierchat"
        for found in own_imports(name, path, known)
        if floor(found) > floor(name)
    ]
    assert not wrong


def test_a_library_has_one_seam() -> None:
    wrong = [
        f"{name} imports {library}"
        for name, path in modules().items()
        for found in imports(path)
        for library, seam in SINGLE_IMPORTER.items()
        if found.split(".")[0] == library and name != seam
    ]
    assert not wrong


def test_there_are_no_cycles() -> None:
    known = modules()
    graph = {name: own_imports(name, path, known) for name, path in known.items()}
    # A package's own marker file is imported by its name alone; it imports nothing.
    done: set[str] = set()
    while len(done) < len(graph):
        ready = {name for name in graph if name not in done and graph[name] <= done}
        assert ready, f"a cycle among {sorted(set(graph) - done)}"
        done |= ready
