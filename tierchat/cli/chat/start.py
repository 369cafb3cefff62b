"""`tierchat` without a command: build the chat and run it.

The prompt appears at once; a thread starts the daemon and watches the tiers load. Does not know
typer.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from tierchat.cli.ask.printer import AnswerView
from tierchat.cli.chat.chat import Chat
from tierchat.cli.chat.keys import Keys
from tierchat.cli.chat.session import ChatSession, Turn
from tierchat.cli.chat.watch import DaemonWatch
from tierchat.cli.server import refuse_saved, remote_of, server_of
from tierchat.config.home import Home
from tierchat.conversations import past as conversations
from tierchat.conversations.past import Past
from tierchat.errors import TierchatError, UsageError
from tierchat.outcomes import Outcome
from tierchat.paths import make_private
from tierchat.service.client import Client
from tierchat.terminal.output import Output, standard_output
from tierchat.types import Prompt

if TYPE_CHECKING:
    from tierchat.service.remote.client import RemoteClient


def run(
    home: Home,
    *,
    cascade: str | None = None,
    system: str | None = None,
    tier: str | None = None,
    is_continued: bool = False,
    conversation: str | None = None,
    no_log: bool = False,
    hide_reasoning: bool = False,
    plain: bool = False,
    server: str | None = None,
    tools: Sequence[str] = (),
) -> int:
    """Open a chat on this terminal; returns the exit code."""
    settings, output = home.settings, standard_output()
    home, client, default = whom_to_ask(home, server)
    if default:
        refuse_saved(server_of(home, server), is_continued, conversation)
    past = conversations.find(home.paths, is_continued, conversation)
    name = cascade or past.cascade or default or settings.cascade
    is_saved = settings.log and not no_log and not default
    session = new_session(home, name, is_saved=is_saved)
    session.go_on_with(past)
    session.system = system or session.system
    chat, watch = assemble(session, home, output, client, hides=hide_reasoning, is_raw=plain)
    if tier:
        chat.take(f"/tier {tier}")
    if tools:
        chat.take(f"/tools {' '.join(tools)}")
    if past.id:
        num = len(session.turns)
        output.note(
            f"continuing {past.id}, {num} exchange{'s' * (num != 1)}; /load {past.id} shows them"
        )
    return talk(chat, watch, home, output)


def go_on(
    prompt: Prompt,
    answer: str,
    outcome: Outcome | None,
    home: Home,
    output: Output,
    *,
    server: str | None,
    hides: bool,
    is_raw: bool,
    tools: Sequence[str] = (),
) -> int:
    """Open a chat that continues after one question, which may have come through a pipe.

    `hides` leaves out what tiers work out, `is_raw` shows Markdown as it is.
    """
    save = prompt.options.save
    home, client, default = whom_to_ask(home, server)
    cascade = prompt.options.cascade or default or home.settings.cascade
    session = new_session(home, cascade, is_saved=save is not None)
    system = [m.content for m in prompt.messages if m.role == "system"]
    said = tuple(m for m in prompt.messages[:-1] if m.role != "system")
    session.go_on_with(Past(id=save.conversation if save else None))
    session.said = said
    session.system = "\n\n".join(system)
    session.sampling, session.think = prompt.sampling, prompt.think
    session.options = msgspec.structs.replace(prompt.options, save=None, hold=None)
    exchange = save.exchange if save else conversations.new_id()
    tier = outcome.tier if outcome else None
    is_complete = outcome is not None and outcome.finish_reason == "stop"
    turn = Turn(
        exchange,
        prompt.question,
        answer,
        outcome,
        tier,
        is_complete,
        cascade=cascade,
        floor=outcome.floor if outcome else None,
    )
    session.add(turn)
    if outcome:
        session.spend(outcome)
    terminal = open_terminal()
    # The pipe on stdin has ended; from here on the person types at the terminal.
    os.dup2(terminal, 0)
    os.close(terminal)
    chat, watch = assemble(session, home, output, client, hides=hides, is_raw=is_raw)
    if tools:
        chat.take(f"/tools {' '.join(tools)}")
    return talk(chat, watch, home, output)


def open_terminal() -> int:
    """Open the controlling terminal, whatever stdin is; raises UsageError without a terminal."""
    try:
        return os.open("/dev/tty", os.O_RDWR)
    except OSError as error:
        raise UsageError("there is no terminal to chat at", "leave out -i") from error


def new_session(home: Home, cascade: str, *, is_saved: bool) -> ChatSession:
    """Begin a session with a cascade; raises UsageError for an unknown cascade."""
    spec = home.catalogue.find(cascade)
    session = ChatSession(cascade, tuple(t.name for t in spec.tiers), is_saved=is_saved)
    session.options = msgspec.structs.replace(session.options, timeout_s=home.settings.timeout_s)
    return session


def whom_to_ask(home: Home, server: str | None) -> tuple[Home, Client | RemoteClient, str]:
    """Return the home whose cascades are asked, the client, and a server's default cascade."""
    remote = remote_of(home, server)
    if remote is None:
        return home, Client(home.paths), ""
    from tierchat.cli.chat.elsewhere import HomeElsewhere

    status = remote.status()
    return HomeElsewhere.of(home, status), remote, status.default_cascade


def assemble(
    session: ChatSession,
    home: Home,
    output: Output,
    client: Client | RemoteClient,
    *,
    hides: bool,
    is_raw: bool,
) -> tuple[Chat, DaemonWatch]:
    """Build a chat, with the thread that watches the daemon for it."""
    settings, watch = home.settings, DaemonWatch(client)
    session.shows_thoughts = not (hides or settings.hide_reasoning)
    chat = Chat(
        session,
        home,
        output,
        lambda: watch.status,
        Keys(0),
        AnswerView(
            is_raw=is_raw or settings.theme == "plain",
            theme="light" if settings.theme == "light" else "dark",
        ),
        watch.look,
        client,
    )
    return chat, watch


def talk(chat: Chat, watch: DaemonWatch, home: Home, output: Output) -> int:
    """Read lines from the terminal until the person leaves."""
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise UsageError(
            "a chat needs a terminal", 'without one: echo "2+2" | tierchat ask, or tierchat --help'
        )
    from tierchat.cli.chat.line_editor import LineEditor

    # A chat that is not saved leaves no history of what was typed either.
    history: Path | None = home.paths.history_file if chat.session.is_saved else None
    try:
        make_private(home.paths.state_dir)
    except TierchatError as error:
        output.note(f"the history of what you type is not kept: {error.message}", "yellow")
        history = None
    editor = LineEditor(
        history,
        chat.completions(),
        ("/file", "/export"),
        chat.status_line,
        has_colour=output.has_colour,
    )
    watch.begin(editor.redraw)

    def leave(number: int, _frame: object) -> None:
        # prompt-toolkit's event loop must be left by its own means, not by an exception.
        if not editor.leave(_Ended(number)):
            raise _Ended(number)

    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, leave)
    try:
        return chat.run(editor)
    except _Ended as end:
        return end.code


class _Ended(BaseException):
    """A signal ends this process; raised, so that the terminal is restored on the way out."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.code = 128 + number
