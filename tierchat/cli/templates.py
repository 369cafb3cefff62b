"""Prompt templates: the user's TOML files, and the few that come with tierchat.

Does not know terminals or the daemon.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from tierchat.config.toml_files import read_toml
from tierchat.config.toml_text import toml_text
from tierchat.errors import UsageError, did_you_mean
from tierchat.types import Frozen, Sampling

INPUT = "$input"
_NAME = re.compile(r"[\w.-]{1,64}")
EXAMPLE = """# A template of tierchat: tierchat ask -t {name} "..."
# `$input` is your question; without it the question follows the prompt. Every key is optional.
system = ""
prompt = "$input"
# cascade = "pocket"
# tier = "M"            ask this tier only
# min_tier = "S"        start at this tier
# max_tier = "M"        go no higher
# quality = "balanced"  frugal, balanced, best or 0..1: for learned gates
# max_wait = "10s"      choose no tier that is expected to take longer
# think = true

[options]
# temperature = 0.7
# max_tokens = 500
"""


class Template(Frozen, frozen=True):
    """The values that a template sets; options on the command line override them."""

    description: str = ""
    system: str = ""
    prompt: str = INPUT
    cascade: str | None = None
    tier: str | None = None
    min_tier: str | None = None
    max_tier: str | None = None
    no_escalate: bool = False
    quality: str | float | None = None
    max_wait: str | float | None = None
    think: bool | None = None
    options: Sampling = Sampling()

    def text(self, words: str) -> str:
        """Insert the user's words into the prompt."""
        if self.prompt == INPUT:
            return words
        if INPUT in self.prompt:
            return self.prompt.replace(INPUT, words).strip()
        return "\n\n".join(part for part in (self.prompt.strip(), words) if part)


SHIPPED = {
    "commit": Template(
        description="A commit message for a diff",
        system="You write commit messages: one line in the imperative, at most 72 characters, "
        "then, if it helps, a blank line and why.",
        prompt="Write the commit message of this change.\n\n$input",
    ),
    "explain": Template(
        description="What a text, a command or an error means",
        prompt="Explain this briefly and plainly.\n\n$input",
    ),
    "shell": Template(
        description="One command for a task; -x prints it alone",
        system="Answer with one shell command in a code block, and nothing else.",
    ),
    "summary": Template(
        description="The gist of a text",
        prompt="Summarise this in a few sentences.\n\n$input",
    ),
}


def names(directory: Path) -> list[str]:
    """List all templates, the user's and the shipped ones."""
    found = [path.stem for path in directory.glob("*.toml")] if directory.is_dir() else []
    own = [name for name in found if _is_name(name)]
    return sorted({*own, *SHIPPED})


def file_of(directory: Path, name: str) -> Path:
    """Return the file of a template; raises UsageError for an impossible name."""
    if not _is_name(name):
        raise UsageError(f"{name!r} cannot name a template", "use letters, digits, - and _")
    return directory / f"{name}.toml"


def load(directory: Path, name: str) -> Template:
    """Read a template; raises UsageError for an unknown name, ConfigError for a mistake in it."""
    found = read_toml(file_of(directory, name), Template) or SHIPPED.get(name)
    if found is None:
        known = names(directory)
        raise UsageError(
            f"no template named {name!r}", did_you_mean(name, known, f"known: {', '.join(known)}")
        )
    return found


def toml_lines(template: Template) -> Iterator[str]:
    """Write a template as the lines of a file that says the same."""
    default = msgspec.to_builtins(Template())
    values = msgspec.to_builtins(template)
    # Options that are not given are left out already.
    options = values.pop("options")
    for key, value in values.items():
        if value != default[key] or key == "prompt":
            yield f"{key} = {_readable(value)}"
    yield from ["", "[options]"] if options else []
    yield from (f"{key} = {toml_text(value)}" for key, value in options.items())


def beginning(name: str) -> str:
    """Return the text that a new file of this name begins with: the shipped template, if any."""
    if shipped := SHIPPED.get(name):
        return "\n".join(toml_lines(shipped)) + "\n"
    return EXAMPLE.format(name=name)


def _readable(value: Any) -> str:
    """Write a value of TOML, and a text of many lines as many lines."""
    if not isinstance(value, str) or "\n" not in value:
        return toml_text(value)
    lines = "\n".join(toml_text(line)[1:-1] for line in value.split("\n"))
    return f'"""\n{lines}"""'


def _is_name(text: str) -> bool:
    return bool(_NAME.fullmatch(text)) and not text.startswith(".")
