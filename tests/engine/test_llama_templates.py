"""The templates that come with llama.cpp are rendered as llama.cpp renders them, token by token.

Its renderings were recorded with `bench/template_goldens.py`. The templates have licences of their
own and are not in this repository: `.ci/fetch_templates.py` fetches them.
"""

from __future__ import annotations

import datetime
import gzip
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bench.template_goldens import CONVERSATIONS, TOOL_CONVERSATIONS, WEATHER
from tierchat.engine.llama.log import LlamaLog
from tierchat.engine.llama.model import LlamaModel
from tierchat.engine.template import ChatTemplate
from tierchat.engine.template_way import TemplateHost
from tierchat.tool_calls import Tool, ToolCall
from tierchat.types import Message

GOLDENS = json.loads(gzip.decompress((Path(__file__).parent / "goldens.json.gz").read_bytes()))
# What SmolLM2, with which they were recorded, calls its tokens.
SPECIAL = {"bos_token": "<|im_start|>", "eos_token": "<|im_end|>", "pad_token": "<|im_end|>"}
TOOLS = (
    Tool(
        name="weather",
        description=WEATHER["function"]["description"],
        parameters=json.dumps(WEATHER["function"]["parameters"]),
    ),
)
# Here llama-server refuses with an error 500, and we join the turns.
REFUSED_BY_LLAMA = "two users"


@pytest.fixture(scope="module")
def folder() -> Path:
    folder = os.environ.get("TIERCHAT_LLAMA_TEMPLATES")
    if not folder or not list(Path(folder).glob("*.jinja")):
        pytest.skip("TIERCHAT_LLAMA_TEMPLATES names no folder with llama.cpp's templates")
    return Path(folder)


def said(turn: dict[str, Any]) -> Message:
    calls = tuple(
        ToolCall(id=call["id"], **call["function"]) for call in turn.get("tool_calls", ())
    )
    return Message(
        role=turn["role"],
        content=turn["content"],
        tool_calls=calls,
        tool_call_id=turn.get("tool_call_id", ""),
    )


def check(name: str, source: str, model: LlamaModel) -> None:
    now = datetime.datetime.fromisoformat(GOLDENS["date"])
    template = ChatTemplate(source, TemplateHost(SPECIAL, now=lambda: now))
    for case, expected in GOLDENS["templates"][name].items():
        conversation, _, thinking = case.rpartition(", ")
        tools = TOOLS if conversation in TOOL_CONVERSATIONS else ()
        if tools and not (template.tool_way and template.tool_way.writes_calls):
            # llama-server leaves tools or calls out; we write them as text.
            continue
        messages = [said(turn) for turn in (CONVERSATIONS | TOOL_CONVERSATIONS)[conversation]]
        rendered = template.render(messages, model, think=thinking == "thinking", tools=tools)
        if expected is None:
            assert conversation == REFUSED_BY_LLAMA
            continue
        assert rendered.text == expected, case
        # llama-server reads the whole text at once; no message here spells a control token.
        assert rendered.tokens == model.tokenize(expected, parse_special=True), case


def test_all_templates_of_llama_cpp_are_recorded() -> None:
    assert len(GOLDENS["templates"]) == 70


@pytest.mark.parametrize("name", GOLDENS["templates"])
def test_a_template_renders_as_llama_cpp_renders_it(
    name: str, folder: Path, pocket_s: LlamaModel
) -> None:
    check(name, (folder / name).read_text(), pocket_s)


@pytest.mark.real
def test_they_make_the_same_tokens_in_a_published_vocabulary(
    folder: Path, real_gguf: Callable[[str], Path], llama_log: LlamaLog
) -> None:
    model = LlamaModel(real_gguf("smollm2"), llama_log)
    for name in GOLDENS["templates"]:
        check(name, (folder / name).read_text(), model)
    model.close()


def test_the_recorded_texts_hold_every_message() -> None:
    def texts(case: str, prompts: dict[str, Any]) -> str:
        return str(prompts[f"{case}, no thinking"])

    for name, prompts in GOLDENS["templates"].items():
        assert CONVERSATIONS["user"][0]["content"] in texts("user", prompts), name
