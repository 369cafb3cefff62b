"""`tierchat config check`: every value, and where it comes from."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pexpect

from tests.conftest import UserHome


def test_every_value_is_listed_with_the_file_it_comes_from(home: UserHome) -> None:
    (home.directory / "config").mkdir()
    (home.directory / "config" / "config.toml").write_text('keepalive = "5m"\n')
    models = home.directory / "config" / "models.toml"
    models.write_text("[models.qwen3-8b]\ncontext = 4096\n")
    found = home.run("config", "check", env={"TIERCHAT_THEME": "plain"})
    assert found.returncode == 0, found.stderr
    lines = {line.split()[0]: line for line in found.stdout.decode().splitlines()}
    assert lines["keepalive"].endswith("config.toml") and "5m" in lines["keepalive"]
    assert lines["theme"].endswith("TIERCHAT_THEME")
    assert lines["max_active"].endswith("default")
    assert lines["models.qwen3-8b.context"].endswith(str(models))
    assert lines["models.qwen3-8b.sha256"].endswith("shipped")
    assert "think true" in lines["cascades.8gb.tiers[2]"]
    assert "keepalive" in lines and '"5m"' in lines["keepalive"]


def test_it_says_how_tokens_are_drawn_and_who_says_so(home: UserHome) -> None:
    (home.directory / "config").mkdir()
    models = home.directory / "config" / "models.toml"
    models.write_text(
        '[models.mine]\nfile = "no-such.gguf"\nsampling = { temperature = 0.3 }\n'
        '[[cascades.mine.tiers]]\nname = "S"\nmodel = "mine"\nsampling = { top_k = 0 }\n'
    )
    lines = home.run("config", "check").stdout.decode().splitlines()
    found = [" ".join(line.split()) for line in lines if ".mine." in line]
    assert f"models.mine.sampling temperature 0.3 {models}" in found
    default = "top_k 40, top_p 0.95, min_p 0.05 llama.cpp's default"
    assert f"models.mine.sampling {default}" in found
    assert any("sampling top_k 0" in line for line in found)
    assert any("pocket-xs.sampling" in ln and "temperature 0.0" in ln for ln in lines)
    told = json.loads(home.run("config", "check", "--json").stdout)["sampling"]["mine"]
    assert told["temperature"] == {"value": 0.3, "from": "model mine in models.toml"}
    assert told["min_p"] == {"value": 0.05, "from": "llama.cpp's default"}
    shown = home.run("show", "mine").stdout.decode()
    assert "sampling         temperature 0.3 (model mine in models.toml)" in shown


def test_as_json_it_is_one_line(home: UserHome) -> None:
    found = home.run("config", "check", "--json")
    [line] = found.stdout.splitlines()
    told = json.loads(line)
    assert told["settings"]["cascade"] == {"value": "pocket", "from": "default"}
    assert told["models"]["qwen3-8b"]["bytes"]["value"] == 5_027_783_488


def test_a_cascade_that_does_not_exist_is_reported_with_the_file_that_names_it(
    home: UserHome,
) -> None:
    found = home.run("config", "check", env={"TIERCHAT_CASCADE": "8gbb"})
    assert found.returncode == 2
    assert b"TIERCHAT_CASCADE" in found.stderr and b"8gb" in found.stderr


def test_a_mistake_is_reported_with_its_line(home: UserHome) -> None:
    (home.directory / "config").mkdir()
    (home.directory / "config" / "models.toml").write_text("[models.qwen3-8b]\ncontxt = 1\n")
    found = home.run("config", "check")
    assert found.returncode == 2
    assert b"line 2" in found.stderr and b"did you mean `context`?" in found.stderr


def test_a_chosen_cascade_that_is_gone_is_reported_by_the_command_that_starts_the_daemon(
    home: UserHome,
) -> None:
    (home.directory / "data").mkdir(mode=0o700)
    (home.directory / "data" / "cascade").write_text("gone\n")
    found = home.run("daemon", "up")
    assert found.returncode == 2
    assert b"'gone'" in found.stderr and b"tierchat pull" in found.stderr


def test_a_pipe_gets_values_whole_and_a_terminal_lines_that_fit(home: UserHome) -> None:
    piped = home.run("config", "check").stdout.decode()
    sha256 = json.loads(home.run("show", "qwen3-8b", "--json").stdout)["sha256"]
    assert sha256 in piped
    child = pexpect.spawn(
        sys.executable,
        ["-m", "tierchat", "config", "check"],
        env=dict(home.env),
        dimensions=(24, 90),
        encoding="utf-8",
    )
    child.expect(pexpect.EOF, timeout=60)
    child.close()
    lines = child.before.splitlines()
    assert child.exitstatus == 0
    first = next(index for index, line in enumerate(lines) if line.startswith("KEY"))
    assert len(lines) > 200 and max(map(len, lines[first:])) <= 90
    assert "models.qwen3-8b" in lines and any(ln.startswith("  sha256  ") for ln in lines)
    assert any("cut here" in line for line in lines) and sha256 not in child.before


def test_settings_are_shown_as_toml(home: UserHome) -> None:
    said = home.run("config").stdout.decode()
    for words in ("hide_reasoning  false", "log             true", 'cascade         "pocket"'):
        assert words in said
    assert "True" not in said and "False" not in said


def test_a_tier_that_cannot_think_is_named(home: UserHome, models_dir: Path) -> None:
    home.paths.config_dir.mkdir()
    home.paths.models_file.write_text(
        f'[models.mine]\nfile = "{plain_model(home, models_dir)}"\n'
        '[[cascades.mine.tiers]]\nname = "S"\nmodel = "mine"\nthink = true\n'
    )
    found = home.run("config", "check")
    assert found.returncode == 0
    assert "think = true of mine:S has no effect" in found.stdout.decode()
    asked = home.run("ask", "-m", "mine", "--tier", "S", "2+2")
    assert "think = true has no effect" in asked.stderr.decode()
    without = home.run("ask", "-m", "mine", "--tier", "S", "--no-think", "2+2")
    assert "no effect" not in without.stderr.decode()


def plain_model(home: UserHome, models_dir: Path) -> Path:
    """Write a bundled model without marks of thoughts in its vocabulary."""
    data = (models_dir / "pocket-xs.gguf").read_bytes()
    path = home.directory / "plain.gguf"
    path.write_bytes(data.replace(b"<|think|>", b"<|thing|>").replace(b"<|/think|>", b"<|/thing|>"))
    return path
