"""A default cascade whose models were not pulled yet: every way of asking names the next step."""

from __future__ import annotations

import pytest

from tests.cli.test_chat import Talk
from tests.conftest import UserHome

MESSAGE, HINT = "not on this machine yet: tiny-s, tiny-m", "hint: run: tierchat pull tiny"


@pytest.fixture
def fresh(home: UserHome) -> UserHome:
    home.paths.config_dir.mkdir()
    home.paths.config_file.write_text('cascade = "tiny"\n')
    model = '[models.tiny-{0}]\nrepo = "owner/tiny"\nfile = "tiny-{0}.gguf"\n'
    tiers = ['{name = "S", model = "tiny-s"}', '{name = "M", model = "tiny-m"}']
    home.paths.models_file.write_text(
        model.format("s") + model.format("m") + f"[cascades.tiny]\ntiers = [{', '.join(tiers)}]\n"
    )
    return home


def test_a_command_a_pipe_and_json_name_the_pull_on_stderr(fresh: UserHome) -> None:
    for arguments, stdin in (
        (("ask", "2+2"), None),
        (("ask", "--json", "-q", "2+2"), None),
        ((), b"2+2\n"),
    ):
        found = fresh.run(*arguments, stdin=stdin)
        assert (found.returncode, found.stdout) == (3, b""), arguments
        assert found.stderr.decode().splitlines() == [f"tierchat: {MESSAGE}", HINT]


def test_the_first_prompt_of_a_chat_names_the_pull_and_the_chat_goes_on(fresh: UserHome) -> None:
    talk = Talk(fresh)
    talk.say("2+2")
    talk.hear(MESSAGE)
    talk.hear(HINT)
    talk.say("/model pocket")
    talk.hear("pocket: XS")
    talk.say("2+2")
    talk.hear("pocket-xs")
    assert talk.leave() == 0
