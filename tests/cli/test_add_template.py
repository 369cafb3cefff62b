"""`add` shows what a model reads and writes, and gives it a chat template if it has none."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.conftest import UserHome

KEY = b"tokenizer.chat_template"


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
