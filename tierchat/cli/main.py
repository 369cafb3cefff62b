"""The command line: runs the command that was typed, and reports every error that escapes.

Does not know what a command does; heavy imports stay inside the commands.
"""

from __future__ import annotations

import sys

from tierchat import __version__

# Importing `typing` takes milliseconds in which Ctrl-C would show a traceback; mypy knows the name.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    import typer

COMMANDS = (
    *("ask", "do", "pull", "ls", "show", "add", "rm", "verify"),
    *("logs", "stats", "templates", "tools"),
    *("train", "eval", "gate"),
    *("ps", "top", "load", "unload", "stop", "daemon", "serve", "mcp"),
    *("config", "paths", "doctor", "completion"),
)
_ABOUT_MODELS = {"pull", "ls", "show", "add", "rm", "verify", "load", "unload"}
COMPLETING = "_TIERCHAT_COMPLETE"


def build_app(only: str | None = None) -> typer.Typer:
    """Build the commands in the order of the help, or only the one that was typed."""
    import importlib

    import typer

    from tierchat.cli import root

    app = typer.Typer(
        name="tierchat",
        add_completion=False,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["--help", "-h"]},
    )
    root.add_to(app, COMMANDS)
    for name in [only] if only in COMMANDS else COMMANDS:
        folder = "commands.models" if name in _ABOUT_MODELS else "commands"
        importlib.import_module(f"tierchat.cli.{folder}.{name}").add_to(app)
    return app


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code; the one place that catches every exception."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    try:
        if given == ["--version"]:
            print(f"tierchat {__version__}", flush=True)
            return 0
        return _run(given)
    except KeyboardInterrupt:
        return _interrupted()
    except Exception as error:
        return _report(error)


def _run(arguments: list[str]) -> int:
    import os

    if COMPLETING in os.environ:
        return _complete()
    arguments = arguments or _default_arguments()
    if not arguments:
        # The chat is what people open most, and there is nothing to parse: typer is not loaded.
        from tierchat.cli.chat.start import run
        from tierchat.cli.home import find_home

        return run(find_home())
    import typer
    from typer.exceptions import Abort, Exit, TyperException

    from tierchat.cli.dashed_prompts import with_prompt_apart
    from tierchat.cli.option_pairs import merge_pairs

    command = typer.main.get_command(build_app(arguments[0] if arguments else None))
    words = merge_pairs(arguments)
    if words[:1] == ["ask"]:
        ask = command.commands["ask"]  # type: ignore[attr-defined]
        words = with_prompt_apart(words, [p for p in ask.params if hasattr(p, "is_flag")])
    try:
        code = command.main(words, "tierchat", standalone_mode=False)
    except TyperException as error:
        from tierchat.cli import mistakes
        from tierchat.terminal.output import standard_output

        if mistakes.is_bare_group(error):
            standard_output().line(error.format_message())
            return 0
        standard_output().error(*mistakes.explain(error, arguments))
        return error.exit_code
    except Exit as error:
        return error.exit_code
    except Abort:
        return _interrupted()
    except SystemExit as error:
        # typer itself exits only when the reader of its help closed the pipe.
        raise BrokenPipeError from error
    return code if isinstance(code, int) else 0


def _complete() -> int:
    """Print the completions of the line that a shell is editing."""
    import typer
    from typer._completion_classes import completion_init

    completion_init()
    typer.main.get_command(build_app())([], "tierchat", complete_var=COMPLETING)
    return 0


def _default_arguments() -> list[str]:
    """Choose for `tierchat` alone: a chat at a terminal, a question if something is piped in."""
    import os
    import stat

    try:
        mode = os.fstat(0).st_mode
    except OSError:
        return ["--help"]
    if os.isatty(0):
        return []
    # Behind ssh without a terminal, standard input is a socket.
    kinds = (stat.S_ISFIFO, stat.S_ISREG, stat.S_ISSOCK)
    return ["ask", "-"] if any(is_kind(mode) for is_kind in kinds) else ["--help"]


def _interrupted() -> int:
    from tierchat.cli.exit_codes import ExitCode

    return ExitCode.INTERRUPTED


def _report(error: Exception) -> int:
    from tierchat.cli.exit_codes import ExitCode
    from tierchat.errors import TierchatError
    from tierchat.terminal.output import StdoutClosed, abandon_stdout, standard_output

    if isinstance(error, StdoutClosed | BrokenPipeError):
        abandon_stdout()
        return ExitCode.STDOUT_CLOSED
    if isinstance(error, OSError) and error.errno is not None and error.filename is None:
        # For example a full disk behind stdout; the text still in its buffer would fail again.
        abandon_stdout()
        standard_output().error(f"cannot write the answer: {error.strerror}")
        return ExitCode.FAILED
    output = standard_output()
    if isinstance(error, TierchatError):
        output.error(error.message, error.hint)
        return error.exit_code
    from tierchat.cli.crash_log import record

    output.error(f"a bug in tierchat: {error!r}", f"please report it with {record(error)}")
    return ExitCode.FAILED
