"""Ready-made chat templates, for models that come without one: `template` in models.toml.

Does not know how a template is run.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from tierchat.errors import ConfigError

# Where a GGUF has its chat template; further ones have a name after a point.
TEMPLATE_KEY = "tokenizer.chat_template"
# A model that completes text and has no conversations.
NO_TEMPLATE = "none"
_HINT = "give the path of a Jinja file, or one of: {}"
_MAX_TEMPLATE_BYTES = 1 << 20
_ALTERNATE = (
    "{% if loop.previtem is defined and loop.previtem.role == m.role %}"
    "{{ raise_exception('turns must alternate') }}{% endif %}"
)
_NO_SYSTEM = (
    "{% if m.role == 'system' %}{{ raise_exception('there is no system role') }}{% endif %}"
)
_BEGINS = "{% if add_generation_prompt %}{{ '%s' }}{% endif %}"


@dataclass(frozen=True)
class ChatFormat:
    """A chat template, and the texts that end a turn where the model has no token for that."""

    source: str
    stop: tuple[str, ...] = ()

    @classmethod
    def of_lines(cls, source: str, *heads: str) -> ChatFormat:
        """Make a format whose turns begin with a word; the blank lines before it are no answer."""
        return cls(source, tuple(gap + head for head in heads for gap in ("\n\n", "\n", "")))


_CHATML = ChatFormat(
    "{% for m in messages %}"
    "{{ '<|im_start|>' + m.role + '\\n' + m.content + '<|im_end|>\\n' }}{% endfor %}"
    + _BEGINS.replace("%s", "<|im_start|>assistant\\n"),
    ("<|im_end|>", "<|im_start|>"),
)
_LLAMA3 = ChatFormat(
    "{{ bos_token }}{% for m in messages %}{{ '<|start_header_id|>' + m.role + "
    "'<|end_header_id|>\\n\\n' + m.content | trim + '<|eot_id|>' }}{% endfor %}"
    + _BEGINS.replace("%s", "<|start_header_id|>assistant<|end_header_id|>\\n\\n"),
    ("<|eot_id|>", "<|start_header_id|>"),
)
_GEMMA = ChatFormat(
    "{{ bos_token }}{% for m in messages %}" + _NO_SYSTEM + _ALTERNATE + "{{ '<start_of_turn>' + "
    "('model' if m.role == 'assistant' else 'user') + '\\n' + m.content | trim + "
    "'<end_of_turn>\\n' }}{% endfor %}" + _BEGINS.replace("%s", "<start_of_turn>model\\n"),
    ("<end_of_turn>", "<start_of_turn>"),
)
_MISTRAL = ChatFormat(
    "{{ bos_token }}{% for m in messages %}" + _NO_SYSTEM + _ALTERNATE + "{% if m.role == 'user' %}"
    "{{ '[INST] ' + m.content | trim + ' [/INST]' }}{% else %}"
    "{{ ' ' + m.content | trim + eos_token }}{% endif %}{% endfor %}",
    ("[INST]",),
)
_ALPACA = ChatFormat.of_lines(
    "{% if messages[0].role != 'system' %}{{ 'Below is an instruction that describes a task. "
    "Write a response that appropriately completes the request.\\n\\n' }}{% endif %}"
    "{% for m in messages %}"
    "{% if m.role == 'system' %}{{ m.content + '\\n\\n' }}"
    "{% elif m.role == 'user' %}{{ '### Instruction:\\n' + m.content + '\\n\\n' }}"
    "{% else %}{{ '### Response:\\n' + m.content + '\\n\\n' }}{% endif %}{% endfor %}"
    + _BEGINS.replace("%s", "### Response:\\n"),
    "### Instruction",
    "### Input",
    "### Response",
)
_VICUNA = ChatFormat.of_lines(
    "{% if messages[0].role != 'system' %}{{ 'A chat between a curious user and an artificial "
    "intelligence assistant. The assistant gives helpful, detailed, and polite answers to the "
    "user\\'s questions.\\n\\n' }}{% endif %}{% for m in messages %}"
    "{% if m.role == 'system' %}{{ m.content + '\\n\\n' }}"
    "{% elif m.role == 'user' %}{{ 'USER: ' + m.content + '\\n' }}"
    "{% else %}{{ 'ASSISTANT: ' + m.content + eos_token + '\\n' }}{% endif %}{% endfor %}"
    + _BEGINS.replace("%s", "ASSISTANT:"),
    "USER:",
    "ASSISTANT:",
)
_PLAIN = ChatFormat.of_lines(
    "{% for m in messages %}"
    "{% if m.role == 'system' %}{{ m.content + '\\n\\n' }}"
    "{% elif m.role == 'user' %}{{ 'Question: ' + m.content + '\\n' }}"
    "{% else %}{{ 'Answer: ' + m.content + '\\n\\n' }}{% endif %}{% endfor %}"
    + _BEGINS.replace("%s", "Answer:"),
    "Question:",
    "\nAnswer:",
)
FORMATS = {
    "chatml": _CHATML,
    "llama3": _LLAMA3,
    "gemma": _GEMMA,
    "mistral": _MISTRAL,
    "alpaca": _ALPACA,
    "vicuna": _VICUNA,
    "plain": _PLAIN,
}
# Names that old GGUFs carry instead of a template.
_OTHER_NAMES = {"mistral-v1": "mistral", "mistral-v3": "mistral", "vicuna-orca": "vicuna"}
TEMPLATE_NAMES = (*FORMATS, NO_TEMPLATE)


def template_keys(keys: Iterable[str]) -> list[str]:
    """Return those keys of a GGUF that hold chat templates, the one for conversations first."""
    first = (TEMPLATE_KEY, f"{TEMPLATE_KEY}.default", f"{TEMPLATE_KEY}.tool_use")
    found = [key for key in keys if key == TEMPLATE_KEY or key.startswith(f"{TEMPLATE_KEY}.")]
    return sorted(found, key=lambda key: first.index(key) if key in first else len(first))


def format_named(name: str) -> ChatFormat | None:
    """Return a ready-made format by one of its names."""
    return FORMATS.get(_OTHER_NAMES.get(name, name))


def is_template_name(template: str) -> bool:
    """Whether `template` of a model is a name, and not the path of a file."""
    return template == NO_TEMPLATE or format_named(template) is not None


def read_format(template: str) -> ChatFormat | None:
    """Return the format that `template` of a model names, None where it leaves that open.

    Raises ConfigError for a file that cannot be read.
    """
    if not template:
        return None
    if template == NO_TEMPLATE:
        return ChatFormat("")
    return format_named(template) or ChatFormat(_read(Path(template)))


def _read(path: Path) -> str:
    known = ", ".join(TEMPLATE_NAMES)
    try:
        with path.open("rb") as file:
            raw = file.read(_MAX_TEMPLATE_BYTES + 1)
        text = raw.decode("utf-8-sig")
    except OSError as error:
        raise ConfigError(
            f"cannot read the chat template {path}: {error.strerror}", _HINT.format(known)
        ) from error
    except UnicodeError as error:
        raise ConfigError(f"the chat template {path} is not UTF-8", "save it as UTF-8") from error
    if not text.strip() or len(raw) > _MAX_TEMPLATE_BYTES:
        what = "is empty" if not text.strip() else f"is longer than {_MAX_TEMPLATE_BYTES} bytes"
        raise ConfigError(f"the chat template {path} {what}", _HINT.format(known))
    return text
