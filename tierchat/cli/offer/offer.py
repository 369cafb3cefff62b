"""What is offered where the models that are here cannot answer: a cascade to fetch, with its cost.

Does not fetch.
"""

from __future__ import annotations

import shutil
import sys
from dataclasses import dataclass

from tierchat.cli.pull_plan import USUAL_BYTES_PER_S, PullPlan, plan_pull, propose
from tierchat.config.catalogue import Catalogue
from tierchat.config.home import Home
from tierchat.models.hub.hub import is_offline
from tierchat.models.hub.part_file import existing
from tierchat.models.on_disk import is_whole
from tierchat.models.placement.hardware import Machine, look
from tierchat.terminal.confirm import is_yes
from tierchat.terminal.output import Output
from tierchat.terminal.units import duration_text, size_text
from tierchat.types import Prompt

# The smallest cascade that tries to answer anything.
FIRST_STEP = "starter"


@dataclass(frozen=True)
class Offer:
    """A cascade that can be fetched, and what that takes."""

    plan: PullPlan
    num_bytes: int
    first_bytes: int
    free_bytes: int
    # The largest cascade that fits this machine, if it is another one.
    largest: str

    @property
    def cascade(self) -> str:
        return self.plan.name

    @property
    def has_room(self) -> bool:
        return self.num_bytes < self.free_bytes

    def hint(self) -> str:
        """Name the one command to run, for a person who cannot be asked."""
        if not self.has_room:
            return (
                f"`tierchat pull {self.cascade}` fetches models that know more, but {self._space}"
            )
        return f"run: tierchat pull {self.cascade} ({self._cost})"

    def lines(self) -> list[str]:
        """Describe the offer to a person who is asked."""
        models = [self.plan.models[name] for name in self.plan.missing]
        licences = ", ".join(dict.fromkeys(model.license or "licence unknown" for model in models))
        lines = [
            f"Models that know more can be fetched now: cascade {self.cascade}, "
            f"{_listed(self.plan.missing)} ({licences}).",
            f"{self._cost}.",
        ]
        if self.largest:
            lines.append(
                f"(`tierchat pull` fetches the largest cascade that fits this machine instead: "
                f"{self.largest}.)"
            )
        return lines

    @property
    def _space(self) -> str:
        return f"{size_text(self.num_bytes)} do not fit: {size_text(self.free_bytes)} free on disk"

    @property
    def _cost(self) -> str:
        first = self.first_bytes / USUAL_BYTES_PER_S
        all_ = self.num_bytes / USUAL_BYTES_PER_S
        time = f"the first model answers after {duration_text(first)}, "
        time += f"all are here after {duration_text(all_)}"
        if len(self.plan.missing) == 1:
            time = f"it answers after {duration_text(all_)}"
        return (
            f"{size_text(self.num_bytes)}, {size_text(self.free_bytes)} free on disk; "
            f"at 50 Mbit/s {time}"
        )


class PullOffers:
    """The offers of one command or one chat: after a no, the person is not asked again.

    `is_asked` is False where nobody may be asked, whatever the terminal says.
    """

    def __init__(self, home: Home, output: Output, *, is_asked: bool = True) -> None:
        self._home = home
        self._output = output
        self._is_asked = (
            is_asked and output.is_err_terminal and not output.is_quiet and sys.stdin.isatty()
        )

    def hint(self, prompt: Prompt) -> str:
        """Name the command that helps after a refusal; empty where the person is asked instead."""
        offer = self._find(prompt)
        if offer is None:
            return self._other_cascade(prompt)
        return "" if self._asks(offer) else offer.hint()

    def will_ask(self, prompt: Prompt) -> bool:
        """Whether the person would be asked about this prompt."""
        offer = self._find(prompt)
        return offer is not None and self._asks(offer)

    def accepted(self, prompt: Prompt) -> Offer | None:
        """Offer what helps with this prompt, and return it if the person wants it."""
        offer = self._find(prompt)
        if offer is None or not self._asks(offer):
            return None
        self._output.say(*offer.lines())
        if is_yes(self._output, "Fetch them now?", default=False):
            return offer
        self._is_asked = False
        self._output.note(
            f"not fetched; `tierchat pull {offer.cascade}` does it at any time, and "
            "`offer_pull = false` in config.toml ends this question"
        )
        return None

    def _asks(self, offer: Offer) -> bool:
        return (
            self._is_asked
            and offer.has_room
            and self._home.settings.offer_pull
            and not is_offline(self._home.env)
        )

    def _find(self, prompt: Prompt) -> Offer | None:
        """Find what to fetch: what the asked cascade lacks, or else the first step beyond it."""
        catalogue, machine = self._home.catalogue, look()
        asked = catalogue.cascades.get(_asked(prompt, self._home))
        if asked is None:
            return None
        lacks = any(
            catalogue.models[m].repo and not is_whole(catalogue.models[m]) for m in asked.models
        )
        if lacks:
            return self._offer(_asked(prompt, self._home), catalogue, machine)
        is_specialist = not any(catalogue.models[model].repo for model in asked.models)
        if not is_specialist or self._other_cascade(prompt) or FIRST_STEP not in catalogue.cascades:
            return None
        return self._offer(FIRST_STEP, catalogue, machine)

    def _offer(self, cascade: str, catalogue: Catalogue, machine: Machine) -> Offer | None:
        plan = plan_pull(cascade, catalogue, machine)
        sizes = [catalogue.models[model].bytes for model in plan.missing]
        if not plan.plan.fits or not all(sizes):
            return None
        largest = propose(catalogue, machine)
        total = sum(catalogue.models[model].bytes for model in catalogue.cascades[largest].models)
        return Offer(
            plan,
            num_bytes=plan.bytes_to_fetch(self._home.paths),
            first_bytes=sizes[0],
            free_bytes=shutil.disk_usage(existing(self._home.paths.models_dir / "any")).free,
            largest="" if largest == cascade else f"{largest}, {size_text(total)}",
        )

    def _other_cascade(self, prompt: Prompt) -> str:
        """Name another cascade whose models are all here, if the asked one is the bundled one."""
        catalogue = self._home.catalogue
        for name, spec in catalogue.cascades.items():
            models = [catalogue.models[model] for model in spec.models]
            is_published = any(model.repo for model in models)
            if name != _asked(prompt, self._home) and is_published and all(map(is_whole, models)):
                return f"the models of {name} are here: add -m {name}"
        return ""


def _asked(prompt: Prompt, home: Home) -> str:
    return prompt.options.cascade or home.settings.cascade


def _listed(names: list[str]) -> str:
    *others, last = names
    return f"{', '.join(others)} and {last}" if others else last
