"""Every error tierchat raises on purpose, with its exit code, HTTP status and hint.

Knows no formatting: `output.py` prints them, `openai_format.py` turns them into JSON.

    TierchatError                 1   500
    ├── UsageError                2   400   the caller asked for something impossible
    │   └── InvalidRequest        2   400   a field of an API request, named
    ├── ConfigError               2   500   models.toml or config.toml, file and line named
    ├── ModelMissing              3   404   file absent or not pulled
    ├── ModelCorrupt              1   500   file damaged, refused or crashed while loading
    ├── DoesNotFit                4   507   VRAM, RAM or disk
    ├── DaemonUnreachable         5   503   not running, would not start, connection lost
    ├── Overloaded                5   503   queue full or shutting down; carries Retry-After
    ├── NetworkError              6   502
    ├── ContextTooLong            7   400   longer than every admissible context
    ├── NoTierCouldAnswer         9   200   an outcome rather than a failure; see `Outcome`
    ├── TemplateError             1   500   chat template failed, or ran out of time or memory
    ├── EngineCrashed             1   500   a worker died; the next prompt gets a new one
    ├── LogUnusable           1   500   conversations cannot be saved or read
    │   └── LogRowGone        1   500   this one was removed meanwhile
    ├── UnsafePath                1   500   a directory or socket that is not ours alone
    └── Timeout                 124   504
"""

from __future__ import annotations

# How llama.cpp and GPU drivers say that memory ran out.
_OUT_OF_MEMORY = (
    "out of memory",
    "failed to allocate",
    "unable to allocate",
    "cannot allocate memory",
    "insufficient memory",
    "bad_alloc",
    # ggml asserts that it was given what it asked for.
    "mem_buffer != null",
    "outofhostmemory",
    "resource allocation failed",
    "alloc_failed",
    # No room for its stack.
    "can't start new thread",
    "outofdevicememory",
    "memoryerror",
)


class TierchatError(Exception):
    """Something went wrong that we foresaw; `message` says what, `hint` what to do next."""

    exit_code = 1
    http_status = 500
    code = "error"

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class UsageError(TierchatError):
    exit_code = 2
    http_status = 400
    code = "usage"


class InvalidRequest(UsageError):
    """A request field is missing, of the wrong type or out of range; `param` names it."""

    code = "invalid_request_error"

    def __init__(self, message: str, hint: str = "", param: str | None = None) -> None:
        super().__init__(message, hint)
        self.param = param


class ConfigError(TierchatError):
    exit_code = 2
    code = "config"


class ModelMissing(TierchatError):
    exit_code = 3
    http_status = 404
    code = "model_missing"


class ModelCorrupt(TierchatError):
    code = "model_corrupt"


class DoesNotFit(TierchatError):
    exit_code = 4
    http_status = 507
    code = "does_not_fit"


class DaemonUnreachable(TierchatError):
    exit_code = 5
    http_status = 503
    code = "daemon_unreachable"


class Overloaded(TierchatError):
    exit_code = 5
    http_status = 503
    code = "overloaded"

    def __init__(self, message: str, hint: str = "", retry_after_s: int = 1) -> None:
        super().__init__(message, hint)
        self.retry_after_s = retry_after_s


class NetworkError(TierchatError):
    exit_code = 6
    http_status = 502
    code = "network"


class ContextTooLong(TierchatError):
    exit_code = 7
    http_status = 400
    code = "context_length_exceeded"

    def __init__(self, message: str, hint: str = "", num_tokens: int = 0) -> None:
        super().__init__(message, hint)
        self.num_tokens = num_tokens


class NoTierCouldAnswer(TierchatError):
    exit_code = 9
    http_status = 200
    code = "unanswered"


class TemplateError(TierchatError):
    code = "template_error"


class EngineCrashed(TierchatError):
    code = "engine_crashed"


class LogUnusable(TierchatError):
    code = "log_unusable"


class LogRowGone(LogUnusable):
    """A conversation was removed while it was being talked in; the log itself is well."""

    code = "log_row_gone"


class UnsafePath(TierchatError):
    code = "unsafe_path"


class Timeout(TierchatError):
    exit_code = 124
    http_status = 504
    code = "timeout"


def error_from_code(code: str, message: str, hint: str = "") -> TierchatError:
    """Rebuild an error that crossed a process boundary as its `code`."""
    for kind in _subclasses(TierchatError):
        if kind.code == code:
            return kind(message, hint)
    return TierchatError(message, hint)


def _subclasses(kind: type[TierchatError]) -> list[type[TierchatError]]:
    found = [kind]
    for child in kind.__subclasses__():
        found += _subclasses(child)
    return found


def says_out_of_memory(text: str) -> bool:
    """Recognise that a message of llama.cpp or a GPU driver is about memory."""
    folded = text.casefold()
    return any(words in folded for words in _OUT_OF_MEMORY)
