"""The prompt a person types at: editing, history, completion, the status line below.

The one user of prompt-toolkit. Does not know what is done with the text.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from prompt_toolkit import PromptSession
from prompt_toolkit.buffer import Buffer
from prompt_toolkit.completion import CompleteEvent, Completer, Completion, PathCompleter
from prompt_toolkit.document import Document
from prompt_toolkit.formatted_text import FormattedText
from prompt_toolkit.history import FileHistory, History, InMemoryHistory
from prompt_toolkit.key_binding import KeyBindings, KeyPressEvent
from prompt_toolkit.output import ColorDepth
from prompt_toolkit.styles import Style

QUOTES = '"""'
Words = Callable[[], Iterable[str]]
_STYLE = Style.from_dict({"prompt": "bold", "bottom-toolbar": "noreverse ansibrightblack"})


class LineEditor:
    """A prompt with a history. `arguments` gives the words that may follow each slash command;
    the commands in `takes_file` complete file names."""

    def __init__(
        self,
        history: Path | None,
        arguments: dict[str, Words],
        takes_file: Iterable[str],
        status: Callable[[], str],
        *,
        has_colour: bool,
    ) -> None:
        self._status = status
        self._session: PromptSession[str] = PromptSession(
            history=_history(history),
            multiline=True,
            completer=_SlashCompleter(arguments, frozenset(takes_file)),
            complete_while_typing=False,
            enable_history_search=True,
            enable_suspend=True,
            key_bindings=_bindings(),
            bottom_toolbar=self._below,
            prompt_continuation=lambda width, _line, _wrap: "… ".rjust(width),
            style=_STYLE,
            color_depth=None if has_colour else ColorDepth.DEPTH_1_BIT,
            tempfile_suffix=".md",
        )
        # Some terminals do not say where the cursor is; nothing is wrong with them but that the
        # status line is missing.
        self._session.app.renderer.cpr_not_supported_callback = lambda: None

    def read(self, default: str = "") -> str:
        """Return the text typed; raises EOFError on Ctrl-D, KeyboardInterrupt on Ctrl-C."""
        text = self._session.prompt([("class:prompt", "> ")], default=default)
        return unquoted(text)

    def leave(self, error: BaseException) -> bool:
        """Make a running `read` raise an error, from a signal handler; False without one."""
        app = self._session.app
        if not app.is_running or app.loop is None:
            return False

        def end() -> None:
            if app.is_running and not app.is_done:
                app.exit(exception=error)

        app.loop.call_soon_threadsafe(end)
        return True

    def redraw(self) -> None:
        """Draw the status line again; any thread may call this."""
        self._session.app.invalidate()

    def _below(self) -> FormattedText:
        columns = self._session.app.output.get_size().columns
        return FormattedText([("", self._status()[: max(columns - 1, 0)])])


def unquoted(text: str) -> str:
    """Remove the triple quotes around a text of several lines."""
    bare = text.strip()
    if bare.startswith(QUOTES) and bare.endswith(QUOTES) and len(bare) >= 2 * len(QUOTES):
        return bare[len(QUOTES) : -len(QUOTES)].strip("\n")
    return text


def is_open(text: str) -> bool:
    """Whether triple quotes were opened and not closed."""
    return text.lstrip().startswith(QUOTES) and text.count(QUOTES) % 2 == 1


def _history(file: Path | None) -> History:
    if file is None:
        return InMemoryHistory()
    try:
        os.close(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600))
    except OSError:
        return InMemoryHistory()
    return FileHistory(str(file))


def _bindings() -> KeyBindings:
    keys = KeyBindings()

    @keys.add("enter")
    def _send(event: KeyPressEvent) -> None:
        buffer: Buffer = event.current_buffer
        document = buffer.document
        if is_open(buffer.text):
            buffer.insert_text("\n")
        elif document.is_cursor_at_the_end_of_line and document.current_line.endswith("\\"):
            buffer.delete_before_cursor(1)
            buffer.insert_text("\n")
        else:
            buffer.validate_and_handle()

    @keys.add("escape", "enter")
    @keys.add("c-j")
    def _new_line(event: KeyPressEvent) -> None:
        event.current_buffer.insert_text("\n")

    @keys.add("c-g")
    def _edit(event: KeyPressEvent) -> None:
        event.current_buffer.open_in_editor()

    return keys


class _SlashCompleter(Completer):
    def __init__(self, arguments: dict[str, Words], takes_file: frozenset[str]) -> None:
        self._arguments = arguments
        self._takes_file = takes_file
        self._files = PathCompleter(expanduser=True)

    def get_completions(self, document: Document, event: CompleteEvent) -> Iterator[Completion]:
        text = document.text_before_cursor
        if not text.startswith("/") or "\n" in text:
            return
        command, space, rest = text.partition(" ")
        if not space:
            yield from _matching(command, sorted(self._arguments))
        elif command in self._takes_file:
            yield from self._files.get_completions(Document(rest, len(rest)), event)
        elif command in self._arguments:
            yield from _matching(rest, self._arguments[command]())


def _matching(begun: str, words: Iterable[str]) -> Iterator[Completion]:
    folded = begun.casefold()
    for word in words:
        if word.casefold().startswith(folded):
            yield Completion(word, start_position=-len(begun))
