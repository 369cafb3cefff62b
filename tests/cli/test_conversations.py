"""Conversations from the command line: continued, with files and templates, and in the logs."""

from __future__ import annotations

import json
import sqlite3
import subprocess
from pathlib import Path

import msgspec
import pytest

from tests.conftest import UserHome
from tierchat.cli import templates
from tierchat.conversations.reader import LogReader
from tierchat.terminal.code_blocks import fence_for, last_block
from tierchat.types import Sampling


def ask(home: UserHome, *arguments: str, stdin: bytes | None = None) -> dict[str, object]:
    found = home.run("ask", "--json", *arguments, stdin=stdin)
    assert found.returncode == 0, found.stderr
    outcome: dict[str, object] = json.loads(found.stdout)
    return outcome


def exchanges(home: UserHome, conversation: object) -> list[str]:
    reader = LogReader(home.paths.log_file)
    return [e.prompt for e in reader.exchanges(str(conversation))]


def test_minus_c_goes_on_and_says_the_whole_conversation(warm: UserHome) -> None:
    first = ask(warm, "2+2", "-s", "Be brief.")
    second = ask(warm, "-c", "3+3")
    assert second["conversation_id"] == first["conversation_id"]
    assert second["prompt_tokens"] > first["prompt_tokens"]  # type: ignore[operator]
    other = ask(warm, "4+4")
    assert other["conversation_id"] != first["conversation_id"]
    by_id = ask(warm, "--cid", str(first["conversation_id"])[:5], "5+5")
    assert by_id["conversation_id"] == first["conversation_id"]
    assert exchanges(warm, first["conversation_id"]) == ["2+2", "3+3", "5+5"]
    found = LogReader(warm.paths.log_file).exchanges(str(first["conversation_id"]))
    assert {e.system for e in found} == {"Be brief."}


@pytest.mark.slow
def test_a_follow_up_begins_where_it_was_answered_also_with_another_daemon(
    home: UserHome,
) -> None:
    assert ask(home, "What is 17*24?")["tier"] == "S"
    assert ask(home, "-c", "and 17*25?")["began"] == "began at S: it answered before"
    home.run("daemon", "down")
    assert ask(home, "-c", "and 17*26?")["began"] == "began at S: it answered before"
    assert ask(home, "-c", "--tier", "M", "and 17*27?")["began"] == ""
    assert ask(home, "-c", "2+2")["began"] == "began at XS: a new topic"


def test_a_second_turn_computes_new_tokens_only(warm: UserHome) -> None:
    text = "2+2 " * 40
    first = ask(warm, text + "= ?")
    second = ask(warm, "-c", "3+3")
    # Whether XS is sure enough of its second answer is the model's affair, not the cache's.
    read = {visit["tier"] for visit in first["path"]}  # type: ignore[attr-defined]
    again = [visit for visit in second["path"] if visit["tier"] in read]  # type: ignore[attr-defined]
    assert again
    for visit in again:
        assert visit["prompt_tokens"] - visit["cached_tokens"] < 20


def test_minus_n_and_the_setting_save_nothing(warm: UserHome) -> None:
    ask(warm, "1+1")
    before = LogReader(warm.paths.log_file).conversations(100)
    assert ask(warm, "-n", "2+2")["conversation_id"] is None
    found = warm.run("ask", "2+2", env={"TIERCHAT_LOG": "false"})
    assert found.returncode == 0
    assert LogReader(warm.paths.log_file).conversations(100) == before


def test_continuing_without_a_conversation_is_a_mistake(home: UserHome) -> None:
    found = home.run("ask", "-c", "2+2")
    assert found.returncode == 2 and b"no conversation to continue" in found.stderr


def test_the_unanswered_is_saved_as_such(warm: UserHome) -> None:
    assert warm.run("ask", "Write an essay about the peoples of the north").returncode == 9
    shown = warm.run("logs", "show").stdout.decode()
    assert "No tier can answer" in shown


def test_logs_list_show_search_rename_export_and_remove(home: UserHome, tmp_path: Path) -> None:
    home.start_scripted()
    id = str(ask(home, "What is 17*24?")["conversation_id"])
    ask(home, "2+2")
    assert id in home.run("logs", "ls").stdout.decode()
    assert b"0 1 2 3 4" in home.run("logs", "show", id[:4]).stdout
    assert b"[24]" in home.run("logs", "search", "17", "24").stdout
    assert b"nothing" in home.run("logs", "search", "rhubarb").stdout
    assert home.run("logs", "rename", id, "a product").returncode == 0
    assert b"a product" in home.run("logs", "ls").stdout
    assert [json.loads(x)["title"] for x in home.run("logs", "ls", "--json").stdout.splitlines()][
        1
    ] == "a product"
    file = tmp_path / "out.md"
    assert home.run("logs", "export", id, "-o", str(file)).returncode == 0
    assert file.read_text().startswith("# a product")
    whole = json.loads(home.run("logs", "export", id, "--json").stdout)
    assert whole["exchanges"][0]["answer"] == "0 1 2 3 4 "
    asked = home.run("logs", "rm", id, stdin=b"y\n")
    assert asked.returncode == 2 and b"-y answers yes" in asked.stderr
    assert home.run("logs", "show", id).returncode == 0
    assert home.run("logs", "rm", id, "-y").returncode == 0
    assert home.run("logs", "show", id).returncode == 2
    assert home.run("logs", "rm", "--all", "-y").returncode == 0
    assert b"nothing is saved" in home.run("logs", "ls").stdout
    assert home.run("logs", "rm").returncode == 2


def test_the_log_is_plain_sqlite(warm: UserHome) -> None:
    ask(warm, "2+2")
    path = Path(warm.run("logs", "path").stdout.decode().strip())
    db = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
    query = "SELECT tier, count(*) FROM exchanges WHERE prompt = '2+2' GROUP BY tier"
    assert dict(db.execute(query).fetchall())["XS"] >= 1
    assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)


def test_stats_count_what_was_spent(warm: UserHome, tmp_path: Path) -> None:
    ask(warm, "2+2")
    ask(warm, "What is 17*24?", "-t", "explain")
    said = warm.run("stats").stdout.decode()
    assert "answered by XS" in said and "escalate token" in said
    found = json.loads(warm.run("stats", "--by", "template", "--json").stdout)
    assert found["by"]["explain"]["num_prompts"] == 1
    models = json.loads(warm.run("stats", "--by", "model", "--json").stdout)["by"]
    assert models["pocket-s"]["by_tier"] == {"S": models["pocket-s"]["num_prompts"]}
    total = found["total"]
    assert total["num_prompts"] == sum(part["num_prompts"] for part in found["by"].values())
    assert 0 < total["compute_saved"] < 1 and total["escalation_tokens"] > 0
    assert warm.run("stats", "--plot", str(tmp_path / "s.png")).returncode == 0
    assert (tmp_path / "s.png").stat().st_size > 1000
    assert warm.run("stats", "--by", "moon").returncode == 2


def test_stats_name_conversations_as_far_as_there_is_room(home: UserHome) -> None:
    home.start_scripted()
    question = "Is 17*24 more than 400?"
    home.run("ask", question)
    first, *lines = home.run("stats", "--by", "conversation").stdout.decode().splitlines()
    assert first.startswith("1 prompt, ") and question in lines[-1]


def test_stats_count_prompts_that_failed_too(home: UserHome) -> None:
    home.start_scripted()
    ask(home, "2+2")
    assert home.run("ask", "refuse").returncode == 7
    total = json.loads(home.run("stats", "--json").stdout)["total"]
    assert (total["num_prompts"], total["num_failed"]) == (2, 1)
    assert "failed: 1 (50.0%)" in home.run("stats").stdout.decode()


def test_a_name_that_was_mistyped_is_not_continued(warm: UserHome) -> None:
    first = ask(warm, "2+2")
    assert warm.run("ask", "-m", "pockt", "3+3").returncode == 2
    assert warm.run("ask", "--tier", "XL", "3+3").returncode == 2
    assert ask(warm, "-c", "4+4")["conversation_id"] == first["conversation_id"]
    assert exchanges(warm, first["conversation_id"]) == ["2+2", "4+4"]


def test_files_go_with_the_prompt_and_binaries_do_not(warm: UserHome, tmp_path: Path) -> None:
    text, binary = tmp_path / "sum.txt", tmp_path / "x.bin"
    text.write_text("2+2\n```\n3+3\n")
    binary.write_bytes(b"\x00\x01")
    outcome = warm.run("ask", "--json", "-f", str(text), "-o", "max_tokens", "5", "Calculate")
    assert outcome.returncode in (0, 1, 9)
    id = json.loads(outcome.stdout)["conversation_id"]
    [prompt] = exchanges(warm, id)
    assert prompt.startswith("Calculate\n\nsum.txt:\n````\n2+2") and prompt.endswith("````")
    for path, said in ((binary, b"NUL"), (tmp_path, b"directory"), (tmp_path / "no", b"No such")):
        found = warm.run("ask", "-f", str(path), "x")
        assert found.returncode == 2 and said in found.stderr
    latin = tmp_path / "latin.txt"
    latin.write_bytes("äöü".encode("latin-1") * 20)
    assert b"not UTF-8" in warm.run("ask", "-f", str(latin), "x").stderr


def test_templates_are_used_shown_edited_and_checked(warm: UserHome) -> None:
    directory = warm.paths.templates_dir
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "plus.toml").write_text('prompt = "$input+2"\ntier = "XS"\ndescription = "adds"\n')
    assert ask(warm, "-t", "plus", "2")["answer"] == "4"
    assert ask(warm, "-t", "plus", stdin=b"3")["answer"] == "5"
    listed = warm.run("templates", "ls").stdout.decode()
    assert "adds" in listed and "commit" in listed
    assert b'tier = "XS"' in warm.run("templates", "show", "plus").stdout
    found = warm.run("ask", "-t", "plu", "2")
    assert found.returncode == 2 and b"did you mean `plus`?" in found.stderr
    assert warm.run("ask", "-t", "../x", "2").returncode == 2
    (directory / "bad.toml").write_text('prompt = "x"\nteir = "XS"\n')
    found = warm.run("ask", "-t", "bad", "2")
    assert found.returncode == 2 and b"line 2" in found.stderr and b"tier" in found.stderr
    (directory / "bad.toml").unlink()
    assert warm.run("templates", "edit", "mine", env={"EDITOR": "true"}).returncode == 0
    assert warm.run("templates", "edit", "mine", env={"EDITOR": "/no/editor"}).returncode == 2
    assert not (directory / "mine.toml").exists()
    assert warm.run("templates", "edit", "mine", env={"EDITOR": "sed -i 1d"}).returncode == 0
    assert (directory / "mine.toml").exists()


def test_a_shipped_template_is_edited_from_what_it_says(warm: UserHome) -> None:
    own = warm.paths.templates_dir / "commit.toml"
    shown = warm.run("templates", "show", "commit").stdout.decode()
    assert warm.run("templates", "edit", "commit", env={"EDITOR": "true"}).returncode == 0
    assert not own.exists()
    edited = warm.run("templates", "edit", "commit", env={"EDITOR": "sed -i s/72/50/"})
    assert edited.returncode == 0 and own.read_text() == shown.replace("72", "50")
    own.unlink()


@pytest.mark.parametrize(
    "template",
    [
        *templates.SHIPPED.values(),
        templates.Template(
            prompt='a "b"\n\\n """\n\t$input\x7f\n',
            quality=0.5,
            think=False,
            options=Sampling(temperature=0, stop=("x", "\n")),
        ),
    ],
)
def test_a_template_reads_as_it_was_written(template: templates.Template) -> None:
    text = "\n".join(templates.toml_lines(template)) + "\n"
    assert msgspec.toml.decode(text, type=templates.Template) == template


def test_minus_x_prints_the_last_code_block_alone(home: UserHome, tmp_path: Path) -> None:
    home.start_scripted()
    file = tmp_path / "a.md"
    file.write_text("Two:\n```sh\nls\n```\nor\n~~~\necho '```'\n~~~\ndone\n")
    found = home.run("ask", "-x", f"say {file}")
    assert found.returncode == 0 and found.stdout == b"echo '```'\n"
    file.write_text("no code")
    found = home.run("ask", "-x", f"say {file}")
    assert found.returncode == 1 and found.stdout == b"" and b"no code block" in found.stderr


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("```\na\n```", "a\n"),
        ("````\n```\n````", "```\n"),
        ("```py\nopen", "open\n"),
        ("none", None),
        ("```a``` inline", None),
        ("```\n```", ""),
    ],
)
def test_last_block(text: str, code: str | None) -> None:
    assert last_block(text) == code


def test_a_fence_is_longer_than_any_inside() -> None:
    assert fence_for("x") == "```" and fence_for("a ```` b") == "`````"


def test_a_pipe_without_a_verb_is_a_question(warm: UserHome) -> None:
    found = subprocess.run(
        warm.command(), input=b"2+2", capture_output=True, env=warm.env, timeout=30, check=False
    )
    assert found.returncode == 0 and found.stdout == b"4\n"


@pytest.mark.parametrize(
    ("line", "wanted"),
    [
        ("tierchat st", "stats"),
        ("tierchat ask --tier ", "XS"),
        ("tierchat ask -m po", "pocket"),
        ("tierchat ask -t com", "commit"),
        ("tierchat templates show com", "commit"),
        ("tierchat logs ", "search"),
    ],
)
def test_shells_complete_our_words(warm: UserHome, line: str, wanted: str) -> None:
    env = {
        "_TIERCHAT_COMPLETE": "complete_bash",
        "COMP_WORDS": line,
        "COMP_CWORD": str(len(line.split(" ")) - 1),
    }
    found = warm.run(env=env)
    assert wanted in found.stdout.decode().split(), found.stderr


def test_conversations_are_completed_and_scripts_printed(warm: UserHome) -> None:
    id = str(ask(warm, "2+2")["conversation_id"])
    line = f"tierchat logs show {id[:5]}"
    env = {"_TIERCHAT_COMPLETE": "complete_bash", "COMP_WORDS": line, "COMP_CWORD": "3"}
    assert id in warm.run(env=env).stdout.decode()
    for shell in ("bash", "zsh", "fish"):
        assert b"_TIERCHAT_COMPLETE" in warm.run("completion", shell).stdout
    assert warm.run("completion", "tcsh").returncode == 2
