"""A home reads its files when they are first asked for, and once."""

from __future__ import annotations

from pathlib import Path

import pytest

from tierchat.config.home import Home
from tierchat.errors import ConfigError
from tierchat.paths import find_paths


def home_in(directory: Path) -> Home:
    env = {"TIERCHAT_HOME": str(directory)}
    return Home(find_paths(env), env)


def test_settings_and_catalogue_are_read_once(tmp_path: Path) -> None:
    home = home_in(tmp_path)
    assert home.settings is home.settings and home.catalogue is home.catalogue
    assert home.settings.cascade in home.catalogue.cascades


def test_a_home_read_again_sees_what_was_written_since(tmp_path: Path) -> None:
    home = home_in(tmp_path)
    assert home.settings.cascade == "pocket"
    home.paths.cascade_file.parent.mkdir(parents=True)
    home.paths.cascade_file.write_text("8gb\n")
    assert home.settings.cascade == "pocket" and home.reread().settings.cascade == "8gb"


def test_a_broken_file_is_met_only_by_who_asks_for_it(tmp_path: Path) -> None:
    (tmp_path / "config").mkdir()
    (tmp_path / "config" / "models.toml").write_text("[models")
    home = home_in(tmp_path)
    assert home.settings.cascade
    with pytest.raises(ConfigError, match=r"models\.toml"):
        _ = home.catalogue
