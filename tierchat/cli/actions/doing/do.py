"""`tierchat do`: a tier writes a command, it is checked and explained, and run after a yes.

Does not know typer.
"""

from __future__ import annotations

import os
import platform
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass

import msgspec

from tierchat.cli.actions.doing.parts import MAX_PARTS, SIGNS, Part, parts_of, problem
from tierchat.cli.ask.person import PersonAtTerminal
from tierchat.cli.ask.printer import AnswerPrinter, AnswerView, AsksDaemon
from tierchat.cli.exit_codes import ExitCode
from tierchat.cli.server import client_of
from tierchat.config.home import Home
from tierchat.conversations import past as conversations
from tierchat.errors import UsageError
from tierchat.outcomes import Outcome
from tierchat.terminal.harmless import as_it_is
from tierchat.terminal.output import Output, standard_output
from tierchat.types import Message, Prompt, Sampling, TierOptions

_MAX_CHARS, _MAX_SAID = 600, 100
_FALLBACK_SHELL = "/bin/sh"


@dataclass(frozen=True)
class Wish:
    """What was typed after `tierchat do`."""

    words: str
    cascade: str | None = None
    tier: str | None = None
    min_tier: str | None = None
    is_printed: bool = False
    is_bare: bool = False
    no_log: bool = False
    server: str | None = None


class _Stopped(Exception):
    """No tier gave an answer that can be used; why was told."""

    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code


class _Answer(msgspec.Struct):
    command: str


def run(wish: Wish, home: Home, *, is_quiet: bool) -> int:
    """Write, explain and run a command; returns its exit code. Raises UsageError."""
    output = standard_output(quiet=is_quiet)
    if not wish.words.strip():
        raise UsageError("there is no wish", 'tierchat do "find the largest files here"')
    if not wish.is_printed and not output.is_err_terminal:
        raise UsageError(
            "there is no terminal to ask at, and nothing is run without a yes",
            "--print writes the command and does not run it",
        )
    shell = os.environ.get("SHELL") or _FALLBACK_SHELL
    writer = _Writer(wish, home, output, client_of(home, wish.server), shell)
    try:
        command, tier = writer.command()
    except _Stopped as stopped:
        return stopped.code
    if wish.is_printed:
        output.answer(f"{command}\n")
        return ExitCode.DONE
    if not wish.is_bare:
        try:
            output.say(*writer.explained(command, tier))
        except _Stopped as stopped:
            if stopped.code == ExitCode.INTERRUPTED:
                return stopped.code
            output.note("there is no explanation", "yellow")
    if why := problem(command, shell):
        output.note(f"this may not work: {why}", "yellow")
    answer = PersonAtTerminal(output).allows(tier, command, ("once",))
    if answer != "once":
        output.note("nothing was run", "yellow")
        return ExitCode.FAILED
    return _run(command, shell)


def _run(command: str, shell: str) -> int:
    child = subprocess.Popen([shell, "-c", command])
    while True:
        try:
            code = child.wait()
            break
        except KeyboardInterrupt:
            # The command gets Ctrl-C as well, and decides what it means.
            continue
    return code if code >= 0 else 128 - code


class _Writer:
    """Asks the tiers for a command, and what its parts do."""

    def __init__(
        self, wish: Wish, home: Home, output: Output, client: AsksDaemon, shell: str
    ) -> None:
        self._wish, self._home, self._output = wish, home, output
        self._client, self._shell = client, shell
        cascade = wish.cascade or home.settings.cascade
        spec = home.catalogue.cascades.get(cascade)
        self._tiers = [tier.name for tier in spec.tiers] if spec else []

    def command(self) -> tuple[str, str]:
        """Return a command and the tier that wrote it; what cannot be run goes up a tier."""
        min_tier = self._wish.min_tier
        while True:
            text, outcome = self._ask(self._question(), _schema(["command"], _MAX_CHARS), min_tier)
            command = msgspec.json.decode(text, type=_Answer).command.strip()
            tier = outcome.tier or ""
            is_top = self._wish.tier or tier not in self._tiers[:-1]
            why = problem(command, self._shell) if command else "it is empty"
            if is_top or not why:
                break
            min_tier = self._tiers[self._tiers.index(tier) + 1]
            self._output.note(f"{tier}: {why}; going on with {min_tier}", "yellow")
        if not command:
            raise UsageError("no tier wrote a command for this", "say it in other words")
        return command, tier

    def explained(self, command: str, tier: str) -> list[str]:
        """Return a line for each part of a command that says what it does."""
        parts = parts_of(command)[:MAX_PARTS]
        names = list(dict.fromkeys(part.text for part in parts if not part.is_sign))
        question = "\n".join(
            (
                f"This is a command for {self._kind}:",
                command,
                "",
                "Explain it to somebody who has never seen it: what does each part do? Do not "
                'repeat the parts; for `du -h` that would be {"du": "measures the disk space of '
                'files", "-h": "shows sizes as K, M, G"}. The parts:',
                *names,
            )
        )
        text, _ = self._ask(question, _schema(names, _MAX_SAID), None, tier=tier or None)
        said = msgspec.json.decode(text, type=dict[str, str])
        # A part that is only said again is not explained.
        told = {name: words for name, words in said.items() if _plain(words) != _plain(name)}
        if not told:
            raise _Stopped(ExitCode.FAILED)
        return _lines(parts, [(SIGNS | told).get(part.text, "") for part in parts])

    @property
    def _kind(self) -> str:
        return f"{self._shell.rpartition('/')[2]} on {_system()}"

    def _question(self) -> str:
        return (
            f"Write one command for {self._kind} that does this: {self._wish.words.strip()}\n"
            "It runs in the current folder. Use programs that are there without installing "
            "anything. Answer with the command alone."
        )

    def _ask(
        self, question: str, schema: str, min_tier: str | None, tier: str | None = None
    ) -> tuple[str, Outcome]:
        wish = self._wish
        is_saved = self._home.settings.log and not wish.no_log and not wish.server and not tier
        options = TierOptions(
            cascade=wish.cascade or (None if wish.server else self._home.settings.cascade),
            tier=tier or wish.tier,
            min_tier=min_tier,
            hold="answer",
            timeout_s=self._home.settings.timeout_s,
            save=conversations.save_in(None, "") if is_saved else None,
        )
        prompt = Prompt(
            messages=(Message(role="user", content=question),),
            sampling=Sampling(json_schema=schema, temperature=0),
            options=options,
            think=False,
        )
        # The answer is JSON, for us: what is printed comes from it.
        view = AnswerView(is_streamed=False, shows_partial=False, is_read=True)
        printer = AnswerPrinter(self._output, view)
        code = printer.run(self._client, prompt)
        outcome = printer.outcome
        if outcome is None or code not in (ExitCode.DONE, ExitCode.BELOW_ASKED):
            raise _Stopped(code or ExitCode.FAILED)
        return printer.answer, outcome


def _schema(names: Sequence[str], max_chars: int) -> str:
    properties = {name: {"type": "string", "maxLength": max_chars} for name in names}
    schema = {
        "type": "object",
        "properties": properties,
        "required": list(names),
        "additionalProperties": False,
    }
    return msgspec.json.encode(schema).decode()


def _plain(text: str) -> str:
    return " ".join(text.split()).strip("`'\".").casefold()


def _lines(parts: Sequence[Part], said: Sequence[str]) -> list[str]:
    shown = [as_it_is(part.text) for part in parts]
    width = min(30, max(map(len, shown), default=0))
    return [
        f"  {text:{width}s}  {' '.join(words.split())}".rstrip()
        for text, words in zip(shown, said, strict=True)
    ]


def _system() -> str:
    try:
        return platform.freedesktop_os_release()["PRETTY_NAME"]
    except (OSError, KeyError):
        return f"{platform.system()} {platform.release()}"
