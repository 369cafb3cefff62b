"""Fetching a cascade in the middle of a question: asked again with each model that arrives.

Does not know how a file is downloaded, or how a prompt is printed.
"""

from __future__ import annotations

from collections.abc import Callable

from tierchat.cli.offer.fetching import Arrived, Ended, Event, Fetching, Moved, Said
from tierchat.cli.offer.offer import Offer
from tierchat.config.home import Home
from tierchat.config.settings import choose_cascade
from tierchat.models.hub.names import hub_files
from tierchat.paths import make_private
from tierchat.service.client import tell_daemon
from tierchat.terminal.output import Output
from tierchat.terminal.progress import Bars


class FirstPull:
    """One offer that was accepted."""

    def __init__(
        self, offer: Offer, home: Home, output: Output, ask_again: Callable[[str | None], int]
    ) -> None:
        """`ask_again` asks from a tier on, from the lowest for None, and returns an exit code."""
        self._offer, self._home, self._output = offer, home, output
        self._ask_again = ask_again
        self._code = 0
        self._has_asked = False

    def run(self) -> int:
        """Fetch the missing models, smallest first, and return the exit code of the last answer.

        Raises DoesNotFit, and the errors of downloads. Ctrl-C ends the download and is raised; what
        has arrived is kept.
        """
        for directory in (self._home.paths.data_dir, self._home.paths.state_dir):
            make_private(directory)
        models = self._offer.plan.models
        missing = self._offer.plan.missing
        files = {name: hub_files(models[name], self._home.paths) for name in missing}
        fetching = Fetching(files, self._home)
        fetching.begin()
        try:
            with Bars(self._output) as bars:
                for events in fetching.events():
                    self._take(events, bars)
        except KeyboardInterrupt:
            self._output.note(f"stopped; `tierchat pull {self._offer.cascade}` continues from here")
            raise
        finally:
            fetching.stop()
        return self._code

    def _take(self, events: list[Event], bars: Bars) -> None:
        """Tell what has happened, then ask again if models have arrived meanwhile."""
        arrived = [event for event in events if isinstance(event, Arrived)]
        for event in events:
            match event:
                case Moved(what, done, total) if event is events[-1]:
                    bars.tell(what, done, total)
                case Said(text):
                    self._output.note(text)
                case Arrived(model, how):
                    bars.close()
                    self._output.note(f"✓ {model} {how}", "green")
        if arrived:
            bars.close()
            choose_cascade(self._home.paths, self._offer.cascade)
            tell_daemon(self._home.paths, self._output.note)
            self._ask(arrived[-1].model)
        if isinstance(events[-1], Ended) and events[-1].error:
            raise events[-1].error

    def _ask(self, model: str) -> None:
        """Ask with the newest model: from its tier on if a smaller one has answered already."""
        tier = next(tier for tier in self._offer.plan.spec.tiers if tier.model == model)
        if self._has_asked:
            self._output.note(f"{tier.name} is here; asked again:")
        self._code = self._ask_again(tier.name if self._has_asked else None)
        self._has_asked = True
