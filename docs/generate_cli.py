"""Write docs/cli.md from the commands' own help: `python docs/generate_cli.py`.

Does not know what a command does. `tests/test_docs.py` checks that the page is current.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import typer

from tierchat.cli.main import build_app

PAGE = Path(__file__).parent / "cli.md"
_WIDTH = 88
_HEAD = """\
# Every command

This page is generated from the commands' own help: `python docs/generate_cli.py`. Do not edit it.
The pages beside this one explain what the commands are for: [models](models.md),
[chat and pipelines](chat-and-pipelines.md), [gates](gates.md), [the service](service.md).
"""


def page() -> str:
    """Return the text of docs/cli.md."""
    command = typer.main.get_command(build_app())
    return "\n".join([_HEAD, *_sections(command, "tierchat", None)])


def _sections(command: Any, name: str, parent: Any) -> Iterator[str]:
    """Yield one section for a command, and one for each command below it."""
    context = typer.Context(
        command,
        parent=parent,
        info_name=name,
        terminal_width=_WIDTH,
        max_content_width=_WIDTH,
        help_option_names=["--help", "-h"],
    )
    lines = (line.rstrip() for line in command.get_help(context).splitlines())
    yield f"## {context.command_path}\n\n```text\n{chr(10).join(lines)}\n```\n"
    for below in getattr(command, "commands", {}) and command.list_commands(context):
        yield from _sections(command.commands[below], below, context)


if __name__ == "__main__":
    PAGE.write_text(page(), "utf-8")
