"""The chat's loop: read, answer or obey, again.

Does not know prompt-toolkit or sockets; everything it prints goes through `Output`.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Protocol

import msgspec

from tierchat.cli.ask.attachments import attach, read_text
from tierchat.cli.ask.printer import AnswerPrinter, AnswerView
from tierchat.cli.ask.stdin import readable
from tierchat.cli.chat import reports, settings, slash
from tierchat.cli.chat.keys import Keys
from tierchat.cli.chat.session import ChatSession, Turn
from tierchat.config.home import Home
from tierchat.conversations import past as conversations
from tierchat.conversations.changes import LogChange
from tierchat.conversations.listing import SavedConversations, write_export
from tierchat.conversations.reader import open_log
from tierchat.conversations.store import title_of
from tierchat.errors import ContextTooLong, DaemonUnreachable, TierchatError, UsageError
from tierchat.service.client import Client
from tierchat.service.messages import DaemonStatus
from tierchat.terminal.editor import edit_file
from tierchat.terminal.markdown_stream import Theme
from tierchat.terminal.output import Output
from tierchat.terminal.tier_line import explanation
from tierchat.types import Prompt, Sampling

_GO_ON = "Go on exactly where you stopped."


class Reads(Protocol):
    """Where lines come from."""

    def read(self, default: str = "") -> str: ...


class Chat:
    """One chat with one person."""

    def __init__(
        self,
        session: ChatSession,
        home: Home,
        output: Output,
        status: Callable[[], DaemonStatus | None],
        keys: Keys,
        *,
        is_raw: bool = False,
        theme: Theme = "dark",
    ) -> None:
        self.session = session
        self._home, self._paths = home, home.paths
        self._client = Client(home.paths)
        self._output = output
        self._status = status
        self._keys = keys
        self._is_raw = is_raw
        self._theme: Theme = theme
        self._is_over = False

    def run(self, editor: Reads) -> int:
        """Talk until the person leaves; returns the exit code."""
        with self._keys.kept():
            self._talk(editor)
        return 0

    def _talk(self, editor: Reads) -> None:
        while not self._is_over:
            try:
                line = editor.read()
            except EOFError:
                break
            except KeyboardInterrupt:
                self._output.note("Ctrl-D or /exit leaves")
                continue
            try:
                self.take(line)
            except TierchatError as error:
                self._output.error(error.message, error.hint)
            except KeyboardInterrupt:
                self._output.note("interrupted", "yellow")

    def take(self, line: str) -> None:
        """Do what one line says; raises TierchatError."""
        line = readable(line, lambda text: self._output.note(text, "yellow"))
        if not line.strip():
            return
        if slash.is_command(line):
            command, rest = slash.parse(line)
            getattr(self, f"_{command.names[0]}")(rest)
            return
        session = self.session
        text = "\n\n".join(part for part in (line, session.attached) if part)
        self._ask(session.ask(text))
        session.attached = ""

    def arguments(self) -> dict[str, Callable[[], Iterable[str]]]:
        """Say what may follow each command, for completion."""
        words: dict[str, Callable[[], Iterable[str]]] = {name: list for name in slash.NAMES}
        words["/tier"] = lambda: [*self.session.tiers, "free"]
        words["/compact"] = lambda: self.session.tiers
        words["/model"] = lambda: self._home.catalogue.cascades
        words["/think"] = lambda: settings.THINKING
        words["/set"] = lambda: [*Sampling.__struct_fields__, "quality"]
        words["/load"] = lambda: [row.id for row in SavedConversations(self._paths).newest(20)]
        return words

    def status_line(self) -> str:
        """Say in one line what is loaded, how full it is, and what was saved."""
        return reports.status_line(self.session, self._status())

    def _ask(self, prompt: Prompt, replaces: Turn | None = None) -> None:
        """Ask, print, remember; what was interrupted is remembered as far as it was shown."""
        try:
            asking = self._send(prompt)
        except ContextTooLong as error:
            error.hint = "/compact lets a summary stand for the conversation; /new begins another"
            raise
        # A question that failed before a word of an answer leaves things as they were.
        if asking.answer.strip() or asking.outcome:
            self.session.add(_turn_of(prompt, asking), replaces)

    def _send(self, prompt: Prompt) -> AnswerPrinter:
        view = AnswerView(
            shows_thoughts=self.session.shows_thoughts, is_raw=self._is_raw, theme=self._theme
        )
        asking = AnswerPrinter(self._output, view)
        try:
            asking.run(self._client, prompt)
        except DaemonUnreachable as error:
            # What was shown until the daemon was lost stays said.
            if not asking.answer:
                raise
            self._output.error(error.message, error.hint)
        except KeyboardInterrupt:
            # A second one, in the telling of the first: what was shown is remembered all the same.
            asking.interrupted()
        finally:
            self._output.note("")
        if asking.outcome:
            self.session.spend(asking.outcome)
        return asking

    def _last(self) -> Turn:
        turn = self.session.last
        if turn is None:
            raise UsageError("nothing was asked yet")
        return turn

    def _again(self, text: str, *, min_tier: str | None = None) -> None:
        last = self._last()
        self._ask(self.session.ask(text, min_tier=min_tier, replaces=last), replaces=last)

    def _change(self, what: str, id: str, text: str = "") -> None:
        if self.session.is_saved:
            change = msgspec.convert({"what": what, "id": id, "text": text}, LogChange)
            if not self._client.change_log(change):
                raise UsageError("this conversation was removed meanwhile", "/new begins another")

    def _say(self, *lines: str) -> None:
        for line in lines:
            self._output.note(line, "plain")

    # The commands; `slash.COMMANDS` says what each does.

    def _help(self, _rest: str) -> None:
        self._say(*slash.help_lines())

    def _exit(self, _rest: str) -> None:
        self._is_over = True

    def _tier(self, rest: str) -> None:
        self._say(settings.tier(self.session, rest))

    def _system(self, rest: str) -> None:
        self._say(settings.system(self.session, rest))

    def _set(self, rest: str) -> None:
        self._say(*settings.sampling(self.session, rest))

    def _think(self, rest: str) -> None:
        self._say(settings.think(self.session, rest))

    def _model(self, rest: str) -> None:
        self._say(settings.cascade(self.session, self._home.catalogue, rest))

    def _show(self, _rest: str) -> None:
        self._say(*settings.overview(self.session, self._home.catalogue))

    def _up(self, _rest: str) -> None:
        last = self._last()
        above = self.session.tier_above(last)
        if above is None:
            raise UsageError(
                "there is no tier above the one that answered", "/retry asks the same again"
            )
        self._again(last.prompt, min_tier=above)

    def _why(self, _rest: str) -> None:
        last = self._last()
        if last.outcome:
            path = last.outcome.path
        else:
            with open_log(self._paths.log_file) as log:
                path = tuple(log.visits(last.exchange)) if log else ()
        if not path:
            raise UsageError("the last answer was interrupted: there is no ledger of it")
        self._say(*explanation(path))

    def _retry(self, _rest: str) -> None:
        self._again(self._last().prompt)

    def _undo(self, _rest: str) -> None:
        turn = self.session.undo()
        if turn is None and self.session.said:
            raise UsageError("this summary is of another day and stays", "/new begins anew")
        if turn is None:
            raise UsageError("there is nothing to take back")
        self._say(f"took back: {' '.join(turn.prompt.split())[:60]}")
        self._change("hide", turn.exchange)

    def _edit(self, _rest: str) -> None:
        last = self._last()
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "prompt.md"
            file.write_text(last.prompt, "utf-8")
            with self._keys.usual():
                edit_file(file)
            text = read_text(file, lambda notice: self._output.note(notice, "yellow")).strip()
        if not text or text == last.prompt:
            self._say("nothing changed")
            return
        self._again(text)

    def _continue(self, _rest: str) -> None:
        last = self._last()
        if last.is_complete:
            raise UsageError("the last answer is complete")
        self._ask(self.session.ask(_GO_ON))

    def _good(self, _rest: str) -> None:
        self._mark("good")

    def _bad(self, _rest: str) -> None:
        self._mark("bad")

    def _mark(self, mark: str) -> None:
        if not self.session.is_saved:
            raise UsageError("this chat is not saved, so a mark has nowhere to go")
        self._change(mark, self._last().exchange)
        self._say(f"marked as {mark}")

    def _copy(self, _rest: str) -> None:
        self._output.copy(self._last().answer)
        self._say("copied")

    def _file(self, rest: str) -> None:
        text = attach([Path(rest)], lambda notice: self._output.note(notice, "yellow"))
        self.session.attached = "\n\n".join(filter(None, (self.session.attached, text)))
        self._say(f"{rest} goes with the next prompt")

    def _context(self, _rest: str) -> None:
        self._say(*reports.contexts(self.session, self._status()))

    def _compact(self, rest: str) -> None:
        session = self.session
        self._last()
        tier = rest or session.tiers[-1]
        for num_left_out in range(len(session.turns)):
            try:
                prompt = session.ask_for_summary(tier, num_left_out)
                asking = self._send(prompt)
                break
            except ContextTooLong:
                continue
        else:
            raise UsageError(f"not even the last exchange fits {tier}", "/new begins another")
        if asking.outcome is None or asking.outcome.tier is None or not asking.answer.strip():
            raise UsageError(
                f"{tier} gave no summary; the conversation stays as it is",
                "/compact NAME asks another tier, /new begins another conversation",
            )
        session.compact(_turn_of(prompt, asking))
        left_out = f", but the {num_left_out} oldest exchanges" if num_left_out else ""
        self._say(f"the summary stands for all that was said before{left_out}; /undo unfolds it")

    def _stats(self, _rest: str) -> None:
        self._say(*reports.spent(self.session))

    def _new(self, _rest: str) -> None:
        self.session.start_anew()
        self._say("a new conversation")

    def _list(self, _rest: str) -> None:
        self._say(*SavedConversations(self._paths).overview(20, is_json=False))

    def _load(self, rest: str) -> None:
        past = conversations.find(self._paths, False, rest)
        if past.cascade in self._home.catalogue.cascades and past.cascade != self.session.cascade:
            settings.cascade(self.session, self._home.catalogue, past.cascade)
        self.session.go_on_with(past)
        lines = SavedConversations(self._paths).show(past.id, with_hidden=False, is_json=False)
        self._say(*lines)

    def _save(self, rest: str) -> None:
        if not self.session.is_saved:
            raise UsageError("this chat was begun with --no-log", "begin another without it")
        self._last()
        self._change("rename", self.session.conversation, rest)
        self._say(f"saved as: {title_of(rest)}")

    def _export(self, rest: str) -> None:
        if not self.session.is_saved:
            raise UsageError("this chat is not saved", "begin another without --no-log")
        self._last()
        saved = SavedConversations(self._paths)
        text = saved.export(self.session.conversation, is_json=rest.endswith(".json"))
        write_export(Path(rest), text)
        self._say(f"wrote {rest}")


def _turn_of(prompt: Prompt, asking: AnswerPrinter) -> Turn:
    outcome, save = asking.outcome, prompt.options.save
    return Turn(
        save.exchange if save else conversations.new_id(),
        prompt.messages[-1].content,
        asking.answer,
        outcome,
        outcome.tier if outcome else None,
        is_complete=outcome is not None and outcome.finish_reason == "stop",
    )
