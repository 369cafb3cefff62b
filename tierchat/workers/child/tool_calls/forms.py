"""How a call is written that must be one: the form that a model's chat template knows.

Does not know tools or schemas.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from tierchat.workers.child.tool_calls.marks import HERMES, Mark


@dataclass(frozen=True)
class CallForm:
    """Texts around calls, whose body is JSON.

    `mark` opens the first one and stands in the prompt; `first` comes before it, `between` between
    two calls, `last` behind all. A call is `before_name`, its name, `before_arguments`, the object
    of its arguments, and `end`. Without `between`, there is one call. It `is_own` if models write
    calls so by themselves.
    """

    mark: Mark | None
    first: str
    between: str
    last: str
    before_name: str = '{"name": "'
    before_arguments: str = '", "arguments": '
    end: str = "}"
    is_own: bool = True

    @property
    def opening(self) -> str:
        return self.mark.opens if self.mark else ""


_HERMES = CallForm(HERMES, "\n", f"\n{HERMES.closes}\n{HERMES.opens}\n", f"\n{HERMES.closes}")
_MISTRAL = Mark("[TOOL_CALLS]")
_MISTRAL_LIST = CallForm(_MISTRAL, "[", ", ", "]")
_MISTRAL_NAMED = CallForm(
    _MISTRAL,
    "",
    "[TOOL_CALLS]",
    "",
    before_name="",
    before_arguments="[ARGS]",
    end="",
)
_LLAMA = CallForm(None, "", "", "", before_arguments='", "parameters": ')


def form_of_calls(template: str) -> CallForm:
    """Return the form for a model whose chat template this is."""
    if _MISTRAL.opens in template:
        return _MISTRAL_NAMED if "[ARGS]" in template else _MISTRAL_LIST
    if '"parameters": ' in template and "ipython" in template:
        return _LLAMA
    # Qwen3-Coder and GLM write no JSON between these marks.
    writes_tags = any(tag in template for tag in ("<function=", "<arg_key>"))
    return replace(_HERMES, is_own=not writes_tags)
