"""Whatever the grammar of calls allows is read, names a tool, and fits its schema."""

from __future__ import annotations

import json
from random import Random

import pytest

from tests.schema_cases import USABLE, is_about_a_format, walk
from tierchat.engine.grammar import GrammarCompiler
from tierchat.engine.llama.model import LlamaModel
from tierchat.errors import SchemaRefused
from tierchat.tool_calls import Tool
from tierchat.workers.child.tool_calls.call_grammar import CallGrammars
from tierchat.workers.child.tool_calls.checker import CallChecker
from tierchat.workers.child.tool_calls.forms import form_of_calls
from tierchat.workers.child.tool_calls.marks import marks_of
from tierchat.workers.child.tool_calls.reader import CallReader
from tierchat.workers.child.tool_calls.written_call import BrokenCall, WrittenCall

OBJECTS = {
    name: schema
    for name, schema in USABLE.items()
    if isinstance(schema, dict) and schema.get("type") == "object"
}
TEMPLATES = {
    "hermes": "",
    "mistral": "[TOOL_CALLS]",
    "mistral by name": "[TOOL_CALLS] [ARGS]",
    "llama": 'ipython "parameters": ',
}


@pytest.fixture(scope="module")
def compiler(pocket_s: LlamaModel) -> GrammarCompiler:
    return GrammarCompiler(pocket_s)


@pytest.mark.parametrize("family", TEMPLATES)
def test_a_forced_call_always_fits(
    compiler: GrammarCompiler, pocket_s: LlamaModel, family: str
) -> None:
    template = TEMPLATES[family]
    grammars = CallGrammars(compiler, form_of_calls(template))
    tools = [Tool(name=f"t{i}", parameters=json.dumps(s)) for i, s in enumerate(OBJECTS.values())]
    checker, num = CallChecker(tools), 0
    for seed in range(0, len(tools), 3):
        few = tools[seed : seed + 3]
        text = walk(grammars.make(few, has_several=True), pocket_s, Random(seed), 800)
        if text is None:
            continue
        reader = CallReader(marks_of(template), checker.names)
        assert reader.add(grammars.form.opening + text) == ""
        assert reader.end(is_whole=True) == ""
        for call in reader.take():
            num += 1
            assert call.name in {tool.name for tool in few} and fits(checker, call)
    assert num > len(tools) / 6


def fits(checker: CallChecker, call: WrittenCall) -> bool:
    """Whether a call fits, but for formats, which are checked alone."""
    try:
        return bool(checker.checked(call))
    except BrokenCall as error:
        return is_about_a_format(error.reason)


def test_one_call_is_one(compiler: GrammarCompiler, pocket_s: LlamaModel) -> None:
    grammars = CallGrammars(compiler, form_of_calls(""))
    tool = Tool(name="f", parameters='{"type":"object","properties":{"a":{"enum":[1]}}}')
    for seed in range(20):
        text = walk(grammars.make([tool], has_several=False), pocket_s, Random(seed))
        assert text is not None and text.count("</tool_call>") == 1


def test_parameters_that_no_arguments_fit_are_named(compiler: GrammarCompiler) -> None:
    grammars = CallGrammars(compiler, form_of_calls(""))
    bad = {"type": "object", "properties": {"a": {"type": "integer", "minimum": 2, "maximum": 1}}}
    tools = [Tool(name="f"), Tool(name="g", parameters=json.dumps({**bad, "required": ["a"]}))]
    with pytest.raises(SchemaRefused) as caught:
        grammars.make(tools, has_several=True)
    assert caught.value.param == "tools[1].function.parameters"


def test_a_model_that_writes_tags_is_not_kept_to_json_in_the_middle() -> None:
    assert form_of_calls("<tool_call>").is_own and form_of_calls("").is_own
    assert not form_of_calls("<tool_call>\n<function=name>").is_own
    assert not form_of_calls("<tool_call>name\n<arg_key>").is_own
