"""`tierchat load` and `unload`, and their results as lines of text.

Does not know typer or streams.
"""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from tierchat.cli.actions.plan_lines import describe_plan
from tierchat.cli.pull_plan import plan_facts, plan_pull
from tierchat.config.home import Home
from tierchat.errors import UsageError
from tierchat.models.placement.hardware import look
from tierchat.service.client import Client
from tierchat.service.messages import LoadReport
from tierchat.terminal.units import memory_text


def load_lines(name: str | None, home: Home, *, is_json: bool) -> Iterator[str]:
    """Load models; yield the memory that each took."""
    chosen = name or home.settings.cascade
    found = Client(home.paths).load(chosen)
    yield from [_json(found)] if is_json else map(_loaded_line, found)


def unload_lines(name: str | None, home: Home, *, is_json: bool) -> Iterator[str]:
    """Unload the named models, or all that are loaded; yield the memory that each gave back.

    Raises UsageError for a model that is answering, after the others were unloaded.
    """
    client = Client(home.paths, starts_daemon=False)
    status = client.status()
    loaded = [worker.model for worker in status.workers if worker.pid] if status else []
    found: list[LoadReport] = []
    refused: UsageError | None = None
    for each in [name] if name and status else loaded:
        try:
            found += client.unload(each)
        except UsageError as error:
            refused = error
    if is_json and (found or not refused):
        yield _json(tuple(found))
    elif not found and not refused:
        yield "nothing is loaded"
    else:
        yield from map(_unloaded_line, found)
    if refused:
        raise refused


def plan_lines(name: str | None, home: Home, *, is_json: bool) -> Iterator[str]:
    """Yield how a cascade would be loaded on this machine as it is now."""
    settings = home.settings
    found = plan_pull(name or settings.cascade, home.catalogue, look(), settings.context)
    if is_json:
        yield msgspec.json.encode(plan_facts(found)).decode()
    else:
        yield from describe_plan(found)


def _loaded_line(found: LoadReport) -> str:
    if not found.has_changed:
        return f"{found.model} was already loaded"
    notice = f"; {found.notice}" if found.notice else ""
    return f"loaded {found.model} in {found.seconds:.1f} s: {_memory(found)}{notice}"


def _unloaded_line(found: LoadReport) -> str:
    if not found.has_changed:
        return f"{found.model} was not loaded"
    return f"unloaded {found.model}: {_memory(found)} freed"


def _memory(found: LoadReport) -> str:
    gpu = abs(found.gpu_free_before - found.gpu_free_after)
    ram = f"{memory_text(found.ram_bytes)} of RAM"
    return f"{memory_text(gpu)} of GPU memory and {ram}" if gpu else ram


def _json(found: tuple[LoadReport, ...]) -> str:
    return msgspec.json.encode(found).decode()
