"""Names are those that the commands and the API can say."""

from __future__ import annotations

import pytest

from tierchat.config.catalogue_files import load_catalogue
from tierchat.config.names import name_for, refusal, refusal_of_new
from tierchat.errors import ConfigError
from tierchat.paths import Paths, find_paths
from tierchat.service.openai_format import ANY_MODEL


@pytest.fixture
def paths(tmp_path_factory: pytest.TempPathFactory) -> Paths:
    found = find_paths({"TIERCHAT_HOME": str(tmp_path_factory.mktemp("home"))})
    found.config_dir.mkdir()
    found.data_dir.mkdir()
    return found


@pytest.mark.parametrize(
    "name",
    ["tierchat", "TierChat", "tierchat/x", "a/b", "-m", ".hidden", "..", "", " a", "a\n", "x" * 65],
)
def test_names_that_cannot_be_said_are_refused(name: str) -> None:
    assert refusal(name) and refusal_of_new(name)


@pytest.mark.parametrize("name", ["qwen3.5-8gb", "Tiny_Q4+K", "модель", "1b", "free", "tierchat2"])
def test_names_that_can_be_said_are_taken(name: str) -> None:
    assert not refusal(name) and not refusal_of_new(name)


@pytest.mark.parametrize("name", ["my model", "a:b", "a'b", "a,b"])
def test_a_name_that_needs_quotes_is_for_ones_own_models_toml(name: str) -> None:
    assert not refusal(name) and "letters, digits" in refusal_of_new(name)


def test_the_api_has_the_reserved_name() -> None:
    assert refusal(ANY_MODEL)


@pytest.mark.parametrize("kind", ["models", "cascades"])
def test_a_reserved_name_in_models_toml_is_told_with_its_line(paths: Paths, kind: str) -> None:
    entry = {"models": 'file = "x.gguf"', "cascades": 'tiers = [{ name = "S", model = "m" }]'}
    paths.models_file.write_text(f'[models.m]\nfile = "x.gguf"\n[{kind}.tierchat]\n{entry[kind]}\n')
    with pytest.raises(ConfigError, match=r"line 3: .*'tierchat'") as caught:
        load_catalogue(paths)
    assert "API" in caught.value.hint


def test_what_add_wrote_before_is_still_read(paths: Paths) -> None:
    paths.added_models_file.write_text('[models.tierchat]\nfile = "/x.gguf"\n')
    assert "tierchat" in load_catalogue(paths).models


def test_a_tier_cannot_have_the_word_of_the_chat_for_all_tiers(paths: Paths) -> None:
    paths.models_file.write_text(
        '[models.m]\nfile = "x.gguf"\n[[cascades.m.tiers]]\nname = "Free"\nmodel = "m"\n'
    )
    with pytest.raises(ConfigError, match=r"line 4: .*Free"):
        load_catalogue(paths)


@pytest.mark.parametrize(
    ("file", "name"),
    [
        ("SmolLM2-135M-Instruct.Q4_1.gguf", "smollm2-135m-instruct.q4_1"),
        ("My Model (v2).GGUF", "my-model-v2"),
        ("...gguf", "model"),
        ("x" * 99 + ".gguf", "x" * 64),
    ],
)
def test_a_file_name_becomes_a_name(file: str, name: str) -> None:
    assert name_for(file) == name and not refusal_of_new(name)
