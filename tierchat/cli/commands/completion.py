"""`tierchat completion bash|zsh|fish`: print what a shell needs to complete our words."""

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
    """Print a script that lets a shell complete our words.

    bash: eval "$(tierchat completion bash)" in ~/.bashrc; zsh: the same in ~/.zshrc, after
    compinit; fish: tierchat completion fish > ~/.config/fish/completions/tierchat.fish
    """
    from typer._completion_shared import get_completion_script

    from tierchat.errors import UsageError
    from tierchat.terminal.output import standard_output

    if shell not in SHELLS:
        raise UsageError(f"no completion for {shell!r}", f"known: {', '.join(SHELLS)}")
    script = get_completion_script(
        prog_name="tierchat", complete_var="_TIERCHAT_COMPLETE", shell=shell
    )
    standard_output().line(script)
