"""Calls written with tags: Qwen3-Coder, Seed, MiniMax, GLM, functionary, DeepSeek, Kimi, Mistral.

Does not know what stands around the calls. Formats are those of llama.cpp's and vLLM's parsers.
"""

from __future__ import annotations

import re

from tierchat.workers.child.tool_calls.json_values import extent, values
from tierchat.workers.child.tool_calls.written_call import BrokenCall, WrittenCall

_FUNCTION = re.compile(
    r"<(?P<tag>function|invoke)(?:=|\s+name=)[\"']?(?P<name>[\w.:/-]+)[\"']?\s*>(?P<body>.*?)"
    r"(?:</(?P=tag)>|(?=<(?P=tag)[=\s])|\Z)",
    re.DOTALL,
)
_PARAMETER = re.compile(
    r"<(?P<tag>parameter|param)(?:=|\s+name=)[\"']?(?P<key>[^\"'<>\s]+)[\"']?[^<>]*>(?P<text>.*?)"
    r"(?:</(?P=tag)>|(?=<(?P=tag)[=\s])|\Z)",
    re.DOTALL,
)
_GLM = re.compile(
    r"<arg_key>(?P<key>[^<]*+)</arg_key>\s*<arg_value>(?P<text>.*?)(?:</arg_value>|\Z)",
    re.DOTALL,
)
# `weather[ARGS]{...}`, `functions.weather:0<|tool_call_argument_begin|>{...}`, and DeepSeek's two.
_NAMED = re.compile(
    r"(?:<[|｜]tool[▁_]call[▁_]begin[|｜]>\s*)?(?:function<[|｜]tool[▁_]sep[|｜]>)?"
    r"(?P<name>[\w./-]+(?::[^\W\d][\w./-]*)*)(?::\d+)?\s*(?:\[CALL_ID\]\w+)?"
    r"(?:\[ARGS\]|<[|｜]tool[▁_]sep[|｜]>|<\|tool_call_argument_begin\|>)?\s*"
    r"(?:```(?:json)?\s*)?(?=\{)"
)
_NAMED_END = re.compile(r"\s*(?:```)?\s*(?:<[|｜]tool[▁_]call[▁_]end[|｜]>)?\s*[,;]?\s*")


def tag_calls(text: str) -> list[WrittenCall]:
    """Return calls in the tags <function=...> or <invoke name=...>; raises BrokenCall."""
    calls = []
    for found in _FUNCTION.finditer(text):
        body = found["body"].strip()
        if body.startswith("{"):
            calls.append(WrittenCall(found["name"], _object(body)))
        else:
            calls.append(WrittenCall(found["name"], _parameters(body), is_text=True))
    if not calls:
        raise BrokenCall("it names no tool")
    return calls


def glm_calls(text: str) -> list[WrittenCall]:
    """Return the call whose name stands before <arg_key> and <arg_value>."""
    name = text.partition("<arg_key>")[0].strip()
    if not name:
        raise BrokenCall("it names no tool")
    arguments = {found["key"].strip(): found["text"] for found in _GLM.finditer(text)}
    return [WrittenCall(name, arguments, is_text=True)]


def named_calls(text: str) -> list[WrittenCall]:
    """Return calls that are a name before an object; raises BrokenCall."""
    calls = []
    text = text.strip()
    while text:
        found = _NAMED.match(text)
        if not found:
            break
        text = text[found.end() :]
        size = _size(text)
        calls.append(WrittenCall(found["name"].removeprefix("functions."), _object(text[:size])))
        text = _NAMED_END.sub("", text[size:], count=1)
    if not calls:
        raise BrokenCall("it names no tool")
    return calls


def _parameters(body: str) -> dict[str, str]:
    found = {}
    for parameter in _PARAMETER.finditer(body):
        text = parameter["text"]
        # Line breaks around a value belong to the tags.
        text = text.removeprefix("\n").removesuffix("\n")
        found[parameter["key"]] = text
    return found


def _object(text: str) -> object:
    try:
        (value, *_) = values(text)
    except ValueError as error:
        raise BrokenCall(str(error)) from error
    return value


def _size(text: str) -> int:
    end, _ = extent(text)
    return len(text) if end is None else end
