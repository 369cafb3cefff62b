"""`tierchat add`: reads the file's header, loads the model once, and writes its entry.

Does not know typer.
"""

from __future__ import annotations

import asyncio
import os
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from tierchat.cli.actions.model_lines import header_lines, parts_line
from tierchat.cli.actions.notices import note_loading
from tierchat.cli.pull_plan import bytes_to_fetch
from tierchat.config.added_models import add_model, refuse_taken
from tierchat.config.catalogue import CascadeSpec, Catalogue, ModelSpec, TierSpec
from tierchat.config.home import Home
from tierchat.config.model_parts import ModelFile, missing_part, part_paths
from tierchat.config.names import name_for
from tierchat.errors import ModelCorrupt, ModelMissing, TemplateError, UsageError
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
from tierchat.types import Message, Sampling
from tierchat.workers.build_pool import build_pool
from tierchat.workers.complete import complete
from tierchat.workers.protocol import Generate

_TRIAL_CONTEXT = 512


def add(
    name: str, place: str, home: Home, output: Output, *, is_sure: bool, is_offline: bool
) -> Iterator[str]:
    """Yield what the file says of itself; the model is known once it has been loaded.

    Raises ModelMissing, ModelCorrupt, TemplateError, DoesNotFit with the reason, UsageError for
    a name that is taken, and what downloads raise.
    """
    paths = home.paths
    entry, path = (
        _local(name, place, paths)
        if _is_local(place)
        else _published(name, place, home, output, is_sure=is_sure, is_offline=is_offline)
    )
    header = read_header(path)
    yield f"{'file':<16} {path}"
    yield from parts_line(header.num_parts)
    yield from header_lines(header)
    if not header.chat_template:
        raise TemplateError(
            f"{path.name} has no chat template",
            "use an instruction-tuned GGUF; base models cannot hold a conversation",
        )
    output.note("loading it once ...")
    parts = (ModelFile(str(path)),) if header.num_parts == 1 else ()
    asyncio.run(_try(name, ModelSpec(file=str(path), parts=parts), home, output))
    add_model(name, entry, paths)
    tell_daemon(paths, output.note)
    yield f'{"loads":<16} yes; it is known as {name} now: tierchat ask -m {name} "2+2"'


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


def _published(
    name: str, place: str, home: Home, output: Output, *, is_sure: bool, is_offline: bool
) -> tuple[dict[str, Any], Path]:
    paths = home.paths
    for directory in (paths.data_dir, paths.state_dir):
        make_private(directory)
    with Bars(output) as bars:
        progress = ModelProgress(bars.tell)
        downloader = Downloader(
            env=home.env,
            verified=VerifiedFiles(paths.verified_file),
            is_offline=is_offline,
            on_progress=progress,
            on_note=output.note,
        )
        found = hub_model(place, downloader, paths, name)
        refuse_taken(name, paths, found.entry)
        progress.expect(found.files)
        if found.absent:
            to_fetch = size_text(bytes_to_fetch(found.absent))
            confirm(output, f"Fetch {to_fetch}?", is_sure=is_sure, default=True)
            downloader.check_disk_space(found.files)
        for file in found.files:
            downloader.fetch(file)
    if found.absent:
        raise UsageError(f"{place} did not arrive")
    return found.entry, found.files[0].target


async def _try(name: str, spec: ModelSpec, home: Home, output: Output) -> None:
    """Load the model and let it say one token; raises what keeps it from that."""
    model = msgspec.structs.replace(spec, context=_TRIAL_CONTEXT, max_sequences=1)
    alone = CascadeSpec(tiers=(TierSpec(name="S", model=name),))
    catalogue = Catalogue(models={name: model}, cascades={name: alone})
    pool = build_pool(catalogue, name, home.paths, home.settings, keepalive_s=0)
    question = Generate(
        id=0,
        messages=(Message(role="user", content="2+2"),),
        sampling=Sampling(temperature=0, max_tokens=1),
    )
    try:
        said = await complete(pool, name, question)
        note_loading(pool, [name], output)
    finally:
        await pool.close()
    if said.reason == "garbage":
        raise ModelCorrupt(f"{Path(spec.file).name} computes numbers that are not finite")
