"""Settings and catalogue: what is read, and how a mistake in them is told."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tierchat.config import (
    load_catalogue,
    load_settings,
    parse_keepalive,
    shipped_models_file,
)
from tierchat.errors import ConfigError, UsageError
from tierchat.paths import Paths, find_paths


@pytest.fixture
def paths(tmp_path: Path) -> Paths:
    found = find_paths({"TIERCHAT_HOME": str(tmp_path)})
    found.config_dir.mkdir()
    return found


def broken(paths: Paths, text: str) -> ConfigError:
    paths.models_file.write_text(text)
    with pytest.raises(ConfigError) as caught:
        load_catalogue(paths)
    return caught.value


def test_the_shipped_catalogue_holds_the_bundled_cascade_with_existing_files(paths: Paths) -> None:
    catalogue = load_catalogue(paths)
    cascade = catalogue.cascades["pocket"]
    assert [tier.name for tier in cascade.tiers] == ["XS", "S", "M"]
    for tier in cascade.tiers:
        model = catalogue.models[tier.model]
        assert Path(model.file).is_file() and model.sha256 and model.parameters
    assert cascade.knows and cascade.advice


def test_own_models_join_the_shipped_ones_and_win_by_name(paths: Paths) -> None:
    paths.models_file.write_text(
        '[models.mine]\nfile = "here.gguf"\n[models.pocket-s]\nfile = "/elsewhere.gguf"\n'
        '[[cascades.two.tiers]]\nname = "low"\nmodel = "pocket-xs"\n'
        '[[cascades.two.tiers]]\nname = "high"\nmodel = "mine"\n'
    )
    catalogue = load_catalogue(paths)
    assert catalogue.models["mine"].file == str(paths.config_dir / "here.gguf")
    assert catalogue.models["pocket-s"].file == "/elsewhere.gguf"
    assert {"pocket", "two"} == set(catalogue.cascades)


def test_an_unknown_key_is_told_with_file_line_and_nearest_key(paths: Paths) -> None:
    text = '[models.a]\nfile = "a.gguf"\n\n[models.b]\nfile = "b.gguf"\ncontxt = 5\n'
    error = broken(paths, text)
    assert f"{paths.models_file}, line 6" in error.message and "contxt" in error.message
    assert "did you mean `context`?" in error.hint


def test_a_mistake_in_a_later_tier_is_told_with_its_line(paths: Paths) -> None:
    text = (
        '[[cascades.x.tiers]]\nname = "A"\nmodel = "pocket-xs"\n'
        '[[cascades.x.tiers]]\nname = "B"\nmodel = "pocket-s"\ngat = "token"\n'
    )
    error = broken(paths, text)
    assert "line 7" in error.message and "gate" in error.hint


def test_a_wrong_type_is_told_with_its_line_in_the_right_table(paths: Paths) -> None:
    text = '[models.a]\nfile = "a"\ncontext = 512\n[models.b]\nfile = "b"\ncontext = "long"\n'
    error = broken(paths, text)
    assert "line 6" in error.message and "models.b.context" in error.message


def test_a_syntax_error_is_told_with_its_line(paths: Paths) -> None:
    assert "line 2" in broken(paths, "[models.a]\nfile = \n").message


def test_a_tier_on_a_model_that_does_not_exist_is_told(paths: Paths) -> None:
    error = broken(paths, '[[cascades.x.tiers]]\nname = "A"\nmodel = "nope"\n')
    assert "line 2" in error.message and "nope" in error.message and "pocket-xs" in error.hint


def test_two_tiers_of_one_name_are_refused(paths: Paths) -> None:
    tier = '[[cascades.x.tiers]]\nname = "A"\nmodel = "pocket-xs"\n'
    assert "two tiers" in broken(paths, tier + tier.replace('"A"', '"a"')).message


def test_a_cascade_without_tiers_is_refused(paths: Paths) -> None:
    assert "length >= 1" in broken(paths, "[cascades.x]\ntiers = []\n").message


def test_a_file_that_everyone_can_change_is_refused(paths: Paths) -> None:
    paths.models_file.write_text("")
    paths.models_file.chmod(0o666)
    with pytest.raises(ConfigError, match="every user") as caught:
        load_catalogue(paths)
    assert "chmod o-w" in caught.value.hint


def test_a_file_that_is_not_text_is_refused(paths: Paths) -> None:
    paths.models_file.write_bytes(b"[models]\n\xff\xfe")
    with pytest.raises(ConfigError, match="UTF-8"):
        load_catalogue(paths)


@settings(max_examples=150, deadline=None)
@given(place=st.integers(0, 2_000), junk=st.text(min_size=1, max_size=12))
def test_any_damage_to_the_file_is_a_clear_error_or_harmless(
    tmp_path_factory: pytest.TempPathFactory, place: int, junk: str
) -> None:
    home = tmp_path_factory.mktemp("home")
    paths = find_paths({"TIERCHAT_HOME": str(home)})
    paths.config_dir.mkdir()
    text = shipped_models_file().read_text()
    place %= len(text)
    damaged = (text[:place] + junk + text[place:]).encode("utf-8", "surrogatepass")
    paths.models_file.write_bytes(damaged)
    try:
        load_catalogue(paths)
    except ConfigError as error:
        assert str(paths.models_file) in error.message


def test_settings_come_from_the_file_and_the_environment_wins(paths: Paths) -> None:
    paths.config_file.write_text('keepalive = "5m"\nmax_active = 3\n')
    found = load_settings(paths, {"TIERCHAT_MAX_ACTIVE": "7", "TIERCHAT_HIDE_REASONING": "true"})
    assert found.keepalive == "5m" and found.max_active == 7 and found.hide_reasoning


def test_a_wrong_environment_variable_is_told(paths: Paths) -> None:
    with pytest.raises(ConfigError, match="max_active"):
        load_settings(paths, {"TIERCHAT_MAX_ACTIVE": "many"})


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("10m", 600), ("90", 90), ("1h30m", 5400), ("-1", -1), ("0", 0), ("-5m", -300), ("1.5", 1.5)],
)
def test_keepalive_speaks_the_usual_grammar(text: str, seconds: float) -> None:
    assert parse_keepalive(text) == seconds


@pytest.mark.parametrize("text", ["", "soon", "10x", "5m3", "m", "nan", "inf"])
def test_a_keepalive_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="not a duration"):
        parse_keepalive(text)
