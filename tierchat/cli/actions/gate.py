"""`tierchat gate`: lists, shows, removes, exports and imports learned gates.

Does not know typer or terminals.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from tierchat.cli.actions.promise_lines import promise_lines
from tierchat.cli.lesson_text import lesson_lines
from tierchat.config.home import Home
from tierchat.errors import UsageError
from tierchat.gates import files as gate_files
from tierchat.gates.files import GateFileBad, GateHead, numbers_file, read_head
from tierchat.gates.lesson_state import read_state
from tierchat.gates.lookup import GateLookup
from tierchat.models.on_disk import is_here
from tierchat.models.verified_files import VerifiedFiles
from tierchat.paths import make_private
from tierchat.terminal.output import Output
from tierchat.types import QUALITIES


class LearnedGates:
    """The learned gates of one user."""

    def __init__(self, home: Home) -> None:
        self._home = home
        self._lookup = GateLookup(home.paths.gates_dir, VerifiedFiles(home.paths.verified_file))

    def head(self, cascade: str) -> GateHead:
        """Read the head of a gate; raises UsageError without one, GateFileBad for a damaged one."""
        path = self._lookup.file(cascade)
        if path is None:
            known = ", ".join(self._names())
            hint = f"cascades with a gate: {known}" if known else "`tierchat train` makes one"
            raise UsageError(f"no gate for {cascade!r}", hint)
        return read_head(path)

    def list_lines(self) -> Iterator[str]:
        """Describe every gate in one line."""
        names = self._names()
        if not names:
            yield "no learned gates; `tierchat train` makes one"
        for name in names:
            state = self._state(name)
            with contextlib.suppress(GateFileBad):
                report = self.head(name).report
                state = (
                    f"NHG {report.nhg[0]:.3f}, {report.num_prompts} prompts, {report.date}: {state}"
                )
            yield f"{name:16s} {state}"
        yield from lesson_lines(self._home.paths, self._home.catalogue.cascades)

    def list_facts(self) -> list[dict[str, Any]]:
        """Return the gates, their states and lessons as plain values, for JSON."""
        cascades = dict.fromkeys((*self._names(), *self._home.catalogue.cascades))
        lessons = {name: read_state(self._home.paths, name) for name in cascades}
        return [
            {
                "cascade": name,
                "state": self._state(name) if name in self._names() else "no gate",
                "lesson": msgspec.to_builtins(lesson) if (lesson := lessons[name]) else None,
            }
            for name in cascades
            if lessons[name] or name in self._names()
        ]

    def refuse_unknown(self, cascade: str) -> None:
        """Raise UsageError for a cascade without a gate."""
        if cascade not in self._lookup.names():
            self.head(cascade)

    def remove(self, cascade: str) -> None:
        """Delete a gate, damaged or not; raises UsageError for a cascade without a gate."""
        self.refuse_unknown(cascade)
        if self._lookup.is_shipped(cascade):
            raise UsageError(
                f"the gate of {cascade} is part of tierchat and stays",
                f"`tierchat train -m {cascade}` makes one that is used instead",
            )
        path = self._lookup.path(cascade)
        for part in (path, numbers_file(path)):
            part.unlink(missing_ok=True)

    def export_to(self, cascade: str, file: Path) -> None:
        """Export a gate to a file; raises UsageError if the file exists."""
        head = self.head(cascade)
        if file.suffix != ".json":
            raise UsageError(f"{file} is no name for a gate file", "end the name in .json")
        for part in (file, numbers_file(file)):
            if part.exists():
                raise UsageError(f"{part} exists already", "choose another name")
        gate_files.save(file, head, gate_files.load(self._file(cascade)))

    def import_from(self, file: Path) -> str:
        """Import a gate file after checking it; returns its cascade.

        Raises GateFileBad for a damaged file, UsageError for a gate of other models.
        """
        try:
            head, gates = read_head(file), gate_files.load(file)
        except GateFileBad as error:
            raise GateFileBad(error.message, _import_hint(file)) from error
        catalogue = self._home.catalogue
        if head.cascade not in catalogue.cascades:
            raise UsageError(
                f"{file} is for a cascade named {head.cascade!r}",
                f"known: {', '.join(catalogue.cascades)}",
            )
        notice = GateLookup(file.parent, VerifiedFiles(self._home.paths.verified_file)).why_not_for(
            head, catalogue.cascades[head.cascade], catalogue.models
        )
        if notice:
            raise UsageError(
                f"{file} cannot be used here: {notice}", "teach your own with `tierchat train`"
            )
        make_private(self._home.paths.gates_dir)
        gate_files.save(self._lookup.path(head.cascade), head, gates)
        return head.cascade

    def _names(self) -> list[str]:
        """Return the cascades with a gate: a user's own, or a shipped one whose models are here."""
        names = self._lookup.names()
        return [n for n in names if not self._lookup.is_shipped(n) or self._has_models(n)]

    def _has_models(self, cascade: str) -> bool:
        catalogue = self._home.catalogue
        spec = catalogue.cascades.get(cascade)
        return spec is not None and all(is_here(catalogue.models[name]) for name in spec.models)

    def _file(self, cascade: str) -> Path:
        file = self._lookup.file(cascade)
        assert file is not None
        return file

    def _state(self, name: str) -> str:
        catalogue = self._home.catalogue
        spec = catalogue.cascades.get(name)
        if spec is None:
            return "no such cascade"
        found, notice = self._lookup.find(name, spec, catalogue.models)
        if not self._lookup.is_shipped(name):
            return notice or "in use"
        return "shipped, in use" if found else "shipped, not for the models here"


def _import_hint(file: Path) -> str:
    if file.suffix == ".npz":
        return f"name the head beside it: tierchat gate import {file.with_suffix('.json')}"
    if not file.exists() or file.suffix != ".json":
        return "name the FILE.json that `tierchat gate export CASCADE FILE.json` wrote"
    if not numbers_file(file).exists():
        return f"a gate is two files: {numbers_file(file).name} belongs beside {file.name}"
    return "export it again where it was taught: tierchat gate export CASCADE FILE.json"


def print_head(head: GateHead, output: Output) -> None:
    """Print how a gate was taught, and its quality and cost at each setting."""
    report = head.report
    value, low, high = report.nhg
    rounds = "1 round" if report.num_rounds == 1 else f"{report.num_rounds} rounds"
    output.line(
        f"{head.cascade}: taught on {report.num_prompts} prompts in {rounds}, "
        f"{report.seconds:.0f} s, {report.date}"
    )
    output.line(
        f"NHG {value:.3f} [{low:.3f}, {high:.3f}] on held-out prompts "
        "(0: mixing tiers at random, 1: an oracle)"
    )
    for name, quality in QUALITIES.items():
        chosen, top = head.expected(quality), head.tiers[-1].name
        if head.is_top_better(quality):
            output.line(f"{name:9s} {top} answers everything: asking lower tiers first costs more")
            continue
        output.line(
            f"{name:9s} {chosen.quality:6.1%} of {top}'s right answers "
            f"at {chosen.cost:5.1%} of its compute"
        )
    output.lines(promise_lines(head))
