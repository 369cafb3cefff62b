"""Prompts that begin with a dash, such as "-5+3", told apart from the options of `ask`.

Does not know what an option does, or whether its value is right. What could be an option that was
mistyped stays one, so that the mistake is reported.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typer.core import TyperOption

_LONG = re.compile(r"--[A-Za-z][\w-]*(=.*)?", re.DOTALL)
# -k5, -T0.7, -temperature=1, -max-tokens
_SHORT = re.compile(r"-[A-Za-z]+([\d.]*|(-[A-Za-z]+)+)(=\S*)?")
# -tan(3), -f(x)
_FUNCTION = re.compile(r"-[A-Za-z]+\(")
# What a value is that directly follows its letter; a file and a system prompt may be anything.
_GLUED = {
    "--template": re.compile(r"[^\s()+*/^?!,;]+"),
    "--model": re.compile(r"[^\s()+*/^?!,;]+"),
    "--option": re.compile(r"\w+(=.*)?", re.DOTALL),
}
_HELP = ("-h", "--help")


def with_prompt_apart(arguments: Sequence[str], options: Iterable[TyperOption]) -> list[str]:
    """Move a prompt that begins with a dash behind `--`; other command lines stay as they are.

    `arguments` begin with the name of the command.
    """
    known = {flag: option for option in options for flag in (*option.opts, *option.secondary_opts)}
    given = list(arguments[:1])
    words: list[str] = []
    has_dash = False
    rest = iter(arguments[1:])
    for argument in rest:
        if argument == "--":
            words += rest
        elif argument == "-" or not argument.startswith("-"):
            words.append(argument)
        elif is_prompt(argument, known):
            words.append(argument)
            has_dash = True
        else:
            given.append(argument)
            if _wants_value(argument, known):
                given += [value for value in (next(rest, None),) if value is not None]
    return [*given, "--", *words] if has_dash else list(arguments)


def is_prompt(argument: str, known: dict[str, TyperOption]) -> bool:
    """Whether an argument that begins with a dash is no option, not even a mistyped one."""
    if argument.startswith("--"):
        return not _LONG.fullmatch(argument)
    if not argument[1].isascii() or not argument[1].isalpha() or _FUNCTION.match(argument):
        return True
    for place, letter in enumerate(argument[1:], 2):
        option = known.get(f"-{letter}")
        if option is None and f"-{letter}" not in _HELP:
            return not _SHORT.fullmatch(argument)
        if option is not None and not option.is_flag:
            form = next((_GLUED[name] for name in option.opts if name in _GLUED), None)
            value = argument[place:]
            return bool(value) and form is not None and not form.fullmatch(value)
    return False


def _wants_value(argument: str, known: dict[str, TyperOption]) -> bool:
    """Whether the next argument is the value of this one."""
    if argument.startswith("--"):
        return argument in known and not known[argument].is_flag
    for place, letter in enumerate(argument[1:], 2):
        option = known.get(f"-{letter}")
        if option is not None and not option.is_flag:
            return place == len(argument)
    return False
