"""`tierchat` and `python -m tierchat`: the first and the last moments of a command.

Ctrl-C while Python imports the command line would print a traceback, so that until then, and once
the command is over, the system ends the process without a word.
"""

# `signal` itself imports `enum`, which takes longer than anything else here.
import _signal  # type: ignore[import-not-found]

_CATCHES = _signal.default_int_handler
if _signal.getsignal(_signal.SIGINT) is _CATCHES:
    _signal.signal(_signal.SIGINT, _signal.SIG_DFL)


def run() -> int:
    """Run the command line of this process and return its exit code."""
    from tierchat.cli.main import main

    # A command started in the background ignores Ctrl-C, and goes on doing so.
    is_ours = _signal.getsignal(_signal.SIGINT) == _signal.SIG_DFL
    try:
        if is_ours:
            _signal.signal(_signal.SIGINT, _CATCHES)
        return main()
    except KeyboardInterrupt:
        return 130
    finally:
        if is_ours:
            _signal.signal(_signal.SIGINT, _signal.SIG_DFL)


if __name__ == "__main__":
    import sys

    sys.exit(run())
