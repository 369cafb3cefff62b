"""Chat templates by name, or from a file, and what each of them writes."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.engine.test_template import Characters, said
from tierchat.config.catalogue_files import load_catalogue
from tierchat.config.chat_formats import FORMATS, TEMPLATE_NAMES, format_named, read_format
from tierchat.engine.template import ChatTemplate
from tierchat.engine.template_way import TemplateHost
from tierchat.engine.text import StopStrings
from tierchat.errors import ConfigError
from tierchat.paths import find_paths

HOST = TemplateHost({"bos_token": "<s>", "eos_token": "</s>"})
CONVERSATION = ("system: Be brief.", "user: Hi", "assistant: Ho", "user: Who?")
WRITTEN = {
    "chatml": "<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\nHi<|im_end|>\n"
    "<|im_start|>assistant\nHo<|im_end|>\n<|im_start|>user\nWho?<|im_end|>\n"
    "<|im_start|>assistant\n",
    "llama3": "<s><|start_header_id|>system<|end_header_id|>\n\nBe brief.<|eot_id|>"
    "<|start_header_id|>user<|end_header_id|>\n\nHi<|eot_id|>"
    "<|start_header_id|>assistant<|end_header_id|>\n\nHo<|eot_id|>"
    "<|start_header_id|>user<|end_header_id|>\n\nWho?<|eot_id|>"
    "<|start_header_id|>assistant<|end_header_id|>\n\n",
    "gemma": "<s><start_of_turn>user\nBe brief.\nHi<end_of_turn>\n"
    "<start_of_turn>model\nHo<end_of_turn>\n<start_of_turn>user\nWho?<end_of_turn>\n"
    "<start_of_turn>model\n",
    "mistral": "<s>[INST] Be brief.\nHi [/INST] Ho</s>[INST] Who? [/INST]",
    "alpaca": "Be brief.\n\n### Instruction:\nHi\n\n### Response:\nHo\n\n"
    "### Instruction:\nWho?\n\n### Response:\n",
    "vicuna": "Be brief.\n\nUSER: Hi\nASSISTANT: Ho</s>\nUSER: Who?\nASSISTANT:",
    "plain": "Be brief.\n\nQuestion: Hi\nAnswer: Ho\n\nQuestion: Who?\nAnswer:",
}


@pytest.mark.parametrize("name", FORMATS)
def test_a_ready_made_template_writes_a_conversation(name: str) -> None:
    template = ChatTemplate(FORMATS[name].source, HOST)
    assert template.render(said(*CONVERSATION), Characters()).text == WRITTEN[name]
    assert FORMATS[name].stop
    joined = template.render(said("user: a", "user: b"), Characters()).text
    assert joined.index("a") < joined.index("b")


@pytest.mark.parametrize(
    ("name", "begins"),
    [("plain", "Question: Why?"), ("vicuna", "USER: Why?"), ("alpaca", "### In")],
)
@pytest.mark.parametrize("gap", ["\n\n", "\n", " "])
def test_an_answer_ends_before_the_blank_lines_of_the_next_turn(
    name: str, begins: str, gap: str
) -> None:
    stops = StopStrings(FORMATS[name].stop)
    shown = "".join(stops.add(letter) for letter in f"Toronto.{gap}{begins}struction")
    assert shown.rstrip(" ") == "Toronto." and stops.is_stopped


def test_old_names_of_llama_cpp_are_understood() -> None:
    assert format_named("mistral-v1") is FORMATS["mistral"]
    assert format_named("{{ messages }}") is None


def test_a_template_comes_from_a_file_and_none_is_none(tmp_path: Path) -> None:
    file = tmp_path / "mine.jinja"
    file.write_text("{{ messages[0].content }}")
    mine, none = read_format(str(file)), read_format("none")
    assert mine and mine.source == "{{ messages[0].content }}" and mine.stop == ()
    assert none and none.source == "" and read_format("") is None
    file.write_text(" ")
    with pytest.raises(ConfigError, match="is empty"):
        read_format(str(file))
    with pytest.raises(ConfigError, match="No such file") as error:
        read_format(str(tmp_path / "gone.jinja"))
    assert all(name in error.value.hint for name in TEMPLATE_NAMES)


def test_models_toml_names_templates_and_files_beside_it(tmp_path: Path) -> None:
    paths = find_paths({"TIERCHAT_HOME": str(tmp_path)})
    paths.models_file.parent.mkdir(parents=True, exist_ok=True)
    paths.models_file.write_text(
        '[models.a]\nfile = "a.gguf"\ntemplate = "chatml"\n'
        '[models.b]\nfile = "b.gguf"\ntemplate = "mine.jinja"\n'
    )
    models = load_catalogue(paths).models
    assert models["a"].template == "chatml"
    assert models["b"].template == str(paths.models_file.parent / "mine.jinja")
    paths.models_file.write_text('[models.a]\nfile = "a.gguf"\ntemplate = "chatlm"\n')
    with pytest.raises(ConfigError, match=r"line 3.*chatlm.*no chat template has that name"):
        load_catalogue(paths)
