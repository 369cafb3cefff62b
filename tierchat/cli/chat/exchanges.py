"""The chat's prompts and answers: asked, remembered, asked again, taken back, summarised.

Does not know where lines come from; everything it prints goes through `Output`.
"""

from __future__ import annotations

import re
import tempfile
from dataclasses import replace
from pathlib import Path

from tierchat.cli.ask.attachments import attach, read_text
from tierchat.cli.ask.printer import AnswerPrinter, AnswerView, AsksDaemon
from tierchat.cli.ask.stdin import Notices, Stdin
from tierchat.cli.chat.hands import ChatHands
from tierchat.cli.chat.keys import Keys
from tierchat.cli.chat.rescue import ChatRescue
from tierchat.cli.chat.saved_chat import SavedChat
from tierchat.cli.chat.session import ChatSession, Turn
from tierchat.conversations import past as conversations
from tierchat.errors import ContextTooLong, DaemonUnreachable, ModelMissing, UsageError
from tierchat.terminal.editor import edit_file
from tierchat.terminal.output import Output
from tierchat.terminal.tier_line import explanation
from tierchat.terminal.units import size_text
from tierchat.types import Prompt

# A text with fewer words says too little of a conversation.
_MIN_SUMMARY_WORDS = 4
_WORD = re.compile(r"\w{3,}|\d+")


class Exchanges:
    """Asks the prompts of one chat, and does the commands about the last exchange."""

    def __init__(
        self,
        session: ChatSession,
        saved: SavedChat,
        client: AsksDaemon,
        output: Output,
        keys: Keys,
        view: AnswerView,
        rescue: ChatRescue,
        hands: ChatHands,
    ) -> None:
        self._hands = hands
        self._session, self._saved = session, saved
        self._client, self._output = client, output
        self._keys, self._view = keys, view
        self._rescue = rescue

    def ask(self, line: str) -> None:
        """Ask what was typed, with the files that go with it."""
        session = self._session
        text = "\n\n".join(part for part in (line, session.attached) if part)
        self._ask(session.ask(text))
        session.attached = ""

    def ask_higher(self) -> None:
        """Ask the last prompt again, one tier above the one that answered."""
        last = self._session.last_asked()
        above = self._session.tier_above(last)
        if above is None:
            raise UsageError(
                "there is no tier above the one that answered", "/retry asks the same tiers again"
            )
        self._ask_again(last.prompt, min_tier=above)

    def explain(self) -> None:
        """Show which tiers the last prompt visited, and why."""
        last = self._session.last_asked()
        path = last.outcome.path if last.outcome else self._saved.visits(last.exchange)
        if not path:
            raise UsageError("the last answer was interrupted: there is no ledger of it")
        began = last.outcome.began if last.outcome else ""
        self._output.say(*explanation(path, began))

    def retry(self) -> None:
        """Ask the last prompt again; after a bad answer, one tier above the one that gave it."""
        last = self._session.last_asked()
        is_pinned = self._session.options.tier is not None
        above = self._session.tier_above(last) if last.is_bad and not is_pinned else None
        self._ask_again(last.prompt, min_tier=above)

    def undo(self) -> None:
        """Take the last exchange back, or the summary that replaced those before it."""
        turn = self._session.undo()
        if turn is None and self._session.said:
            raise UsageError(
                "the summary of an earlier chat cannot be taken back", "/new begins another"
            )
        if turn is None:
            raise UsageError("there is nothing to take back")
        self._output.say(f"took back: {' '.join(turn.prompt.split())[:60]}")
        self._saved.hide(turn.exchange)

    def edit(self) -> None:
        """Open the last prompt in the user's editor, and ask it again when it was changed."""
        last = self._session.last_asked()
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "prompt.md"
            file.write_text(last.prompt, "utf-8")
            with self._keys.usual():
                edit_file(file)
            text = read_text(file, self._warn).strip()
        if not text or text == last.prompt:
            self._output.say("the prompt was not changed")
            return
        self._ask_again(text)

    def go_on(self) -> None:
        """Let the last answer continue where it was cut short."""
        last = self._session.last_asked()
        if last.is_complete:
            raise UsageError("the last answer is complete", "/retry asks the last prompt again")
        if not last.is_answered:
            # Nothing was shown of it, so that there is nothing to continue.
            self.retry()
            return
        self._ask(self._session.go_on(last), replaces=last)

    def copy(self) -> None:
        """Copy the last answer to the clipboard."""
        self._output.copy(self._session.last_asked().answer)
        self._output.say("copied")

    def attach(self, file: str) -> None:
        """Read a file that goes with the next prompt."""
        # Standard input is where the chat itself is typed.
        text = attach([Path(file)], Stdin(None, False), Notices(self._warn, self._output.note))
        self._session.attached = "\n\n".join(filter(None, (self._session.attached, text)))
        size = size_text(len(text.encode()))
        self._output.say(f"{file} ({size}) goes with the next prompt")

    def compact(self, tier: str) -> None:
        """Replace the turns so far by a summary, from the top tier unless another is named.

        The oldest turns are left out one by one until the rest fits the tier's context.
        """
        session = self._session
        session.last_asked()
        tier = tier or session.tiers[-1]
        for num_left_out in range(len(session.turns)):
            prompt = session.ask_for_summary(tier, num_left_out)
            try:
                printer = self._send(prompt, has_tools=False)
                break
            except ContextTooLong:
                continue
        else:
            raise UsageError(f"not even the last exchange fits {tier}", "/new begins another")
        summary = _turn_of(prompt, printer)
        if reason := unfit(summary, session.text):
            # Otherwise it would replace the conversation when that is loaded again.
            self._saved.hide_if_there(summary.exchange)
            raise UsageError(
                f"{tier} gave no summary ({reason}); the conversation stays as it is",
                "/compact NAME asks another tier, /new begins another conversation",
            )
        session.compact(summary)
        left_out = f", without the {num_left_out} oldest exchanges" if num_left_out else ""
        self._output.say(f"the summary replaces the conversation so far{left_out}; /undo undoes it")

    def _warn(self, notice: str) -> None:
        self._output.note(notice, "yellow")

    def _ask_again(self, text: str, *, min_tier: str | None = None) -> None:
        last = self._session.last_asked()
        prompt = self._session.ask(
            text, min_tier=min_tier, replaces=last, is_up=min_tier is not None
        )
        self._ask(prompt, replaces=last)

    def _ask(self, prompt: Prompt, replaces: Turn | None = None) -> None:
        """Ask, print and remember; an interrupted answer is remembered as far as it was shown."""
        try:
            printer = self._send(prompt)
        except ModelMissing as error:
            self._rescue.after_missing(prompt, error, self._ask)
            return
        except ContextTooLong as error:
            error.hint = self._way_out()
            raise
        # A question that failed before the first word of an answer leaves things as they were.
        if printer.answer.strip() or printer.outcome:
            calls = replaces.calls if prompt.begun and replaces else self._hands.said
            turn = replace(_turn_of(prompt, printer), calls=calls)
            self._session.add(turn, replaces)
        if printer.outcome and printer.outcome.finish_reason == "unanswered":
            self._rescue.after_refusal(prompt, self._ask)

    def _way_out(self) -> str:
        """Say what shortens a prompt that no context can hold."""
        session = self._session
        if session.attached:
            session.attached = ""
            return "the files of /file are left out from now on; attach a part of them"
        if session.turns or session.said:
            return "/compact replaces the conversation by a summary; /new begins another"
        also = ", or the system prompt (`/system -` removes it)" if session.system else ""
        return f"shorten the prompt{also}; /model NAME changes to models with a longer context"

    def _send(self, prompt: Prompt, *, has_tools: bool = True) -> AnswerPrinter:
        # An answer that goes on where it was cut short calls nothing, nor does a summary.
        is_bare = bool(prompt.begun) or not has_tools
        asks = self._hands.asker(self._client, is_bare=is_bare)
        view = replace(self._view, shows_thoughts=self._session.shows_thoughts)
        printer = AnswerPrinter(self._output, view, self._rescue.hint)
        try:
            printer.run(asks, prompt)
        except DaemonUnreachable as error:
            # The words shown before the daemon was lost are part of the conversation.
            if not printer.answer:
                raise
            self._output.error(error.message, error.hint)
        except KeyboardInterrupt:
            # A second Ctrl-C, while the first is reported: what was shown is remembered as well.
            printer.interrupted()
        finally:
            self._output.note("")
        if printer.outcome:
            self._session.spend(printer.outcome)
        return printer


def unfit(summary: Turn, said: str) -> str:
    """Say why a text cannot stand for a conversation; empty if it can."""
    if summary.tier is None or not summary.is_answered:
        return "it declined"
    if not summary.is_complete:
        return "it was cut short"
    if len(summary.answer) >= len(said):
        return "longer than what it would replace"
    words = summary.answer.split()
    if len(words) < _MIN_SUMMARY_WORDS:
        return "too short to be one"
    shared = set(_WORD.findall(summary.answer.casefold())) & set(_WORD.findall(said.casefold()))
    return "" if shared else "it has no word of the conversation"


def _turn_of(prompt: Prompt, printer: AnswerPrinter) -> Turn:
    outcome, save = printer.outcome, prompt.options.save
    return Turn(
        save.exchange if save else conversations.new_id(),
        prompt.question,
        prompt.begun + printer.answer,
        outcome,
        outcome.tier if outcome else prompt.options.tier or printer.tier,
        is_complete=outcome is not None and outcome.finish_reason == "stop",
        cascade=prompt.options.cascade,
        floor=outcome.floor if outcome else prompt.options.floor,
    )
