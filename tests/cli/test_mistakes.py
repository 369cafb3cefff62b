"""Command lines that are not understood, and what tierchat proposes instead."""

from __future__ import annotations

import pytest

from tests.conftest import UserHome
from tierchat.cli.main import main
from tierchat.config.settings import Settings, unknown_variables


@pytest.mark.parametrize(
    ("line", "hint"),
    [
        (["2+2"], 'to ask that: tierchat ask "2+2"'),
        (["What", "is", "2+2?"], 'to ask that: tierchat ask "What is 2+2?"'),
        (["What's $HOME?"], """to ask that: tierchat ask 'What'"'"'s $HOME?'"""),
        (
            ["2+2", "-m", "cpu", "-o", "seed", "1"],
            'to ask that: tierchat ask -m cpu -o seed=1 "2+2"',
        ),
        (["-o", "seed", "1", "2+2", "-q"], "write: tierchat ask -o seed=1 -q 2+2"),
        (["-m", "cpu", "--json"], 'write: tierchat ask -m cpu --json "…"'),
        (
            ["-m", "cpu", "-o", "seed", "1"],
            'write: tierchat ask -m cpu -o seed=1 "…"; in a chat: /set KEY VALUE',
        ),
        (["hello", "-q"], 'to ask that: tierchat ask -q "hello"'),
        (["pull the lever, Kronk"], 'to ask that: tierchat ask "pull the lever, Kronk"'),
        (["run", "2+2"], "did you mean: tierchat ask 2+2"),
        (["list"], "did you mean: tierchat ls"),
        (["start"], "did you mean: tierchat daemon up"),
        (["chat"], "did you mean: tierchat"),
        (["--offline", "pull"], "write: tierchat pull --offline"),
        (["-y", "pull", "--plan", "cpu"], "write: tierchat pull -y --plan cpu"),
        (["-q", "2+2"], "write: tierchat ask -q 2+2"),
        (["--json", "ps"], "write: tierchat ps --json"),
        (["-m", "cpu", "ask", "2+2"], "write them after it: tierchat ask --model …"),
        (["--nonsense", "pull"], "see tierchat --help"),
        (["ask", "--tier"], "see tierchat ask --help"),
        (
            ["config", "set", "keepalive", "1h"],
            "settings are changed in config.toml, which `tierchat paths` names",
        ),
        (["-5+3"], 'to ask that: tierchat ask "-5+3"'),
        (["-q", "-5+3"], "write: tierchat ask -q -5+3"),
        (["ask", "--temperature", "0.5", "2+2"], "write: -o temperature 0.5"),
        (["ask", "--max-tokens=50", "2+2"], "write: -o max_tokens 50"),
        (["ask", "2+2", "--top-k"], "write: -o top_k VALUE"),
        (["ask", "--temp", "-1", "2+2"], "write: -o temp -1"),
    ],
)
def test_the_line_that_was_meant_is_proposed(
    capsys: pytest.CaptureFixture[str], line: list[str], hint: str
) -> None:
    assert main(line) == 2
    said = capsys.readouterr()
    assert said.out == "" and said.err.splitlines()[-1] == f"hint: {hint}"


def test_a_near_command_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["pul"]) == 2
    said = capsys.readouterr().err
    assert "Did you mean 'pull'?" in said and "tierchat ask" not in said


@pytest.mark.parametrize("group", ["gate", "logs", "templates"])
def test_a_bare_group_shows_its_help_and_no_error(
    capsys: pytest.CaptureFixture[str], group: str
) -> None:
    assert main([group]) == 0
    said = capsys.readouterr()
    assert said.out.startswith(f"Usage: tierchat {group}") and said.err == ""


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("ask", "-m", "pocet", "2+2"), "did you mean `pocket`?"),
        (("ask", "-m", "Pocket", "2+2"), "did you mean `pocket`?"),
        (("ask", "-m", "nothing-like-it", "2+2"), "known: pocket, "),
        (("ask", "-m", "qwen3-4b", "2+2"), "cascades with it: 8gb, 16gb"),
        (("ask", "--tier", "XSS", "2+2"), "did you mean `XS`?"),
        (("ask", "--min-tier", "large", "2+2"), "the tiers, cheapest first: XS, S, M"),
        (("load", "pocke"), "did you mean `pocket`?"),
        (("pull", "starte"), "did you mean `starter`?"),
        (
            ("pull", "qwen3-4bb"),
            "no model or cascade named 'qwen3-4bb'\nhint: did you mean `qwen3-4b`?",
        ),
        (("pull", "qwen3.5-4", "--plan"), "did you mean `qwen3.5-4b`?"),
        (("stats", "--by", "templte"), "did you mean `template`?"),
    ],
)
def test_a_misspelt_name_gets_the_nearest(
    warm: UserHome, arguments: tuple[str, ...], said: str
) -> None:
    found = warm.run(*arguments)
    assert found.returncode == 2 and said in found.stderr.decode()


def test_a_model_in_the_package_needs_no_pull(warm: UserHome) -> None:
    found = warm.run("pull", "pocket-xs")
    assert found.returncode == 0
    said = "✓ pocket-xs is a file of this machine: nothing to fetch\n"
    assert found.stderr.decode() == said


def test_a_misspelt_variable_is_told_once_on_stderr(warm: UserHome) -> None:
    found = warm.run("paths", env={"TIERCHAT_CASCAD": "cpu", "TIERCHAT_REAL_MODELS": "/x"})
    assert found.returncode == 0 and b"TIERCHAT_CASCAD" not in found.stdout
    assert found.stderr.decode().splitlines() == [
        "TIERCHAT_CASCAD is set, but tierchat knows no such variable: "
        "did you mean `TIERCHAT_CASCADE`?"
    ]
    assert warm.run("ask", "-q", "2+2", env={"TIERCHAT_CASCAD": "cpu"}).stderr == b""


@pytest.mark.parametrize("name", ["TIERCHAT_MODEL", "tierchat_model", "TIERCHAT_CASCADES"])
def test_a_variable_is_never_taken_for_one_of_the_tests(name: str) -> None:
    assert unknown_variables({name: "x"}) == {name: "did you mean `TIERCHAT_CASCADE`?"}


def test_every_setting_is_a_known_variable() -> None:
    env = {f"TIERCHAT_{key.upper()}": "1" for key in Settings.__struct_fields__}
    assert unknown_variables({**env, "TIERCHAT_HOME": "/x", "PATH": "/bin"}) == {}
    assert list(unknown_variables({"tierchat_log": "0"})) == ["tierchat_log"]
