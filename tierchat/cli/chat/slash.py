"""The commands of the chat, by name: `/help` and its kin. Parsing only.

Does not know what they do.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from tierchat.errors import UsageError, did_you_mean


@dataclass(frozen=True)
class Command:
    """One command: its names, the first of which is the method that does it; what it takes."""

    names: tuple[str, ...]
    takes: str
    help: str

    @property
    def usage(self) -> str:
        return f"/{self.names[0]} {self.takes}".rstrip()


COMMANDS = (
    Command(("help", "?"), "", "List these commands."),
    Command(("tier",), "[NAME|free]", "Ask only this tier from now on, or let them climb again."),
    Command(("up",), "", "Ask the last prompt again, one tier higher."),
    Command(("why",), "", "Show every tier that was visited, its reasons and its cost."),
    Command(("retry",), "", "Ask the last prompt again."),
    Command(("undo",), "", "Take the last exchange back."),
    Command(("edit",), "", "Change the last prompt in the editor and ask it again."),
    Command(("continue",), "", "Let an answer that was cut short go on."),
    Command(("good",), "", "Mark the last answer as good; training learns from it."),
    Command(("bad",), "", "Mark the last answer as bad."),
    Command(("copy",), "", "Copy the last answer to the clipboard."),
    Command(("file",), "PATH", "Send a text file with the next prompt."),
    Command(("system",), "[TEXT]", "Show or set the system text; `-` takes it away."),
    Command(("set",), "[KEY VALUE]", "Show or set temperature, top_p, max_tokens, seed, quality."),
    Command(("think",), "[on|off|auto|show|hide]", "Let tiers work things out; show that or not."),
    Command(("model",), "[CASCADE]", "Show or change the cascade."),
    Command(("show",), "", "Show the settings of this chat."),
    Command(("context",), "", "Show how full each tier's context is."),
    Command(("compact",), "[TIER]", "Let a summary, by the top tier or another, stand for it all."),
    Command(("stats",), "", "Show what this chat cost and saved."),
    Command(("new", "clear"), "", "Begin another conversation."),
    Command(("list",), "", "List saved conversations."),
    Command(("load",), "ID", "Go on with a saved conversation."),
    Command(("save",), "TITLE", "Give this conversation a title; it is saved anyway."),
    Command(("export",), "FILE", "Write this conversation to a .md or .json file."),
    Command(("exit", "bye", "quit"), "", "Leave; so does Ctrl-D."),
)
_COMMAND = re.compile(r"/(\?|[A-Za-z]+)(?=\s|$)")
_BY_NAME = {name: command for command in COMMANDS for name in command.names}
NAMES = tuple(f"/{name}" for name in _BY_NAME)


def is_command(line: str) -> bool:
    """Tell a command from a question; a path such as /etc/hosts begins a question.

    Of several lines only a known command makes a command.
    """
    found = _COMMAND.match(line.strip())
    if not found:
        return False
    return "\n" not in line.strip() or found[1].casefold() in _BY_NAME


def parse(line: str) -> tuple[Command, str]:
    """Split a line into its command and the rest; raises UsageError naming the nearest."""
    name, rest = (*line.strip().removeprefix("/").split(maxsplit=1), "", "")[:2]
    command = _BY_NAME.get(name.casefold())
    if command is None:
        hint = did_you_mean(f"/{name.casefold()}", NAMES, "/help lists the commands")
        raise UsageError(f"no command named /{name}", hint)
    rest = rest.strip()
    if rest and not command.takes:
        raise UsageError(f"/{name} takes nothing more", f"usage: {command.usage}")
    if not rest and command.takes and not command.takes.startswith("["):
        raise UsageError(f"/{name} needs more", f"usage: {command.usage}")
    return command, rest


def help_lines() -> list[str]:
    """List the commands and keys."""
    width = max(len(command.usage) for command in COMMANDS)
    lines = [f"{command.usage:{width}s}  {command.help}" for command in COMMANDS]
    return [
        *lines,
        "",
        'Enter sends. Ctrl-J or Alt-Enter make a new line; so do \\ at a line\'s end and """',
        "around a text. Tab completes, Ctrl-R searches what was typed, Ctrl-G opens the editor.",
        "Ctrl-C stops an answer, Ctrl-D leaves.",
    ]
