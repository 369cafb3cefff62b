"""The shared byte-level tokenizer: six control tokens, 256 bytes, merges learned on prompts.

Does not know problems or models. It splits text exactly as llama.cpp's `qwen2` pre-tokenizer does.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tokenizers import Tokenizer

SPECIALS = ("<|user|>", "<|assistant|>", "<|think|>", "<|/think|>", "<|end|>", "<|escalate|>")
USER, ASSISTANT, THINK, END_THINK, END, ESCALATE = range(6)
VOCAB_SIZE = 1280
# The pattern of `pre = qwen2` in llama.cpp: every digit is a piece of its own.
_QWEN2 = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*"
    r"|\s*[\r\n]+|\s+(?!\S)|\s+"
)
CHAT_TEMPLATE = (
    "{%- set ns = namespace(system='') -%}"
    "{%- for m in messages -%}"
    "{%- if m['role'] == 'system' -%}{%- set ns.system = ns.system + m['content'] + '\\n\\n' -%}"
    "{%- elif m['role'] == 'user' -%}"
    "{{- '<|user|>' + ns.system + m['content'] -}}{%- set ns.system = '' -%}"
    "{%- elif m['role'] == 'assistant' -%}"
    "{{- '<|assistant|>' + m['content'].split('<|/think|>')[-1] + '<|end|>' -}}"
    "{%- endif -%}"
    "{%- endfor -%}"
    "{%- if add_generation_prompt -%}{{- '<|assistant|>' -}}{%- endif -%}"
)


def splitters() -> list[Any]:
    """Build the two pre-tokenizers: qwen2's pattern, then bytes."""
    from tokenizers import Regex, pre_tokenizers

    return [
        pre_tokenizers.Split(Regex(_QWEN2), "isolated"),
        pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
    ]


def train(texts: Iterable[str], vocab_size: int = VOCAB_SIZE) -> Tokenizer:
    """Learn merges from texts; ids are the specials, then the bytes, then the merges."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(splitters())
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size,
        special_tokens=list(SPECIALS),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    # User text never becomes a control token: specials are added by id, never parsed.
    tokenizer.encode_special_tokens = True
    return tokenizer


def load(path: Path) -> Tokenizer:
    """Load a tokenizer saved as JSON."""
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(path))
    tokenizer.encode_special_tokens = True
    return tokenizer


def from_gguf(reader: Any) -> Tokenizer:
    """Rebuild the tokenizer from the lists inside a GGUF, read with `gguf.GGUFReader`."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers

    tokens = reader.fields["tokenizer.ggml.tokens"].contents()
    merges = [tuple(m.split(" ")) for m in reader.fields["tokenizer.ggml.merges"].contents()]
    built = Tokenizer(models.BPE({text: index for index, text in enumerate(tokens)}, merges))
    built.pre_tokenizer = pre_tokenizers.Sequence(splitters())
    built.decoder = decoders.ByteLevel()
    return built
