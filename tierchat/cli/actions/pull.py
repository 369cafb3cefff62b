"""`tierchat pull`: shows the plan, asks once, fetches the files, and tells the daemon.

Does not know typer, HTTP or how a file is downloaded.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

from tierchat.cli.actions.lessons import settle_teaching
from tierchat.cli.actions.plan_lines import describe_machine, describe_plan, disk_line
from tierchat.cli.offer.fetching import as_one, said
from tierchat.cli.pull_plan import PullPlan, bytes_to_fetch, plan_facts, plan_pull, propose
from tierchat.config.added_models import add_model, refuse_taken
from tierchat.config.catalogue import CascadeSpec, Catalogue, ModelSpec
from tierchat.config.home import Home
from tierchat.config.model_parts import ModelFile
from tierchat.config.settings import choose_cascade
from tierchat.errors import DoesNotFit, ModelMissing, UsageError
from tierchat.models.hub.downloads import Downloader, Fetched
from tierchat.models.hub.hub import is_offline
from tierchat.models.hub.names import HubFile, hub_files
from tierchat.models.hub.progress import ModelProgress
from tierchat.models.hub.reference import hub_model
from tierchat.models.on_disk import absent_files, is_here, is_whole
from tierchat.models.placement.hardware import look
from tierchat.models.verified_files import VerifiedFiles
from tierchat.paths import make_private
from tierchat.service.client import tell_daemon
from tierchat.terminal.confirm import confirm
from tierchat.terminal.output import Output
from tierchat.terminal.progress import Bars
from tierchat.terminal.units import size_text


@dataclass(frozen=True)
class PullRequest:
    """The options of one `tierchat pull`.

    `names` are cascades, models or `owner/repo:file`; without any, the cascade that fits best is
    pulled. `source` is a file on this machine to take instead of a download. `only_plan` fetches
    nothing; `context` 0 is the longest that fits. `teaches` says whether the cascade may teach
    itself; None asks at a terminal.
    """

    names: tuple[str, ...] = ()
    source: Path | None = None
    context: int = 0
    is_sure: bool = False
    only_plan: bool = False
    is_offline: bool = False
    is_json: bool = False
    teaches: bool | None = None


def pull(request: PullRequest, home: Home, output: Output) -> None:
    """Fetch missing files, smallest first; raises DoesNotFit, and the errors of downloads."""
    try:
        Puller(request, home, output).run()
    except KeyboardInterrupt:
        output.note("stopped; the same command continues from here")
        raise


class Puller:
    """One run of `pull`."""

    def __init__(self, request: PullRequest, home: Home, output: Output) -> None:
        self._request, self._home, self._output = request, home, output
        self._paths = home.paths
        self._verified = VerifiedFiles(home.paths.verified_file)
        self._report: list[dict[str, object]] = []
        self._bars = Bars(output)
        self._progress = ModelProgress(self._bars.tell)

    def run(self) -> None:
        names = self._request.names or (self._proposed(),)
        for name in names:
            # This command may have added the model before this one to the catalogue.
            catalogue = self._home.reread().catalogue
            if "/" in name:
                self._pull_from_hub(name)
            elif name in catalogue.models:
                self._pull_model(name, catalogue)
            elif name in catalogue.cascades:
                self._pull_cascade(name, catalogue)
            else:
                raise catalogue.unknown(name)
        if self._request.is_json:
            self._output.json({"files": self._report})

    def _proposed(self) -> str:
        machine = look()
        name = propose(self._home.catalogue, machine)
        self._output.note(f"this machine: {describe_machine(machine)}")
        self._output.note(f"the largest cascade of the default family that fits: {name}")
        return name

    def _pull_cascade(self, name: str, catalogue: Catalogue) -> None:
        catalogue = self._with_sizes(catalogue, name)
        plan = plan_pull(name, catalogue, look(), self._request.context)
        if self._request.only_plan:
            self._show_plan(plan)
            return
        if self._request.source and len(plan.spec.models) > 1:
            raise UsageError(
                "--from gives the file of one model", f"name one of {', '.join(plan.spec.models)}"
            )
        if plan.missing and not self._is_offline:
            self._output.say(*describe_plan(plan), disk_line(plan, self._paths))
            if not plan.plan.fits:
                raise DoesNotFit(
                    f"{name} does not fit this machine",
                    "pull a smaller cascade; `tierchat config` lists them",
                )
            self._ask(f"Fetch {size_text(plan.bytes_to_fetch(self._paths))}?")
        self._pull_models(plan.published, catalogue, cascade=name)
        if len(plan.spec.tiers) > 1:
            settle_teaching(name, self._home, self._output, self._request.teaches)

    def _show_plan(self, plan: PullPlan) -> None:
        if self._request.is_json:
            to_fetch = plan.bytes_to_fetch(self._paths)
            facts = {"cascade": plan.name, "bytes_to_fetch": to_fetch, **plan_facts(plan)}
            self._report.append(facts)
            return
        self._output.lines([*describe_plan(plan), disk_line(plan, self._paths)])

    def _with_sizes(self, catalogue: Catalogue, cascade: str) -> Catalogue:
        """Ask the hub for the size of files whose size the catalogue does not give.

        Raises ModelMissing for a local file of the user's that does not exist.
        """
        spec = catalogue.cascades.get(cascade, CascadeSpec())
        models = dict(catalogue.models)
        for name in spec.models:
            model = models[name]
            if not model.repo and (absent := absent_files(model)):
                raise ModelMissing(
                    f"{cascade} needs {name}, your local file that does not exist: {absent[0]}",
                    "check `file` in models.toml",
                )
            if model.repo and not model.bytes and not is_here(model):
                models[name] = self._with_size(model)
        return msgspec.structs.replace(catalogue, models=models)

    def _with_size(self, model: ModelSpec) -> ModelSpec:
        files = []
        with self._downloading() as downloader:
            for file, known in zip(hub_files(model, self._paths), model.files, strict=True):
                found = downloader.describe(file.repo, file.revision, file.file)
                size_bytes, sha256 = found.size_bytes or 0, known.sha256 or found.sha256
                files.append(ModelFile(known.file, size_bytes, sha256))
        sizes = sum(file.bytes for file in files)
        if len(files) > 1:
            return msgspec.structs.replace(model, bytes=sizes, parts=tuple(files))
        return msgspec.structs.replace(model, bytes=sizes, sha256=files[0].sha256)

    def _pull_model(self, name: str, catalogue: Catalogue) -> None:
        spec = catalogue.models[name]
        is_absent = bool(spec.repo) and not is_whole(spec)
        if self._may_fetch(name, hub_files(spec, self._paths) if is_absent else ()):
            self._pull_models([name], catalogue)

    def _may_fetch(self, name: str, files: Sequence[HubFile]) -> bool:
        """Say how much of one model is to be fetched, and ask; False if only the plan is wanted.

        There are no `files` where the model is here.
        """
        to_fetch = bytes_to_fetch(files)
        line = f"{name}: {size_text(to_fetch)} to fetch" if files else f"{name} is here"
        if self._request.only_plan and self._request.is_json:
            self._report.append({"model": name, "bytes_to_fetch": to_fetch})
        elif self._request.only_plan:
            self._output.line(line)
        elif files and not self._is_offline:
            self._output.say(line)
            self._ask(f"Fetch {size_text(to_fetch)}?")
        return not self._request.only_plan

    def _pull_models(
        self, models: Sequence[str], catalogue: Catalogue, cascade: str | None = None
    ) -> None:
        published = [name for name in models if catalogue.models[name].repo]
        for name in set(models) - set(published):
            if absent := absent_files(catalogue.models[name]):
                raise UsageError(f"{name} is a local file that does not exist: {absent[0]}")
            if not cascade:
                self._output.note(f"✓ {name} is a file of this machine: nothing to fetch", "green")
        files = {name: hub_files(catalogue.models[name], self._paths) for name in published}
        with self._downloading() as downloader:
            if self._request.source is None and not self._request.is_offline:
                downloader.check_disk_space(file for parts in files.values() for file in parts)
            for index, (name, parts) in enumerate(files.items()):
                self._fetch(name, parts, downloader)
                is_all_here = all(is_whole(catalogue.models[other]) for other in files)
                if cascade and index == 0 and not is_all_here:
                    self._announce(cascade, catalogue)
        if cascade:
            self._announce(cascade, catalogue)

    def _pull_from_hub(self, name: str) -> None:
        with self._downloading() as downloader:
            found = hub_model(name, downloader, self._paths)
            refuse_taken(found.name, self._paths, found.entry)
            if not self._may_fetch(found.name, found.absent):
                return
            downloader.check_disk_space(found.files)
            self._fetch(found.name, found.files, downloader)
        add_model(found.name, found.entry, self._paths)
        tell_daemon(self._paths, self._output.note)
        self._output.say(f"`tierchat ask -m {found.name}` asks it")

    def _fetch(self, name: str, files: Sequence[HubFile], downloader: Downloader) -> None:
        """Bring all files of a model here, and report them as one."""
        self._progress.expect(files)
        fetched = [self._fetched(file, files, downloader) for file in files]
        self._bars.close()
        whole = as_one(fetched)
        self._report.append(
            {
                "model": name,
                "file": str(files[0].target),
                "how": whole.how,
                "bytes": whole.num_bytes,
                "seconds": round(whole.duration_s, 3),
            }
        )
        self._output.note(f"✓ {name} {said(whole, files)}", "green")

    def _fetched(self, file: HubFile, files: Sequence[HubFile], downloader: Downloader) -> Fetched:
        source = self._request.source
        if source is None:
            return downloader.fetch(file)
        if len(files) > 1:
            # The other parts lie beside the one that was named.
            source = source.with_name(file.target.name)
        downloader.adopt(file, source)
        return Fetched("adopted", 0, 0.0)

    @contextlib.contextmanager
    def _downloading(self) -> Iterator[Downloader]:
        if not self._request.only_plan:
            make_private(self._paths.data_dir)
            make_private(self._paths.state_dir)
        with self._bars as bars:
            yield Downloader(
                env=self._home.env,
                verified=self._verified,
                is_offline=self._request.is_offline,
                on_progress=self._progress,
                on_check=lambda file, done, total: bars.tell(
                    f"checking {file.target.name}", done, total
                ),
                on_note=self._output.note,
            )

    @property
    def _is_offline(self) -> bool:
        """Whether nothing can be downloaded, so that there is nothing to agree to."""
        return self._request.is_offline or is_offline(self._home.env)

    def _announce(self, cascade: str, catalogue: Catalogue) -> None:
        """Make the cascade the default, and say which of its tiers can answer already."""
        choose_cascade(self._paths, cascade)
        settings = self._home.reread().settings
        tell_daemon(self._paths, self._output.note)
        here = [
            tier.name
            for tier in catalogue.cascades[cascade].tiers
            if is_whole(catalogue.models[tier.model])
        ]
        if settings.cascade != cascade:
            self._output.note(
                f"your settings say cascade = {settings.cascade}; `-m {cascade}` asks this cascade"
            )
        self._output.say(f'{", ".join(here)} can answer: tierchat ask "2+2"')

    def _ask(self, question: str) -> None:
        is_sure = self._request.is_sure or self._request.source is not None
        confirm(self._output, question, is_sure=is_sure, default=True)
