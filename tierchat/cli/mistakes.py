"""Command lines that cannot be understood: what is wrong, and the line that was probably meant.

Does not run commands or print.
"""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from itertools import islice
from typing import TYPE_CHECKING

from tierchat.cli.dashed_prompts import is_prompt
from tierchat.cli.option_pairs import merge_pairs

if TYPE_CHECKING:
    import typer
    from typer.exceptions import TyperException

# What other programs call the same thing.
_OTHER_WORDS = {
    **{"run": "ask", "prompt": "ask", "question": "ask", "download": "pull", "fetch": "pull"},
    **{"list": "ls", "models": "ls", "remove": "rm", "delete": "rm", "info": "show"},
    **{"start": "daemon up", "status": "ps", "history": "logs"},
    **{"settings": "config", "version": "--version", "help": "--help", "chat": ""},
}


def explain(error: TyperException, arguments: Sequence[str]) -> tuple[str, str]:
    """Return what is wrong with a command line, and a hint."""
    context: typer.Context | None = getattr(error, "ctx", None)
    if context is None:
        path = " ".join(["tierchat", *arguments[:1]])
        return error.format_message(), f"see {path} --help"
    option = getattr(error, "option_name", None)
    is_before_commands = context.parent is None and hasattr(context.command, "commands")
    if option and is_before_commands and (found := _misplaced(option, context, arguments)):
        return found
    message = error.format_message()
    if option and (written := _as_sampling(option, context, arguments)):
        # Not the options that are spelt alike and mean something else.
        return f"No such option: {option}", f"write: {written}"
    if option and is_before_commands and is_prompt(_with(option, arguments), {}):
        return message, _meant(message, context, arguments)
    if is_before_commands and message.startswith("No such command") and arguments:
        return message, _meant(message, context, arguments)
    if context.info_name == "config" and message.startswith("No such command"):
        return message, "settings are changed in config.toml, which `tierchat paths` names"
    if option and any(not hasattr(parameter, "is_flag") for parameter in context.command.params):
        return message, (
            f"see {context.command_path} --help; a text that begins with a dash stands after --, "
            f"as in: {context.command_path} -- {_quoted(_with(option, arguments), always=True)}"
        )
    return message, f"see {context.command_path} --help"


def is_bare_group(error: TyperException) -> bool:
    """Whether a group of commands was named without one of them, which shows its help."""
    return type(error).__name__ == "NoArgsIsHelpError"


def options_before(context: typer.Context) -> str:
    """Return how a command would be written whose options stand before it; empty without any.

    The options before a command belong to the chat, so the command would ignore them.
    """
    name = context.invoked_subcommand
    given = [
        parameter.opts[0]
        for parameter in context.command.params
        if getattr(context.get_parameter_source(parameter.name or ""), "name", "") == "COMMANDLINE"
        and parameter.opts
    ]
    return f"tierchat {name} {' '.join(given)} …" if given else ""


def _with(option: str, arguments: Sequence[str]) -> str:
    """Return the argument in which an option was found."""
    return next((word for word in arguments if word.startswith(option)), option)


def _misplaced(
    option: str, context: typer.Context, arguments: Sequence[str]
) -> tuple[str, str] | None:
    """Explain an option of a command that stands before the command."""
    commands = context.command.commands  # type: ignore[attr-defined]
    name = next((word for word in arguments if word in commands), None)
    rest = list(arguments)
    is_chat = False
    if name is None:
        name = "ask"
        options, words = _split(rest, commands[name])
        is_chat = not words
        rest = options + words
    else:
        rest.remove(name)
    known = {flag for each in commands[name].params for flag in (*each.opts, *each.secondary_opts)}
    if option not in known:
        return None
    line = " ".join(["tierchat", name, *map(_quoted, rest), *(['"…"'] if is_chat else [])])
    hint = f"write: {line}"
    if is_chat and option in ("-o", "--option"):
        hint += "; in a chat: /set KEY VALUE"
    return f"{option} is an option of `tierchat {name}`, and stands after it", hint


def _split(words: Sequence[str], command: typer.core.TyperCommand) -> tuple[list[str], list[str]]:
    """Split the words of a line into options, with their values, and the others."""
    num_values = {
        flag: 0 if getattr(parameter, "is_flag", False) else parameter.nargs
        for parameter in command.params
        for flag in (*parameter.opts, *parameter.secondary_opts)
    }
    options, others = [], []
    rest = iter(merge_pairs(list(words)))
    for word in rest:
        if not word.startswith("-") or len(word) == 1 or is_prompt(word, {}):
            others.append(word)
            continue
        options += [word, *islice(rest, num_values.get(word, 0))]
    return options, others


def _as_sampling(option: str, context: typer.Context, arguments: Sequence[str]) -> str:
    """Return how a sampling option is written that stands as an option of its own, else ""."""
    if not any("--option" in parameter.opts for parameter in context.command.params):
        return ""
    from tierchat.types import SAMPLING_ALIASES, Sampling

    key = option.lstrip("-").replace("-", "_")
    if SAMPLING_ALIASES.get(key, key) not in Sampling.__struct_fields__:
        return ""
    word = _with(option, arguments)
    after = iter(arguments[list(arguments).index(word) + 1 :] if word in arguments else ())
    return f"-o {key} {_quoted(word.partition('=')[2] or next(after, 'VALUE'))}"


def _meant(message: str, context: typer.Context, arguments: Sequence[str]) -> str:
    """Guess the line that was meant: another program's word for a command, or a question."""
    first, *rest = arguments
    if (word := _OTHER_WORDS.get(first.casefold())) is not None:
        line = " ".join(filter(None, ["tierchat", word, *map(_quoted, rest)]))
        return f"did you mean: {line}"
    if "Did you mean" in message and not rest and " " not in first:
        return "see tierchat --help"
    commands = context.command.commands  # type: ignore[attr-defined]
    options, words = _split(arguments, commands["ask"])
    asked = ["tierchat ask", *map(_quoted, options), _quoted(" ".join(words), always=True)]
    return f"to ask that: {' '.join(asked)}"


def _quoted(word: str, *, always: bool = False) -> str:
    """Quote a word for a shell, with double quotes where they suffice."""
    if shlex.quote(word) == word and not always:
        return word
    return shlex.quote(word) if set(word) & set('"$`\\!') else f'"{word}"'
