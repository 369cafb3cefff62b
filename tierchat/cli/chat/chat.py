"""The chat's loop: read a line, answer it or do its command, again.

Does not know prompt-toolkit or sockets; everything it prints goes through `Output`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Protocol

from tierchat.cli import completions
from tierchat.cli.ask.printer import AnswerView
from tierchat.cli.ask.stdin import readable
from tierchat.cli.chat import reports, settings, slash
from tierchat.cli.chat.exchanges import Exchanges
from tierchat.cli.chat.hands import ChatHands
from tierchat.cli.chat.keys import Keys
from tierchat.cli.chat.rescue import ChatRescue
from tierchat.cli.chat.saved_chat import SavedChat
from tierchat.cli.chat.session import ChatSession
from tierchat.cli.lesson_text import known_state, short_text
from tierchat.config.home import Home
from tierchat.errors import TierchatError
from tierchat.service.client import Client
from tierchat.service.messages import DaemonStatus
from tierchat.terminal.output import Output
from tierchat.types import Sampling

if TYPE_CHECKING:
    from tierchat.service.remote.client import RemoteClient


class ReadsLines(Protocol):
    """Where lines come from."""

    def read(self, default: str = "") -> str: ...


class Chat:
    """One chat with one person.

    `status` returns the newest state of the daemon that is known, `look` lets it be read again.
    """

    def __init__(
        self,
        session: ChatSession,
        home: Home,
        output: Output,
        status: Callable[[], DaemonStatus | None],
        keys: Keys,
        view: AnswerView,
        look: Callable[[], None] = lambda: None,
        client: Client | RemoteClient | None = None,
    ) -> None:
        self.session = session
        self._home, self._output, self._status, self._keys = home, output, status, keys
        client = client or Client(home.paths)
        self._is_here = isinstance(client, Client)
        self._saved = SavedChat(session, home, client, output)
        self._hands = ChatHands(session, home, output, keys)
        self._exchanges = Exchanges(
            session,
            self._saved,
            client,
            output,
            keys,
            view,
            ChatRescue(session, home, output, keys, is_here=self._is_here),
            self._hands,
        )
        self.commands = {**self._plain_commands(), **self._commands_with_argument()}
        self._look = look
        self._is_over = False

    def run(self, editor: ReadsLines) -> int:
        """Talk until the person leaves; returns the exit code."""
        try:
            with self._keys.kept():
                self._talk(editor)
        finally:
            self._hands.close()
        return 0

    def _talk(self, editor: ReadsLines) -> None:
        while not self._is_over:
            try:
                self._turn(editor)
            except KeyboardInterrupt:
                # Another Ctrl-C, while the first was reported.
                continue

    def _turn(self, editor: ReadsLines) -> None:
        try:
            line = editor.read()
        except EOFError:
            self._leave()
            return
        except KeyboardInterrupt:
            self._output.note("Ctrl-D or /exit leaves")
            return
        try:
            self.take(line)
        except TierchatError as error:
            self._output.error(error.message, error.hint)
        except KeyboardInterrupt:
            self._output.note("interrupted", "yellow")
        # What was asked may have loaded models.
        self._look()

    def take(self, line: str) -> None:
        """Do what one line says; raises TierchatError."""
        line = readable(line, lambda text: self._output.note(text, "yellow"))
        if not line.strip():
            return
        if slash.is_command(line):
            command, argument = slash.parse(line)
            self.commands[command.names[0]](argument)
        else:
            self._exchanges.ask(line)

    def completions(self) -> dict[str, Callable[[], Iterable[str]]]:
        """Return the words that may follow each command."""
        words: dict[str, Callable[[], Iterable[str]]] = {name: list for name in slash.NAMES}
        words["/tier"] = lambda: [*self.session.tiers, "free"]
        words["/compact"] = lambda: self.session.tiers
        words["/model"] = lambda: self._home.catalogue.cascades
        words["/tools"] = lambda: completions.tools("")
        words["/think"] = lambda: settings.THINKING
        words["/set"] = lambda: [*Sampling.__struct_fields__, "quality", "max_wait"]
        words["/load"] = self._saved.newest_ids
        return words

    def status_line(self) -> str:
        """Say in one line which tiers are loaded, how full a context is, and what was saved.

        The lesson that the cascade gives itself is told, too.
        """
        here = self._home.paths if self._is_here else None
        lesson = known_state(here, self.session.cascade) if here else None
        return reports.status_line(
            self.session, self._status(), short_text(lesson) if lesson else ""
        )

    def _plain_commands(self) -> dict[str, Callable[[str], None]]:
        """Return the commands that take no argument; `slash.COMMANDS` describes each."""
        say, session, exchanges, saved = (
            self._output.say,
            self.session,
            self._exchanges,
            self._saved,
        )
        plain: dict[str, Callable[[], None]] = {
            "help": lambda: say(*slash.help_lines()),
            "up": exchanges.ask_higher,
            "why": exchanges.explain,
            "retry": exchanges.retry,
            "undo": exchanges.undo,
            "edit": exchanges.edit,
            "continue": exchanges.go_on,
            "good": lambda: saved.mark("good"),
            "bad": lambda: saved.mark("bad"),
            "copy": exchanges.copy,
            "show": lambda: say(*settings.overview(session, self._home.catalogue)),
            "context": lambda: say(*reports.contexts(session, self._status())),
            "stats": lambda: say(*reports.spent(session)),
            "new": saved.begin,
            "list": saved.show_list,
            "exit": self._leave,
        }
        return {name: _ignoring_argument(command) for name, command in plain.items()}

    def _commands_with_argument(self) -> dict[str, Callable[[str], None]]:
        say, session = self._output.say, self.session
        return {
            "tier": lambda name: say(settings.tier(session, name)),
            "system": lambda text: say(settings.system(session, text)),
            "set": lambda pair: say(*settings.sampling(session, pair)),
            "think": lambda word: say(settings.think(session, word)),
            "model": lambda name: say(settings.cascade(session, self._home.catalogue, name)),
            "tools": self._hands.choose,
            "file": self._exchanges.attach,
            "compact": self._exchanges.compact,
            "load": self._saved.load,
            "save": self._saved.rename,
            "export": self._saved.export,
        }

    def _leave(self) -> None:
        self._is_over = True


def _ignoring_argument(command: Callable[[], None]) -> Callable[[str], None]:
    return lambda _argument: command()
