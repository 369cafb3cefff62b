"""`add` shows what a model reads and writes, and gives it a chat template if it has none."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.changed_gguf import changed
from tests.conftest import UserHome

NAME = "tokenizer.chat_template"
KEY = NAME.encode()
OWN = "{{ '<|user|>' + messages[-1].content + '<|assistant|>' }}"


@pytest.fixture
def bare(tmp_path: Path, models_dir: Path) -> Path:
    """A model without a chat template: another key of the same length stands in its place."""
    path = tmp_path / "bare.gguf"
    path.write_bytes((models_dir / "pocket-xs.gguf").read_bytes().replace(KEY, KEY[:-1] + b"X"))
    return path


def test_add_shows_a_conversation_and_a_sentence(home: UserHome, models_dir: Path) -> None:
    said = home.run("add", "mine", str(models_dir / "pocket-s.gguf")).stdout.decode()
    assert "it reads         │ <|user|>Hello!" in said
    assert "What is the capital of France?" in said and "it writes" in said
    assert "a second)" in said


@pytest.mark.slow
def test_a_model_without_a_template_completes_text_and_can_be_given_one(
    home: UserHome, bare: Path
) -> None:
    added = home.run("add", "bare", str(bare))
    said = added.stdout.decode()
    assert added.returncode == 0 and "without a chat template" in said
    assert f"tierchat add bare {bare} --template plain" in said
    asked = home.run("ask", "-m", "bare", "2+2")
    assert asked.returncode == 1
    assert "bare has no chat template" in asked.stderr.decode()
    assert "--raw" in asked.stderr.decode()
    raw = home.run("ask", "--raw", "--json", "-m", "bare", "2+2")
    # Nothing but the three characters is read.
    assert json.loads(raw.stdout)["prompt_tokens"] <= 3
    source = "{{ '<|user|>' + messages[-1].content + '<|assistant|>' }}"
    (bare.parent / "own.jinja").write_text(source)
    again = home.run("add", "bare", str(bare), "--template", str(bare.parent / "own.jinja"))
    assert again.returncode == 0, again.stderr
    assert home.run("ask", "-m", "bare", "2+2").stdout == b"4\n"
    shown = home.run("show", "bare").stdout.decode()
    assert "own.jinja, instead of the model's own" in shown


@pytest.mark.parametrize("beside", [("--system", "x"), ("-i",), ("-c",), ("--think",)])
def test_raw_text_has_no_conversation(home: UserHome, beside: tuple[str, ...]) -> None:
    found = home.run("ask", "--raw", *beside, "Once")
    assert found.returncode == 2 and "do not go together" in found.stderr.decode()


def test_an_unknown_template_is_named_before_anything_is_read(home: UserHome) -> None:
    found = home.run("add", "x", "/nowhere.gguf", "--template", "chatlm")
    assert found.returncode == 2
    assert "no template has that name" in found.stderr.decode()
    assert "alpaca" in found.stderr.decode()


@pytest.mark.slow
def test_a_template_that_is_there_only_under_a_name_is_used(home: UserHome, tmp_path: Path) -> None:
    other = "{{ raise_exception('for tools') }}"
    for named, used in (("rag", "rag"), ("default", "default"), ("", "")):
        key = f"{NAME}.{named}" if named else NAME
        texts = {NAME: None, key: OWN, f"{NAME}.zz": other}
        added = home.run("add", "named", str(changed(tmp_path / "n.gguf", texts))).stdout.decode()
        assert "without a chat template" not in added, used
        assert "others, which are not used: zz\n" in added
        assert home.run("ask", "-m", "named", "2+2").stdout == b"4\n"


def test_a_blank_template_is_none(home: UserHome, tmp_path: Path) -> None:
    added = home.run("add", "blank", str(changed(tmp_path / "b.gguf", {NAME: " \n "})))
    assert added.returncode == 0 and "without a chat template" in added.stdout.decode()


def test_a_template_that_does_not_compile_can_be_replaced(home: UserHome, tmp_path: Path) -> None:
    added = home.run("add", "bad", str(changed(tmp_path / "b.gguf", {NAME: "{{ messages }"})))
    said = added.stderr.decode()
    assert added.returncode == 1 and "does not compile" in said
    assert "--template chatml" in said


@pytest.mark.slow
def test_a_model_that_is_newer_than_llama_cpp_is_not_called_damaged(
    home: UserHome, tmp_path: Path
) -> None:
    unknown = {"tokenizer.ggml.pre": "next-year"}
    for path in (
        changed(tmp_path / "a.gguf", {}, architecture="nextyear"),
        changed(tmp_path / "b.gguf", unknown),
    ):
        said = home.run("add", "new", str(path)).stderr.decode()
        assert "unknown" in said and "damaged" not in said
        assert "pip install -U llama-cpp-python" in said
