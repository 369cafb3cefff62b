"""The commands around `ask`, and how fast the small ones start."""

from __future__ import annotations

import importlib.util
import json
import signal
import socket
import subprocess
import sys
from dataclasses import fields
from pathlib import Path

import pytest
import typer
from typer.core import TyperGroup

from tests.conftest import UserHome
from tierchat import __version__
from tierchat.cli.ask.options import AskRequest
from tierchat.cli.commands.ask import ask
from tierchat.cli.exit_codes import ExitCode
from tierchat.cli.main import COMMANDS, build_app
from tierchat.cli.options import check_plot
from tierchat.errors import TierchatError, UsageError

GROUPS = ("logs", "templates", "gate", "daemon", "config")


def test_version_and_help_import_nothing_heavy() -> None:
    heavy = "llama_cpp numpy rich msgspec starlette uvicorn httpx prompt_toolkit jinja2 asyncio"
    for argument in ("--version", "--help"):
        code = (
            "import sys; from tierchat.cli.main import main; main([sys.argv[1]]);"
            f"sys.exit(' '.join(m for m in '{heavy}'.split() if m in sys.modules))"
        )
        found = subprocess.run(
            [sys.executable, "-c", code, argument], capture_output=True, text=True, check=False
        )
        # `sys.exit("")` of an empty list prints an empty line and exits 1.
        assert found.stderr.strip() == "", found.stderr


def test_a_warm_ask_reads_no_catalogue(warm: UserHome) -> None:
    code = (
        "import sys; from tierchat.cli.main import main; main(['ask', '2+2', '--no-stdin']);"
        "sys.exit(' '.join(m for m in sys.modules if m == 'tierchat.config.catalogue'))"
    )
    warm.run("ask", "2+2")
    found = subprocess.run(
        [sys.executable, "-c", code], env=warm.env, capture_output=True, text=True, check=False
    )
    assert found.stdout == "4\n" and found.stderr.strip() == ""


def test_the_version_is_printed(warm: UserHome) -> None:
    assert warm.run("--version").stdout.decode() == f"tierchat {__version__}\n"


def test_no_verb_shows_what_there_is(warm: UserHome) -> None:
    found = warm.run()
    assert found.returncode == 0
    for command in (b"ask", b"ps", b"daemon", b"config", b"paths", b"doctor"):
        assert command in found.stdout


def test_the_help_lists_whole_sentences_in_a_sensible_order(warm: UserHome) -> None:
    said = warm.run("--help").stdout.decode()
    groups = [warm.run(name, "--help").stdout.decode() for name in GROUPS]
    assert "--version" in said
    assert not [text for text in (said, *groups) if "..." in text.partition("Commands:")[2]]
    names = [line.split()[0] for line in said.partition("Commands:\n")[2].splitlines()]
    assert names == list(COMMANDS)
    assert "9 no tier could answer" in " ".join(warm.run("ask", "--help").stdout.decode().split())


def test_the_help_of_ask_explains_every_exit_code() -> None:
    text = " ".join((ask.__doc__ or "").partition("Exit codes:")[2].split())
    explained = {int(part.split()[0]) for part in text.rstrip(".").split(", ")}
    of_errors = {kind.exit_code for kind in TierchatError.__subclasses__()}
    assert explained == of_errors | set(ExitCode)


def test_the_options_of_ask_are_the_fields_of_its_request() -> None:
    command = typer.main.get_command(build_app("ask"))
    assert isinstance(command, TyperGroup)
    found = [parameter.name for parameter in command.commands["ask"].params]
    assert found == [field.name for field in fields(AskRequest)]


def test_a_hint_names_the_command_whose_help_tells_more(warm: UserHome) -> None:
    assert b"see tierchat ask --help" in warm.run("ask", "--expain").stderr
    assert b"see tierchat daemon --help" in warm.run("daemon", "frob").stderr


@pytest.mark.parametrize("command", ["--version", "--help", "paths", "ask --help", "ps"])
def test_a_closed_stdout_and_a_full_disk_leave_no_traceback(warm: UserHome, command: str) -> None:
    tierchat = " ".join(warm.command(command))
    # Only a buffered stdout still fails when the interpreter ends.
    env = {key: value for key, value in warm.env.items() if key != "PYTHONUNBUFFERED"}
    for where, codes, said in (
        ("| true; exit ${PIPESTATUS[0]}", (0, 141), b""),
        ("> /dev/full", (1,), b"No space left"),
    ):
        found = subprocess.run(
            ["bash", "-c", f"{tierchat} {where}"], env=env, capture_output=True, check=False
        )
        assert found.returncode in codes, found
        assert said in found.stderr and found.stderr.count(b"\n") <= 1


def test_ps_lists_the_tiers_with_their_memory(warm: UserHome) -> None:
    warm.run("ask", "2+2")
    lines = warm.run("ps").stdout.decode().splitlines()
    assert lines[0].split()[:3] == ["TIER", "MODEL", "STATE"]
    assert any(line.startswith("XS") and "MiB" in line for line in lines)
    found = json.loads(warm.run("ps", "--json").stdout)
    assert found["running"] and found["workers"][0]["tiers"] == ["XS"]


def test_the_daemon_goes_up_and_down(home: UserHome) -> None:
    status = home.run("daemon", "status")
    assert b"not running" in status.stdout and status.returncode == 5
    assert home.run("daemon").returncode == 5
    assert b"not running" in home.run("ps").stdout
    assert b"not running" in home.run("daemon", "down").stdout
    assert home.run("daemon", "up").stdout.startswith(b"started (PID")
    again = home.run("daemon", "up")
    assert again.returncode == 0 and b"not starting a second daemon" in again.stdout
    running = home.run("daemon")
    assert b"running (PID" in running.stdout and running.returncode == 0
    assert b"daemon 0" in home.run("daemon", "logs").stdout
    assert home.run("daemon", "down").stdout == b"stopped\n"
    gone = home.run("daemon", "status", "--json")
    assert json.loads(gone.stdout) == {"running": False} and gone.returncode == 5


def test_paths_and_config_tell_where_things_come_from(home: UserHome) -> None:
    assert str(home.directory).encode() in home.run("paths").stdout
    places = json.loads(home.run("paths", "--json").stdout)
    assert places["socket"] == str(home.paths.socket)
    assert places["added_models"] == str(home.paths.added_models_file)
    assert places["conversations"] == str(home.paths.log_file)
    found = home.run("config", env={"TIERCHAT_KEEPALIVE": "5m"})
    assert b"5m" in found.stdout and b"TIERCHAT_KEEPALIVE" in found.stdout
    assert "pocket" in json.loads(home.run("config", "--json").stdout)["cascades"]


def test_a_broken_config_is_reported_with_its_line(home: UserHome) -> None:
    (home.directory / "config").mkdir()
    (home.directory / "config" / "config.toml").write_text("\nkeepalve = '5m'\n")
    found = home.run("config")
    assert found.returncode == 2
    assert b"line 2" in found.stderr and b"did you mean `keepalive`?" in found.stderr


def test_the_doctor_ends_in_a_real_generation(warm: UserHome) -> None:
    found = warm.run("doctor")
    assert found.returncode == 0, found.stdout
    said = found.stdout.decode()
    assert "GPU driver" in said and "sha256 right" in said and "\"2+2\" gave '4' from XS" in said
    assert "✗" not in said


def test_the_doctor_finds_a_damaged_model_and_goes_on(home: UserHome) -> None:
    (home.directory / "config").mkdir()
    (home.directory / "config" / "models.toml").write_text('[models.gone]\nfile = "gone.gguf"\n')
    found = home.run("doctor")
    assert found.returncode == 1
    assert "✗ model        gone" in found.stdout.decode() and "generation" in found.stdout.decode()


@pytest.mark.parametrize("command", ["stats", "eval"])
def test_a_chart_is_drawn_to_a_known_kind_of_file_only(home: UserHome, command: str) -> None:
    for name in ("chart.txt", "chart"):
        found = home.run(command, "--plot", name)
        assert found.returncode == 2 and f"cannot draw to {name}".encode() in found.stderr


def test_a_bug_leaves_its_traceback_in_a_file(home: UserHome) -> None:
    code = (
        "import sys; from tierchat.cli import main as cli\n"
        "def broken(only): raise ZeroDivisionError('oops')\n"
        "cli.build_app = broken\n"
        "sys.exit(cli.main(['ps']))"
    )
    found = subprocess.run(
        [sys.executable, "-c", code], env=home.env, capture_output=True, text=True, check=False
    )
    assert found.returncode == 1 and "Traceback" not in found.stderr
    assert str(home.paths.crash_log) in found.stderr
    assert "oops" in home.paths.crash_log.read_text()


def test_the_log_is_followed_into_the_file_of_the_next_daemon(home: UserHome) -> None:
    log = home.paths.daemon_log
    log.parent.mkdir(parents=True, exist_ok=True)
    log.write_text("one\n")
    command = [sys.executable, "-m", "tierchat", "daemon", "logs", "-f"]
    with subprocess.Popen(command, env=home.env, stdout=subprocess.PIPE, text=True) as following:
        assert following.stdout
        assert following.stdout.readline() == "one\n"
        log.replace(log.with_suffix(".log.1"))
        log.write_text("two\n")
        assert following.stdout.readline() == "two\n"
        following.kill()


def test_a_chart_without_the_library_that_draws_names_what_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    check_plot(None)
    with pytest.raises(UsageError, match="matplotlib") as caught:
        check_plot(Path("stats.svg"))
    assert "tierchat[train]" in caught.value.hint


def test_ctrl_c_before_the_command_line_is_imported_prints_nothing() -> None:
    code = (
        "import os, runpy, signal, sys, time\n"
        "class Interrupts:\n"
        "    def find_spec(self, name, *_):\n"
        "        if name == 'tierchat.cli.main':\n"
        "            os.kill(os.getpid(), signal.SIGINT)\n"
        "            time.sleep(5)\n"
        "sys.meta_path.insert(0, Interrupts())\n"
        "sys.argv = ['tierchat', '--version']\n"
        "runpy.run_module('tierchat', run_name='__main__', alter_sys=True)\n"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, check=False)
    assert (found.returncode, found.stderr) == (-signal.SIGINT, b"")


def test_a_question_over_a_socket_is_asked_without_a_verb(warm: UserHome) -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.sendall(b"2+2")
        ours.shutdown(socket.SHUT_WR)
        found = subprocess.run(
            warm.command(), env=warm.env, stdin=theirs, capture_output=True, check=False
        )
    assert found.stdout == b"4\n"
