"""The slash commands of the chat: their names, arguments and help.

Does not know what a command does; `Chat.commands` does.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from tierchat.errors import UsageError, did_you_mean


@dataclass(frozen=True)
class Command:
    """One command; the first name is the usual one, `takes` is the argument as help shows it."""

    names: tuple[str, ...]
    takes: str
    help: str

    @property
    def usage(self) -> str:
        return f"/{self.names[0]} {self.takes}".rstrip()


COMMANDS = (
    Command(("help", "?"), "", "List these commands."),
    Command(("tier",), "[NAME|free]", "Ask only this tier from now on, or free all tiers again."),
    Command(("up",), "", "Ask the last prompt again, one tier higher; the topic stays there."),
    Command(("why",), "", "Show every tier that was visited, its reasons and its cost."),
    Command(("retry",), "", "Ask the last prompt again."),
    Command(("undo",), "", "Take the last exchange back."),
    Command(("edit",), "", "Change the last prompt in the editor and ask it again."),
    Command(("continue",), "", "Let an answer that was cut short go on."),
    Command(("good",), "", "Mark the last answer as good; training learns from it."),
    Command(("bad",), "", "Mark the last answer as bad; the topic goes on one tier higher."),
    Command(("copy",), "", "Copy the last answer to the clipboard."),
    Command(("file",), "PATH", "Send a text file with the next prompt."),
    Command(
        ("tools",),
        "[NAME ...|off]",
        "Show or choose what tiers may call: calc, clock, python, files, edit, shell.",
    ),
    Command(("system",), "[TEXT]", "Show or set the system prompt; `-` removes it."),
    Command(
        ("set",), "[KEY VALUE]", "Show or set temperature, max_tokens, seed, quality, max_wait."
    ),
    Command(
        ("think",),
        "[on|off|auto|show|hide]",
        "Let tiers think before they answer; show or hide that.",
    ),
    Command(("model",), "[CASCADE]", "Show or change the cascade."),
    Command(("show",), "", "Show the settings of this chat."),
    Command(("context",), "", "Show how full each tier's context is."),
    Command(
        ("compact",), "[TIER]", "Replace the conversation by a summary of the top tier, or of TIER."
    ),
    Command(("stats",), "", "Show what this chat cost and saved."),
    Command(("new", "clear"), "", "Begin another conversation."),
    Command(("list",), "", "List saved conversations."),
    Command(("load",), "ID", "Continue a saved conversation."),
    Command(("save",), "TITLE", "Give this conversation a title; it is saved with or without."),
    Command(("export",), "FILE", "Write this conversation to a .md or .json file."),
    Command(("exit", "bye", "quit"), "", "Leave, as Ctrl-D does."),
)
_COMMAND = re.compile(r"/(\?|[A-Za-z]+)(?=\s|$)")
_BY_NAME = {name: command for command in COMMANDS for name in command.names}
NAMES = tuple(f"/{name}" for name in _BY_NAME)


def is_command(line: str) -> bool:
    """Whether a line is a command; a path such as /etc/hosts begins a question.

    A text of several lines is a command only if its first word is a known one.
    """
    found = _COMMAND.match(line.strip())
    if not found:
        return False
    return "\n" not in line.strip() or found[1].casefold() in _BY_NAME


def parse(line: str) -> tuple[Command, str]:
    """Split a line into its command and argument; raises UsageError with the nearest command."""
    name, rest = (*line.strip().removeprefix("/").split(maxsplit=1), "", "")[:2]
    command = _BY_NAME.get(name.casefold())
    if command is None:
        hint = did_you_mean(f"/{name.casefold()}", NAMES, "/help lists the commands")
        raise UsageError(f"no command named /{name}", hint)
    rest = rest.strip()
    if rest and not command.takes:
        raise UsageError(f"/{name} takes no argument", f"usage: {command.usage}")
    if not rest and command.takes and not command.takes.startswith("["):
        raise UsageError(f"/{name} needs an argument", f"usage: {command.usage}")
    return command, rest


def help_lines() -> list[str]:
    """Describe the commands and the keys."""
    width = max(len(command.usage) for command in COMMANDS)
    lines = [f"{command.usage:{width}s}  {command.help}" for command in COMMANDS]
    return [
        *lines,
        "",
        "Enter sends. Ctrl-J or Alt-Enter starts a new line, as does a \\ at the end of one.",
        'A text between """ and """ may have many lines. Tab completes names.',
        "Ctrl-R searches the history, Ctrl-G opens the editor.",
        "Ctrl-C stops an answer, Ctrl-D leaves.",
    ]
