"""Settings and catalogue are read, and a mistake in them is reported with its line."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tierchat.config.catalogue_files import load_catalogue, origins, shipped_models_file
from tierchat.config.settings import Settings, load_settings, parse_keepalive, setting_sources
from tierchat.errors import ConfigError, UsageError
from tierchat.paths import Paths, find_paths

KEYS = (*Settings.__struct_fields__, "keepaliv", "'a.b'", "x.y", "'\u00e9'")
ODD_VALUES = st.sampled_from(
    [
        *"0 -1 1e400 nan '5m' 'soon' '' true [ [[1],[2]] {a=1} 2020-01-01 07:32:00".split(),
        "9" * 5_000,
        "'\x1b'",
        '"""\n\n"""',
        "[\n1,\n2\n]",
        "",
    ]
)


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
    assert catalogue.models["pocket-s"].sha256 is None
    assert catalogue.models["pocket-s"].parameters == 2_902_464
    assert {"pocket", "two", "8gb", "80gb"} <= set(catalogue.cascades)


def test_one_key_of_a_shipped_model_can_be_changed_alone(paths: Paths) -> None:
    paths.models_file.write_text("[models.qwen3-8b]\ncontext = 4096\n")
    model = load_catalogue(paths).models["qwen3-8b"]
    assert model.context == 4096 and model.bytes == 5_027_783_488 and model.repo
    origin = next(o for o in origins(paths) if o.name == "qwen3-8b")
    assert origin.keys["context"] == str(paths.models_file)
    assert origin.keys["sha256"] == str(shipped_models_file())


def test_every_published_model_is_pinned_and_its_cascades_stand(paths: Paths) -> None:
    catalogue = load_catalogue(paths)
    for model in catalogue.models.values():
        if model.repo:
            assert len(model.revision) == 40 and model.sha256 and model.bytes and model.license
            assert model.max_context
            assert model.file.startswith(str(paths.models_dir))
    tiers = catalogue.effective("8gb").tiers
    assert [tier.think for tier in tiers] == [False, False, True]
    assert tiers[1].sampling.temperature == 0.7 and tiers[2].sampling.temperature == 0.6


def test_a_model_without_a_file_is_told(paths: Paths) -> None:
    assert "line 2" in broken(paths, "\n[models.a]\ncontext = 512\n").message


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
    assert "line 3" in error.message and "nope" in error.message and "pocket-xs" in error.hint


def test_two_tiers_of_one_name_are_refused(paths: Paths) -> None:
    tier = '[[cascades.x.tiers]]\nname = "A"\nmodel = "pocket-xs"\n'
    assert "two tiers" in broken(paths, tier + tier.replace('"A"', '"a"')).message


def test_a_cascade_without_tiers_is_refused(paths: Paths) -> None:
    assert "has no tiers" in broken(paths, "[cascades.x]\ntiers = []\n").message


def test_a_file_that_everyone_can_change_is_refused(paths: Paths) -> None:
    paths.models_file.write_text("")
    paths.models_file.chmod(0o666)
    with pytest.raises(ConfigError, match="every user") as caught:
        load_catalogue(paths)
    assert "chmod o-w" in caught.value.hint


def test_a_file_that_is_not_text_is_refused(paths: Paths) -> None:
    paths.models_file.write_bytes(b"[models]\n\xff\xfe")
    with pytest.raises(ConfigError, match=r"line 2: .*UTF-8"):
        load_catalogue(paths)


def test_a_mark_of_byte_order_before_the_text_is_fine(paths: Paths) -> None:
    paths.models_file.write_bytes(b"\xef\xbb\xbf[models.a]\r\nfile = 'x'\r\n")
    assert "a" in load_catalogue(paths).models


@pytest.mark.parametrize(
    ("value", "what"),
    [
        ("9" * 5_000, "number is too long"),
        ("[" * 5_000 + "]" * 5_000, "nested too deeply"),
        ("{a = " * 3_000 + "1" + "}" * 3_000, "nested too deeply"),
    ],
)
def test_what_chokes_the_parser_is_told_with_its_line(paths: Paths, value: str, what: str) -> None:
    text = f"[models.a]\nfile = 'x'\n\ncontext = {value}\n# more\n"
    assert f"{paths.models_file}, line 4: " in (error := broken(paths, text)).message
    assert what in error.message


@pytest.mark.parametrize(
    "value", ["-1", "2147483648", "9" * 25, "nan", "1.5", "true", "2020-01-01", "[1]", "{}"]
)
def test_a_context_that_is_no_count_never_reaches_llama(paths: Paths, value: str) -> None:
    error = broken(paths, f"[models.a]\nfile = 'x'\ncontext = {value}\n")
    assert "line 3: models.a.context" in error.message


def test_the_refused_value_is_shown(paths: Paths) -> None:
    error = broken(paths, "[models.a]\nfile = 'x'\nmax_sequences = 900\n")
    assert "models.a.max_sequences is 900: " in error.message


def test_a_word_that_is_none_of_the_choices_gets_the_nearest(paths: Paths) -> None:
    tier = "[[cascades.x.tiers]]\nname = 'A'\nmodel = 'pocket-xs'\n"
    assert broken(paths, f"{tier}gate = 'tokn'\n").hint == "did you mean `token`?"
    assert "one of: token, row" in broken(paths, f"{tier}gate = 'x'\n").hint


def test_the_second_of_two_tiers_of_one_name_is_pointed_at(paths: Paths) -> None:
    tier = "[[cascades.x.tiers]]\nname = 'A'\nmodel = 'pocket-xs'\n"
    assert "line 5: two tiers" in broken(paths, tier + tier).message


def test_a_home_of_a_user_nobody_knows_is_a_file_that_is_missing(paths: Paths) -> None:
    paths.models_file.write_text("[models.a]\nfile = '~nobody-at-all/x.gguf'\n")
    assert load_catalogue(paths).models["a"].file.endswith("~nobody-at-all/x.gguf")


def test_a_tilde_is_the_home(paths: Paths) -> None:
    paths.models_file.write_text("[models.a]\nfile = '~/x.gguf'\n")
    assert load_catalogue(paths).models["a"].file == str(Path("~/x.gguf").expanduser())


@pytest.mark.parametrize("kind", ["directory", "link to nowhere", "link to itself", "pipe"])
def test_what_is_no_file_is_told_and_never_waited_for(paths: Paths, kind: str) -> None:
    for file in (paths.models_file, paths.config_file):
        if kind == "directory":
            file.mkdir()
        elif kind == "pipe":
            os.mkfifo(file)
        else:
            file.symlink_to(file if "itself" in kind else "nowhere")
    with pytest.raises(ConfigError, match=r"models\.toml"):
        load_catalogue(paths)
    for read in (load_settings, setting_sources):
        with pytest.raises(ConfigError, match=r"config\.toml"):
            read(paths, {})


@pytest.mark.skipif(os.getuid() != 0, reason="needs to become somebody else")
def test_a_directory_we_may_not_enter_is_told(paths: Paths) -> None:
    paths.models_file.write_text("")
    paths.config_dir.chmod(0o700)
    os.seteuid(54321)
    try:
        with pytest.raises(ConfigError, match="Permission denied") as caught:
            load_catalogue(paths)
    finally:
        os.seteuid(0)
    assert "TIERCHAT_HOME" in caught.value.hint


def test_a_home_that_is_a_file_holds_no_settings(tmp_path: Path) -> None:
    (tmp_path / "home").write_text("")
    paths = find_paths({"TIERCHAT_HOME": str(tmp_path / "home")})
    assert load_settings(paths, {}).cascade == "pocket" and load_catalogue(paths).models


def assert_told(error: ConfigError, file: Path) -> None:
    assert str(file) in error.message and re.search(r"\bline \d+", error.message), error.message


@settings(max_examples=200, deadline=None)
@given(place=st.integers(0, 2_000), cut=st.integers(0, 40), junk=st.text(max_size=12))
def test_any_damage_to_the_file_is_told_with_its_line_or_harmless(
    tmp_path_factory: pytest.TempPathFactory, place: int, cut: int, junk: str
) -> None:
    paths = find_paths({"TIERCHAT_HOME": str(tmp_path_factory.mktemp("home"))})
    paths.config_dir.mkdir()
    text = shipped_models_file().read_text()
    place %= len(text)
    damaged = (text[:place] + junk + text[place + cut :]).encode("utf-8", "surrogatepass")
    paths.models_file.write_bytes(damaged)
    try:
        load_catalogue(paths)
    except ConfigError as error:
        assert_told(error, paths.models_file)


@settings(max_examples=200, deadline=None)
@given(values=st.dictionaries(st.sampled_from(KEYS), ODD_VALUES, max_size=4), junk=st.binary())
def test_any_settings_are_told_with_their_line_or_harmless(
    tmp_path_factory: pytest.TempPathFactory, values: dict[str, str], junk: bytes
) -> None:
    paths = find_paths({"TIERCHAT_HOME": str(tmp_path_factory.mktemp("home"))})
    paths.config_dir.mkdir()
    lines = "".join(f"{key} = {value}\n" for key, value in values.items()).encode()
    for raw in (lines, lines + junk):
        paths.config_file.write_bytes(raw)
        for read in (load_settings, setting_sources):
            try:
                read(paths, {})
            except ConfigError as error:
                assert_told(error, paths.config_file)


def test_settings_come_from_the_file_and_the_environment_wins(paths: Paths) -> None:
    paths.config_file.write_text('keepalive = "5m"\nmax_active = 3\n')
    found = load_settings(paths, {"TIERCHAT_MAX_ACTIVE": "7", "TIERCHAT_HIDE_REASONING": "true"})
    assert found.keepalive == "5m" and found.max_active == 7 and found.hide_reasoning


def test_a_wrong_environment_variable_is_told(paths: Paths) -> None:
    with pytest.raises(ConfigError, match=r"TIERCHAT_MAX_ACTIVE is 'many'"):
        load_settings(paths, {"TIERCHAT_MAX_ACTIVE": "many"})
    with pytest.raises(ConfigError, match=r"TIERCHAT_KEEPALIVE: .*'soon'"):
        load_settings(paths, {"TIERCHAT_KEEPALIVE": "soon"})


def test_a_wrong_keepalive_in_the_file_is_told_with_its_line(paths: Paths) -> None:
    paths.config_file.write_text("\nkeepalive = 'soon'\n")
    with pytest.raises(ConfigError, match=r"config\.toml, line 2: .*'soon'") as caught:
        load_settings(paths, {})
    assert "1h30m" in caught.value.hint


def test_sources_name_the_variable_the_file_or_the_default(paths: Paths) -> None:
    paths.config_file.write_text("max_active = 3\nkeepalive = '5m'\n")
    sources = setting_sources(paths, {"TIERCHAT_KEEPALIVE": "1h"})
    assert sources["max_active"] == str(paths.config_file)
    assert sources["keepalive"] == "TIERCHAT_KEEPALIVE" and sources["cascade"] == "default"


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
