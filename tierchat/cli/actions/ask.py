"""`tierchat ask`: one question, from its options to the exit code; with -i a chat follows.

Does not know typer.
"""

from __future__ import annotations

import os

import msgspec

from tierchat.cli.ask.hands import Hands, hands_for
from tierchat.cli.ask.options import AskRequest
from tierchat.cli.ask.printer import AnswerPrinter, AnswerView
from tierchat.cli.ask.request import build_prompt, clean
from tierchat.cli.ask.stdin import Stdin
from tierchat.cli.exit_codes import ExitCode
from tierchat.cli.offer.rescue import Rescue
from tierchat.cli.server import client_of
from tierchat.config.home import Home
from tierchat.conversations.last_answer import LastAnswer
from tierchat.conversations.past import new_id
from tierchat.errors import ModelMissing
from tierchat.service.client import Client
from tierchat.terminal.output import Output, standard_output
from tierchat.types import Hold, Prompt


def run(request: AskRequest, home: Home) -> int:
    """Ask and print with this process's streams; returns the exit code."""
    settings, output = home.settings, standard_output(quiet=request.quiet)
    request = clean(request, output)
    is_whole = request.no_stream or request.json or request.extract or bool(request.schema)
    # Nobody sees a whole answer grow; in a pipe, it is held back as long as the gate may judge it.
    hold: Hold = "answer" if is_whole else "first" if output.is_out_terminal else "judged"
    prompt = build_prompt(request, home, output, Stdin.ours(), hold=hold)
    view = AnswerView(
        is_json=request.json,
        is_streamed=not is_whole,
        shows_partial=not request.schema,
        shows_thoughts=not (request.hide_reasoning or settings.hide_reasoning),
        shows_usage=request.explain or request.usage,
        explains=request.explain,
        extracts=request.extract,
        is_raw=request.plain or request.raw or bool(request.schema) or settings.theme == "plain",
        theme="light" if settings.theme == "light" else "dark",
    )
    if request.interactive:
        from tierchat.cli.chat.start import open_terminal

        os.close(open_terminal())
    with hands_for(request, home, output) as hands:
        asking = _Asking(home, output, view, prompt, request.server, hands)
        code = asking.run(may_offer=not request.json)
    if not request.interactive:
        return code
    from tierchat.cli.chat.start import go_on

    return go_on(
        asking.prompt,
        asking.printer.answer,
        asking.printer.outcome,
        home,
        output,
        server=request.server,
        hides=request.hide_reasoning,
        is_raw=request.plain,
        tools=request.tool or (),
    )


class _Asking:
    """One question; `prompt` and `printer` are those of the last time that it was asked."""

    def __init__(
        self,
        home: Home,
        output: Output,
        view: AnswerView,
        prompt: Prompt,
        server: str | None,
        hands: Hands,
    ) -> None:
        self._home, self._output, self._view = home, output, view
        self._client = client_of(home, server)
        self._hands = hands
        self.prompt = prompt
        self.printer = AnswerPrinter(output, view)

    def run(self, *, may_offer: bool) -> int:
        """Ask; if the models here cannot answer, offer others. Returns the exit code."""
        is_here = isinstance(self._client, Client)
        rescue = Rescue(self._home, self._output, is_asked=may_offer, is_here=is_here)
        self.printer = AnswerPrinter(self._output, self._view, rescue.hint)
        try:
            code = self._answer()
        except ModelMissing as error:
            return rescue.after_missing(self.prompt, error, self._ask_again)
        if code == ExitCode.UNANSWERED:
            rescued = rescue.after_refusal(self.prompt, self._ask_again)
            return code if rescued is None else rescued
        return code

    def _ask_again(self, cascade: str, min_tier: str | None) -> int:
        save = self.prompt.options.save
        if save:
            save = msgspec.structs.replace(save, exchange=new_id(), replaces=save.exchange)
        # The tiers of another cascade have answered nothing of this conversation.
        options = msgspec.structs.replace(
            LastAnswer().options(self.prompt.options, cascade, ()),
            **{"cascade": cascade, "tier": None, "min_tier": min_tier, "max_tier": None},
            save=save,
        )
        self.prompt = msgspec.structs.replace(self.prompt, options=options)
        self.printer = AnswerPrinter(self._output, self._view)
        return self._answer()

    def _answer(self) -> int:
        cascade = self.prompt.options.cascade or self._home.settings.cascade
        # In a pipe, text before a call is no part of the answer.
        is_held = not (self._view.is_streamed and self._output.is_out_terminal)
        loop = self._hands.loop(self._client, cascade, self._output, is_held=is_held)
        return self.printer.run(loop or self._client, self.prompt)
