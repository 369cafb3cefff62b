"""Every error that tierchat raises on purpose, with its exit code, HTTP status and hint.

Knows no formatting: `terminal/output.py` prints errors, `service/openai_replies.py` makes JSON.
Errors of one room are defined there and drawn here.

                                 exit  HTTP
    TierchatError                   1   500
    ├── UsageError                  2   400   the caller asked for something impossible
    │   ├── InvalidRequest          2   400   a field of an API request is wrong; `param` names it
    │   │   ├── WrongType           2   415   the body of a request is not JSON
    │   │   ├── PreviousUnknown     2   404   service: no response to go on from
    │   │   ├── SchemaRefused       2   400   an answer cannot be kept to this JSON schema
    │   │   └── RefusedByTemplate   2   400   a chat template does not take this conversation
    │   └── UnknownModel            2   404   no cascade, tier or model of that name
    ├── ConfigError                 2   500   models.toml or config.toml is wrong at a named line
    ├── ModelMissing                3   404   the file is absent or was not pulled
    ├── ModelCorrupt                1   500   the file is damaged, refused or crashes when loaded
    ├── GateFileBad                 1   500   gates: a gate file that cannot be used
    ├── DoesNotFit                  4   507   not enough GPU memory, RAM or disk
    ├── DaemonUnreachable           5   503   not running, would not start, or connection lost
    │   └── OtherHome               5   409   the daemon works for another home than the request
    ├── LessonRunning               5   503   another process teaches this cascade
    ├── Overloaded                  5   503   queue full or shutting down; carries Retry-After
    ├── KeyRefused                  6   401   the key of a tierchat elsewhere: missing or wrong
    │   └── KeyShown                6   401   service/network: the key stands in the URL
    ├── Forbidden                   6   403   a request that the endpoint takes from nobody
    ├── NetworkError                6   502   a download failed, or a server is none of ours
    │   └── PassingFault            6   502   models/hub: worth another try
    │       └── RangeRefused        6   502   models/hub: the file ends before the asked offset
    ├── ContextTooLong              7   400   longer than the context of every admissible tier
    ├── ToolFailed                  1   500   tools: what a tool says went wrong, for the tier
    ├── BrokenToolCall              1   502   no tier wrote a call of a tool that can be used
    ├── TemplateError               1   500   chat template failed, or ran out of time or memory
    ├── EngineCrashed               1   500   a worker died; the next prompt gets a new one
    │   └── WorkerDied              1   500   workers: with the signal that killed the process
    ├── FrameTooLarge               1   500   workers: the stream to the peer is broken
    ├── LogUnusable                 1   500   conversations cannot be saved or read
    │   └── LogRowGone              1   500   the conversation was removed meanwhile
    ├── UnsafePath                  1   500   a directory, file or socket that is not ours alone
    ├── UnknownResponse             1   404   service: no response of that name is remembered
    ├── NoSuchRoute                 1   404   service, as the three below
    ├── WrongMethod                 1   405
    ├── TooLarge                    1   413   the body of a request
    ├── TooSlow                     1   408   the body of a request
    ├── HeadTooSlow                 1   408   service: the head of a request
    ├── MalformedHttp               1   400   service: bytes that are no request; also 431 and 501
    └── Timeout                   124   504

Exit codes 8 (a lower tier than asked for answered) and 9 (no tier could answer) belong to an
`Outcome`, not to an error.
"""

from __future__ import annotations

from collections.abc import Iterable

# What llama.cpp and GPU drivers write when memory runs out.
# Of words that are compared with what was typed, and of letters in that.
_MAX_COMPARED, _MAX_TYPED = 1000, 80
_OUT_OF_MEMORY = (
    "out of memory",
    "failed to allocate",
    "unable to allocate",
    "cannot allocate memory",
    "insufficient memory",
    "bad_alloc",
    # ggml asserts that an allocation succeeded.
    "mem_buffer != null",
    "outofhostmemory",
    "resource allocation failed",
    "alloc_failed",
    # There is no room for the stack of a thread.
    "can't start new thread",
    "outofdevicememory",
    "memoryerror",
)


class TierchatError(Exception):
    """A failure that was foreseen; `message` says what went wrong, `hint` what to do next."""

    exit_code = 1
    http_status = 500
    code = "error"
    # The field of an API request that is wrong, if one is.
    param: str | None = None

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        # The name of a file may hold bytes that are no text; a message is sent and printed.
        self.message = _as_text(message)
        self.hint = _as_text(hint)


def _as_text(message: str) -> str:
    try:
        return message.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    except UnicodeEncodeError:
        return message.encode("utf-8", "backslashreplace").decode()


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


class SchemaRefused(InvalidRequest):
    """An answer cannot be kept to this JSON schema; the message names the part."""

    code = "schema_refused"

    def __init__(self, message: str, hint: str = "", param: str | None = "response_format") -> None:
        super().__init__(message, hint, param)


class WrongType(InvalidRequest):
    """The body of a request is not JSON, or does not say that it is."""

    http_status = 415
    code = "unsupported_media_type"


class RefusedByTemplate(InvalidRequest):
    """The chat template of a model does not take this conversation; another model's may."""

    code = "refused_by_template"

    def __init__(self, message: str, hint: str = "", param: str | None = "messages") -> None:
        super().__init__(message, hint, param)


class UnknownModel(UsageError):
    """What a request names as its model does not exist; `code` is OpenAI's."""

    http_status = 404
    code = "model_not_found"
    param = "model"


class ConfigError(TierchatError):
    exit_code = 2
    code = "config"


class ModelMissing(TierchatError):
    exit_code = 3
    http_status = 404
    code = "model_missing"
    param = "model"


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


class OtherHome(DaemonUnreachable):
    http_status = 409
    code = "other_home"


class LessonRunning(TierchatError):
    exit_code = 5
    http_status = 503
    code = "lesson_running"


class Overloaded(TierchatError):
    exit_code = 5
    http_status = 503
    code = "overloaded"

    def __init__(self, message: str, hint: str = "", retry_after_s: int = 1) -> None:
        super().__init__(message, hint)
        self.retry_after_s = retry_after_s


class KeyRefused(TierchatError):
    """A request came without the key of the endpoint, or with a wrong one; `code` is OpenAI's."""

    exit_code = 6
    http_status = 401
    code = "invalid_api_key"


class Forbidden(TierchatError):
    """A request that no key makes right: of a foreign web page, or for a route of this machine."""

    exit_code = 6
    http_status = 403
    code = "forbidden"


class NetworkError(TierchatError):
    exit_code = 6
    http_status = 502
    code = "network"


class ContextTooLong(TierchatError):
    exit_code = 7
    http_status = 400
    code = "context_length_exceeded"
    param = "messages"

    def __init__(self, message: str, hint: str = "", num_tokens: int = 0) -> None:
        super().__init__(message, hint)
        self.num_tokens = num_tokens


class BrokenToolCall(TierchatError):
    http_status = 502
    code = "broken_tool_call"
    param = "tools"


class TemplateError(TierchatError):
    code = "template_error"


class EngineCrashed(TierchatError):
    code = "engine_crashed"


class LogUnusable(TierchatError):
    code = "log_unusable"


class LogRowGone(LogUnusable):
    """A conversation was removed during an exchange; the log itself is intact."""

    code = "log_row_gone"


class UnsafePath(TierchatError):
    code = "unsafe_path"


class Timeout(TierchatError):
    exit_code = 124
    http_status = 504
    code = "timeout"


def did_you_mean(word: str, known: Iterable[str], otherwise: str) -> str:
    """Hint at the known word that is nearest to a mistyped one; `otherwise` where none is near."""
    import difflib
    import itertools

    # Nobody mistypes a longer word, and who sends many words must not keep others waiting.
    if len(word) > _MAX_TYPED:
        return otherwise
    compared = itertools.islice(known, _MAX_COMPARED)
    folded = {each.casefold(): each for each in compared}
    near = difflib.get_close_matches(word.casefold(), folded, 1)
    return f"did you mean `{folded[near[0]]}`?" if near else otherwise


def error_from_code(code: str, message: str, hint: str = "") -> TierchatError:
    """Rebuild an error that crossed a process boundary as its `code`."""
    # Parents come first: a subclass that shares its parent's code may need other arguments.
    for kind in family(TierchatError):
        if kind.code == code:
            return kind(message, hint)
    return TierchatError(message, hint)


def family(kind: type[TierchatError]) -> list[type[TierchatError]]:
    """List a class of errors and its subclasses, as far as their modules were imported."""
    return [kind, *(each for child in kind.__subclasses__() for each in family(child))]


def says_out_of_memory(text: str) -> bool:
    """Whether a message of llama.cpp or a GPU driver says that memory ran out."""
    folded = text.casefold()
    return any(words in folded for words in _OUT_OF_MEMORY)
