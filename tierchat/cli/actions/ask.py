"""`tierchat ask`: one question, from its options to the exit code; with -i a chat follows.

Does not know typer.
"""

from __future__ import annotations

import os

from tierchat.cli.ask.options import AskRequest
from tierchat.cli.ask.printer import AnswerPrinter, AnswerView
from tierchat.cli.ask.request import build_prompt, clean
from tierchat.cli.ask.stdin import Stdin
from tierchat.config.home import Home
from tierchat.service.client import Client
from tierchat.terminal.output import standard_output


def run(request: AskRequest, home: Home) -> int:
    """Ask and print with this process's streams; returns the exit code."""
    settings, output = home.settings, standard_output(quiet=request.quiet)
    request = clean(request, output)
    # An answer that is not shown while it grows can be held back and judged as a whole.
    is_whole = request.no_stream or request.json or request.extract or bool(request.schema)
    is_streamed = output.is_out_terminal and not is_whole
    prompt = build_prompt(request, home, output, Stdin.ours(), is_streamed=is_streamed)
    view = AnswerView(
        is_json=request.json,
        is_streamed=not is_whole,
        shows_thoughts=not (request.hide_reasoning or settings.hide_reasoning),
        shows_usage=request.explain or request.usage,
        explains=request.explain,
        extracts=request.extract,
        is_raw=request.raw or bool(request.schema) or settings.theme == "plain",
        theme="light" if settings.theme == "light" else "dark",
    )
    if request.interactive:
        from tierchat.cli.chat.start import open_terminal

        os.close(open_terminal())
    printer = AnswerPrinter(output, view)
    code = printer.run(Client(home.paths), prompt)
    if not request.interactive:
        return code
    from tierchat.cli.chat.start import go_on

    return go_on(
        prompt,
        printer.answer,
        printer.outcome,
        home,
        output,
        hides=request.hide_reasoning,
        is_raw=request.raw,
    )
