"""`tierchat add`: reads the file's header, loads the model once, and writes its entry.

Does not know typer.
"""

from __future__ import annotations

import asyncio
import os
import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tierchat.cli.actions.model_lines import header_lines, parts_line
from tierchat.cli.actions.trial import next_step_lines, template_lines, try_out
from tierchat.cli.pull_plan import bytes_to_fetch
from tierchat.config.added_models import add_model, refuse_taken
from tierchat.config.catalogue import ModelSpec
from tierchat.config.chat_formats import TEMPLATE_NAMES, is_template_name, read_format
from tierchat.config.home import Home
from tierchat.config.model_parts import ModelFile, missing_part, part_paths
from tierchat.config.names import name_for
from tierchat.errors import ModelMissing, UsageError
from tierchat.models.gguf.header import num_parts_of, read_header
from tierchat.models.hub.downloads import Downloader
from tierchat.models.hub.names import whole_name
from tierchat.models.hub.progress import ModelProgress
from tierchat.models.hub.reference import hub_model
from tierchat.models.verified_files import VerifiedFiles
from tierchat.paths import Paths, make_private
from tierchat.service.client import tell_daemon
from tierchat.terminal.confirm import confirm
from tierchat.terminal.output import Output
from tierchat.terminal.progress import Bars
from tierchat.terminal.units import size_text


@dataclass(frozen=True)
class Wish:
    """What `add` is asked for: a model's new name, its file, and a chat template of its own."""

    name: str
    place: str
    template: str = ""
    is_sure: bool = False
    is_offline: bool = False


def add(wish: Wish, home: Home, output: Output) -> Iterator[str]:
    """Yield what the file says of itself; the model is known once it has been loaded.

    Raises ModelMissing, ModelCorrupt, TemplateError, DoesNotFit with the reason, UsageError for
    a name that is taken or a template that cannot be used, and what downloads raise.
    """
    name, paths = wish.name, home.paths
    template = _template(wish.template)
    entry, path = (
        _local(name, wish.place, paths) if _is_local(wish.place) else _published(wish, home, output)
    )
    if template:
        entry["template"] = template
    header = read_header(path)
    yield f"{'file':<16} {path}"
    yield from parts_line(header.num_parts)
    yield from header_lines(header)
    output.note("loading it once ...")
    parts = (ModelFile(str(path)),) if header.num_parts == 1 else ()
    spec = ModelSpec(file=str(path), parts=parts, template=template)
    tried = asyncio.run(try_out(name, spec, home, output))
    yield from template_lines(tried, template)
    add_model(name, entry, paths)
    tell_daemon(paths, output.note)
    yield from next_step_lines(tried, name, wish.place)


def _template(wanted: str) -> str:
    """Check `--template`; raises UsageError or ConfigError."""
    if not wanted or is_template_name(wanted):
        return wanted
    path = Path(os.path.abspath(os.path.expanduser(wanted)))
    if not path.is_file():
        raise UsageError(
            f"--template {wanted}: no template has that name, and there is no such file",
            f"give a Jinja file, or one of: {', '.join(TEMPLATE_NAMES)}",
        )
    read_format(str(path))
    return str(path)


def refuse_order(name: str, place: str) -> None:
    """Raise UsageError unless a name and a file are given, in this order.

    Raises ModelCorrupt for a file without a name that is no GGUF.
    """
    file = Path(name).expanduser()
    if place and not (file.is_file() and _is_local(place) and not Path(place).exists()):
        return
    if not place and not file.is_file() and "/" not in name:
        raise UsageError("`add` needs a file, too", f"write: tierchat add {name} FILE.gguf")
    if file.is_file():
        num_parts_of(file)
    new = place or name_for(whole_name(file.name.partition(":")[2] or file.name))
    raise UsageError(
        "`add` needs a name before the file", f"write: tierchat add {new} {shlex.quote(name)}"
    )


def _is_local(place: str) -> bool:
    if Path(place).expanduser().exists():
        return True
    is_repo = re.fullmatch(r"[\w.-]+/[\w.-]+", place) and not place.endswith(".gguf")
    return ":" not in place and not is_repo


def _local(name: str, place: str, paths: Paths) -> tuple[dict[str, Any], Path]:
    path = Path(os.path.abspath(os.path.expanduser(place)))
    if path.is_dir():
        ggufs = sorted(each.name for each in path.glob("*.gguf") if part_paths(each)[0] == each)
        known = f"name one of its GGUFs: {', '.join(ggufs)}" if ggufs else "it holds no GGUF"
        raise ModelMissing(f"{path} is a directory", known)
    if not path.is_file():
        raise ModelMissing(f"there is no file {path}", "give a GGUF, or owner/repo:file.gguf")
    entry: dict[str, Any] = {"file": str(path)}
    if len(part_paths(path)) > 1:
        if num_parts_of(path) > 1:
            # Any part stands for the model; llama.cpp is given the first.
            parts = part_paths(path)
            path = parts[0]
            entry = {"file": str(path)}
            if not path.exists():
                raise missing_part(path, 1, len(parts))
        else:
            # Named as a part, though it is a whole model.
            entry["parts"] = [{"file": str(path)}]
    refuse_taken(name, paths, entry)
    return entry, path


def _published(wish: Wish, home: Home, output: Output) -> tuple[dict[str, Any], Path]:
    name, place, paths = wish.name, wish.place, home.paths
    for directory in (paths.data_dir, paths.state_dir):
        make_private(directory)
    with Bars(output) as bars:
        progress = ModelProgress(bars.tell)
        downloader = Downloader(
            env=home.env,
            verified=VerifiedFiles(paths.verified_file),
            is_offline=wish.is_offline,
            on_progress=progress,
            on_note=output.note,
        )
        found = hub_model(place, downloader, paths, name)
        refuse_taken(name, paths, found.entry)
        progress.expect(found.files)
        if found.absent:
            to_fetch = size_text(bytes_to_fetch(found.absent))
            confirm(output, f"Fetch {to_fetch}?", is_sure=wish.is_sure, default=True)
            downloader.check_disk_space(found.files)
        for file in found.files:
            downloader.fetch(file)
    if found.absent:
        raise UsageError(f"{place} did not arrive")
    return found.entry, found.files[0].target
