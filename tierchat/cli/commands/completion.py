"""`tierchat completion bash|zsh|fish`: prints the completion script of a shell."""

from __future__ import annotations

from typing import Annotated

import typer

SHELLS = ("bash", "zsh", "fish")


def add_to(app: typer.Typer) -> None:
    """Register the command."""
    app.command()(completion)


def completion(
    shell: Annotated[str, typer.Argument(metavar="SHELL", help="bash, zsh or fish.")],
) -> None:
    """Print a script that completes commands, options and names.

    bash: put eval "$(tierchat completion bash)" into ~/.bashrc. zsh: put eval "$(tierchat
    completion zsh)" into ~/.zshrc, after compinit. fish: run tierchat completion fish >
    ~/.config/fish/completions/tierchat.fish
    """
    from typer._completion_shared import get_completion_script

    from tierchat.errors import UsageError
    from tierchat.terminal.output import standard_output

    if shell not in SHELLS:
        raise UsageError(f"there is no completion for {shell!r}", f"known: {', '.join(SHELLS)}")
    script = get_completion_script(
        prog_name="tierchat", complete_var="_TIERCHAT_COMPLETE", shell=shell
    )
    standard_output().answer(f"{script}\n")
