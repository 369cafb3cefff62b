"""Who may run what: choices, questions, the log; changes never run where nobody can be asked."""

from __future__ import annotations

import stat
from pathlib import Path

import msgspec
import pytest

from tierchat.errors import UsageError
from tierchat.paths import Paths, find_paths
from tierchat.tool_calls import ToolCall, ToolRun
from tierchat.tools.approvals import (
    Answer,
    Approval,
    Approvals,
    check_approval,
    choose_approval,
    chosen_approvals,
)
from tierchat.tools.call_log import CallLog, logged_calls
from tierchat.tools.failure import ToolFailed
from tierchat.tools.files.editing import Edits
from tierchat.tools.shell import shell
from tierchat.tools.toolbox import Risk, Toolbox


class Person:
    """Answers in turn, and remembers what was shown; nobody when there is no answer left."""

    def __init__(self, *answers: Answer) -> None:
        self._answers = list(answers)
        self.shown: list[tuple[str, tuple[Answer, ...]]] = []

    def allows(self, name: str, shown: str, answers: tuple[Answer, ...]) -> Answer | None:
        self.shown.append((shown, answers))
        if not answers:
            return "once"
        return self._answers.pop(0) if self._answers else None


@pytest.fixture
def paths(tmp_path: Path) -> Paths:
    return find_paths({"TIERCHAT_HOME": str(tmp_path / "home")})


def box(paths: Paths, person: Person, risk: Risk) -> tuple[Toolbox, list[str]]:
    done: list[str] = []

    def act(what: str) -> str:
        """Act."""
        done.append(what)
        return "done"

    made = Toolbox(allows=Approvals(paths, person, CallLog(paths, has_words=True)))
    made.add(act, risk=risk)
    return made, done


def run(toolbox: Toolbox, what: str = "x") -> ToolRun:
    arguments = msgspec.json.encode({"what": what}).decode()
    return toolbox.run(ToolCall(id="call_1", name="act", arguments=arguments))


@pytest.mark.parametrize("risk", ["changes", "anything"])
def test_what_changes_things_is_not_run_where_nobody_is(paths: Paths, risk: Risk) -> None:
    choose_approval(paths, "act", "always")
    toolbox, done = box(paths, Person(), "anything")
    assert "no person is at a terminal" in run(toolbox).result and not done
    assert "nobody is there" in run_without_approvals(risk)


def run_without_approvals(risk: Risk) -> str:
    toolbox = Toolbox()
    toolbox.add(lambda: "done", "act", risk=risk)
    return toolbox.run(ToolCall(id="call_1", name="act", arguments="{}")).result


def test_each_answer_holds_as_long_as_it_says(paths: Paths) -> None:
    person = Person("no", "once", "session")
    toolbox, done = box(paths, person, "changes")
    results = [run(toolbox, str(number)).is_failed for number in range(5)]
    assert results == [True, False, False, False, False] and done == ["1", "2", "3", "4"]
    # What is allowed for the session is still shown.
    assert [shown for shown, _ in person.shown] == [f"what: {number}" for number in range(5)]
    assert [bool(answers) for _, answers in person.shown] == [True, True, True, False, False]
    toolbox, done = box(paths, Person("always"), "changes")
    run(toolbox)
    toolbox, done = box(paths, Person(), "changes")
    assert not run(toolbox).is_failed and chosen_approvals(paths) == {"act": "always"}


def test_what_can_do_anything_is_asked_for_each_time(paths: Paths) -> None:
    choose_approval(paths, "act", "always")
    person = Person("once", "once", "no")
    toolbox, done = box(paths, person, "anything")
    assert [run(toolbox).is_failed for _ in range(3)] == [False, False, True]
    assert all(answers == ("once",) for _, answers in person.shown) and len(done) == 2


@pytest.mark.parametrize("risk", ["none", "changes", "anything"])
def test_never_is_never(paths: Paths, risk: Risk) -> None:
    choose_approval(paths, "act", "never")
    person = Person("always")
    toolbox, done = box(paths, person, risk)
    assert run(toolbox).result == "error: act is not allowed here" and not done
    assert not person.shown


def test_a_broken_file_of_choices_allows_nothing_more(paths: Paths) -> None:
    paths.data_dir.mkdir(parents=True)
    for broken in (b"{", b'{"act": "sure"}', b"\xff"):
        paths.approvals_file.write_bytes(broken)
        toolbox, done = box(paths, Person(), "changes")
        assert run(toolbox).is_failed and not done


@pytest.mark.parametrize(("how", "risk"), [("sometimes", "none"), ("always", "anything")])
def test_choices_that_cannot_be_are_refused(how: Approval, risk: Risk) -> None:
    with pytest.raises(UsageError):
        check_approval("act", how, risk)


def test_every_call_is_in_the_log(paths: Paths) -> None:
    toolbox, _ = box(paths, Person("once", "no"), "changes")
    run(toolbox, "first")
    run(toolbox, "second")
    calls = list(logged_calls(paths))
    assert [(call.tool, call.is_failed) for call in calls] == [("act", False), ("act", True)]
    assert calls[0].arguments == '{"what":"first"}' and calls[0].result == "done"
    assert stat.S_IMODE(paths.calls_log.stat().st_mode) == 0o600
    CallLog(paths, has_words=False).add(ToolRun(tool="act", arguments="secret", result="secret"))
    assert "secret" not in paths.calls_log.read_text() and len(list(logged_calls(paths))) == 3


def test_an_edit_shows_what_changes_and_changes_that(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("one\ntwo\nthree\n")
    (tmp_path / "a.txt").chmod(0o640)
    edits = Edits([tmp_path])
    diff = edits.diff("a.txt", "two", "2")
    assert "-two" in diff and "+2" in diff and "-one" not in diff
    assert (tmp_path / "a.txt").read_text() == "one\ntwo\nthree\n"
    assert edits.edit_file("a.txt", "two", "2") == "a.txt was changed"
    assert (tmp_path / "a.txt").read_text() == "one\n2\nthree\n"
    assert stat.S_IMODE((tmp_path / "a.txt").stat().st_mode) == 0o640
    assert edits.edit_file("b.txt", "", "new\n") == "b.txt was made"
    assert (tmp_path / "b.txt").read_text() == "new\n"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.txt", "b.txt"]


def test_an_edit_that_cannot_be_made_is_refused_before_it_is_shown(tmp_path: Path) -> None:
    folder = tmp_path / "work"
    folder.mkdir()
    (tmp_path / "outside.txt").write_text("outside")
    (folder / "a.txt").write_text("x x")
    (folder / "link.txt").symlink_to("../outside.txt")
    (folder / ".gitignore").write_text("ignored.txt\n")
    edits = Edits([folder])
    for path, old, new in (
        ("a.txt", "x", "y"),
        ("a.txt", "z", "y"),
        ("a.txt", "", "y"),
        ("a.txt", "x x", "x x"),
        ("../outside.txt", "outside", "y"),
        ("link.txt", "outside", "y"),
        ("../made.txt", "", "y"),
        (".hidden", "", "y"),
        ("no/such/folder.txt", "x", "y"),
    ):
        for work in (edits.diff, edits.edit_file):
            with pytest.raises(ToolFailed):
                work(path, old, new)
    with pytest.raises(ToolFailed):
        edits.edit_file("ignored.txt", "", "y")
    assert (tmp_path / "outside.txt").read_text() == "outside"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["outside.txt", "work"]


def test_a_command_of_the_shell_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TIERCHAT_KEY", "secret")
    assert shell("echo hello; exit 3") == "hello\n(exit code 3)"
    assert shell("true") == "(no output, exit code 0)"
    assert "secret" not in shell("env") and shell("cat") == "(no output, exit code 0)"
    assert "printed too much" in shell("yes")
    monkeypatch.setattr("tierchat.tools.shell._MAX_SECONDS", 0.2)
    assert "ended after 0.2 s" in shell("sleep 30")
    for empty in ("", "  ", "a\0b"):
        with pytest.raises(ToolFailed):
            shell(empty)
