"""What the bundled models cannot answer: the command that helps, or an offer at a terminal.

The hub is real, on this machine; `starter` is made of the bundled models under other names.
"""

from __future__ import annotations

import io
import json
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pexpect
import pytest

from tests.cli.test_chat import Talk, bare
from tests.cli.test_pull import Site, hub, root, write_net
from tests.conftest import UserHome
from tests.local_hub import LocalHub, running_hub
from tierchat.cli.offer.offer import PullOffers
from tierchat.config.catalogue_files import load_catalogue
from tierchat.config.home import Home
from tierchat.terminal.output import Output
from tierchat.types import Message, Prompt

__all__ = ["hub", "root"]
HAMLET = "Who wrote Hamlet?"
OFFERED = "Fetch them now? [y/N]"
HINT = "run: tierchat pull starter ("


@pytest.fixture
def site(home: UserHome, hub: LocalHub) -> Site:
    """A fresh home; `starter` has two models, one of them in two tiers."""
    write_net(home, hub)
    tiers = (("S", "net-s"), ("M", "net-m"))
    rungs = ", ".join(f'{{name = "{name}", model = "{model}"}}' for name, model in tiers)
    with home.paths.models_file.open("a") as file:
        file.write(f"[cascades.starter]\ntiers = [{rungs}]\n")
    return Site(home, hub)


class Shell:
    """One command at a terminal."""

    def __init__(self, site: Site, *words: str, **env: str) -> None:
        self.child = pexpect.spawn(
            sys.executable,
            ["-m", "tierchat", *words],
            env={**site.home.env, **site.env, "TERM": "xterm", **env},
            timeout=60,
            dimensions=(24, 200),
            encoding="utf-8",
        )

    def hear(self, text: str) -> str:
        self.child.expect_exact(text)
        return bare(str(self.child.before) + str(self.child.after))

    def end(self) -> tuple[int, str]:
        self.child.expect(pexpect.EOF)
        self.child.close()
        return int(self.child.exitstatus or 0), bare(str(self.child.before))


def test_a_pipe_gets_the_one_command_on_stderr(site: Site) -> None:
    found = site.run("ask", HAMLET)
    assert found.returncode == 9 and found.stdout == b""
    hint = found.stderr.decode().splitlines()[-1]
    assert hint.startswith(f"hint: {HINT}") and "free on disk; at 50 Mbit/s" in hint
    quiet = site.run("ask", "-q", HAMLET)
    assert quiet.returncode == 9 and HINT in quiet.stderr.decode()
    said = site.run("ask", "--json", HAMLET)
    assert json.loads(said.stdout)["finish_reason"] == "unanswered"
    assert said.stderr.decode().startswith(f"no tier could answer; {HINT}")
    assert not site.hub.seen


@pytest.mark.slow
def test_yes_fetches_and_asks_again_as_models_arrive(site: Site) -> None:
    site.hub.faults.bytes_per_s = 3e6
    shell = Shell(site, "ask", HAMLET)
    offer = shell.hear(OFFERED)
    assert "cascade starter, net-s and net-m" in offer and "(`tierchat pull` fetches" in offer
    assert not site.hub.bytes_sent
    shell.child.sendline("y")
    shell.hear("✓ net-s")
    shell.hear("S · net-s")
    assert not site.file("pocket-m.gguf").exists()
    shell.hear("✓ net-m")
    shell.hear("M is here; asked again:")
    code, said = shell.end()
    # The model has a trained token of its own to say no with.
    assert code == 9 and "M declined" in said
    site.assert_pulled("pocket-s.gguf", "pocket-m.gguf")
    # From now on the cascade is the default, and the log holds one exchange.
    assert json.loads(site.run("ask", "--json", "2+2").stdout)["model"].startswith("net-")
    shown = site.run("logs", "show").stdout.decode()
    assert shown.count(HAMLET) <= 1


@pytest.mark.parametrize("answer", ["", "n", "\x04"])
@pytest.mark.slow
def test_anything_but_yes_fetches_nothing(site: Site, answer: str) -> None:
    shell = Shell(site, "ask", HAMLET)
    shell.hear(OFFERED)
    if answer == "\x04":
        shell.child.sendeof()
    else:
        shell.child.sendline(answer)
    code, said = shell.end()
    assert code == 9 and "`tierchat pull starter` does it at any time" in said
    assert not site.hub.seen


@pytest.mark.slow
@pytest.mark.parametrize(
    ("words", "env"),
    [
        (("-q",), {}),
        (("--json",), {}),
        ((), {"TIERCHAT_OFFER_PULL": "false"}),
        ((), {"HF_HUB_OFFLINE": "1"}),
    ],
)
def test_nobody_is_asked_who_does_not_want_it(
    site: Site, words: tuple[str, ...], env: dict[str, str]
) -> None:
    code, said = Shell(site, "ask", *words, HAMLET, **env).end()
    assert code == 9 and "[y/N]" not in said and HINT in said


@pytest.mark.slow
def test_a_cascade_that_is_not_here_is_offered_where_it_is_asked(site: Site) -> None:
    shell = Shell(site, "ask", "-m", "net", "2+2")
    said = shell.hear(OFFERED)
    assert "not on this machine yet: net-xs, net-s, net-m" in said and "cascade net, " in said
    shell.child.sendline("y")
    shell.hear("XS · net-xs")
    assert shell.end()[0] == 0
    site.assert_pulled()
    # Its models came with the other cascade.
    code, said = Shell(site, "ask", "-m", "starter", "2+2").end()
    assert code == 0 and "[y/N]" not in said and "S · net-s" in said


@pytest.mark.slow
def test_no_to_a_cascade_that_is_not_here_is_a_missing_model(site: Site) -> None:
    shell = Shell(site, "ask", "-m", "net", "2+2")
    shell.hear(OFFERED)
    shell.child.sendline("")
    assert shell.end()[0] == 3


@pytest.mark.slow
def test_ctrl_c_stops_the_download_and_keeps_what_came(site: Site) -> None:
    site.hub.faults.bytes_per_s = 5e5
    shell = Shell(site, "ask", HAMLET)
    shell.hear(OFFERED)
    shell.child.sendline("y")
    shell.hear("pocket-s.gguf")
    shell.child.sendintr()
    code, said = shell.end()
    assert code == 130 and "`tierchat pull starter` continues from here" in said


@pytest.mark.slow
def test_a_download_that_fails_says_why(site: Site) -> None:
    site.hub.faults.refusal = (403, "")
    shell = Shell(site, "ask", HAMLET)
    shell.hear(OFFERED)
    shell.child.sendline("y")
    code, said = shell.end()
    assert code == 6 and "accept the licence" in said


@pytest.mark.slow
def test_models_that_are_here_are_named_and_not_fetched(site: Site) -> None:
    assert site.pull("starter", "-y").returncode == 0
    code, said = Shell(site, "ask", "-m", "pocket", HAMLET).end()
    assert code == 9 and "[y/N]" not in said
    assert "the models of starter are here: add -m starter" in said


def test_where_the_disk_has_no_room_nothing_is_offered(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shutil.disk_usage", lambda _: type("Usage", (), {"free": 1_000_000}))
    paths = site.home.paths
    for is_terminal in (False, True):
        stream = io.StringIO()
        monkeypatch.setattr(stream, "isatty", lambda is_terminal=is_terminal: is_terminal)
        monkeypatch.setattr(sys, "stdin", stream)
        output = Output(io.StringIO(), stream, {})
        offers = PullOffers(Home(paths, site.home.env), output)
        prompt = Prompt(messages=(Message(role="user", content=HAMLET),))
        assert not offers.will_ask(prompt)
        assert "do not fit: 1.0 MB free on disk" in offers.hint(prompt)


@pytest.fixture
def talk(site: Site) -> Iterator[Talk]:
    found = Talk(site.home, **site.env)
    yield found
    found.child.close(force=True)


@pytest.mark.slow
def test_a_chat_offers_once_and_goes_on_after_a_no(site: Site, talk: Talk) -> None:
    talk.say(HAMLET)
    talk.hear(r"\[y/N\]")
    talk.say("n")
    talk.hear("at any time")
    talk.say(HAMLET)
    talk.hear(r"run: tierchat pull starter")
    talk.say("2+2")
    talk.hear("pocket-xs")
    assert talk.leave() == 0 and not site.hub.seen


@pytest.mark.slow
def test_a_chat_fetches_and_goes_on_with_the_new_models(site: Site, talk: Talk) -> None:
    talk.say(HAMLET)
    talk.hear(r"\[y/N\]")
    talk.say("y")
    talk.hear("✓ net-s")
    talk.hear("net-s ·|net-m ·")
    talk.hear("✓ net-m|M is here")
    talk.hear("no tier could answer")
    talk.say("/model")
    talk.hear("starter: S → M")
    assert talk.leave() == 0
    site.assert_pulled("pocket-s.gguf", "pocket-m.gguf")


@pytest.mark.slow
@pytest.mark.real
def test_the_starter_cascade_answers_soon_on_an_ordinary_line(
    home: UserHome, tmp_path: Path, real_gguf: Callable[[str], Path]
) -> None:
    """At 50 Mbit/s the first answer comes within a minute, while the larger model arrives."""
    models = load_catalogue(home.paths).models
    for name, short in (("smollm2", "smollm2-135m"), ("coder-0.5b", "qwen2.5-coder-0.5b")):
        place = tmp_path / models[short].repo / Path(models[short].file).name
        place.parent.mkdir(parents=True)
        place.symlink_to(real_gguf(name))
    with running_hub(tmp_path) as hub:
        hub.takes_any_commit = hub.follows_links = True
        hub.faults.bytes_per_s = 50e6 / 8
        # At the publisher's temperature the larger model sometimes refuses to say who.
        shell = Shell(Site(home, hub), "ask", "-o", "temperature", "0", HAMLET)
        shell.hear(OFFERED)
        begun_s = time.monotonic()
        shell.child.sendline("y")
        shell.child.expect_exact("S · smollm2-135m", timeout=60)
        assert time.monotonic() - begun_s < 60
        assert hub.bytes_sent["qwen2.5-coder-0.5b-instruct-q4_k_m.gguf"] < 491_400_064
        hub.faults.bytes_per_s = None
        shell.child.expect_exact("M · qwen2.5-coder-0.5b", timeout=240)
        assert "Shakespeare" in bare(str(shell.child.before))
        assert shell.end()[0] == 0
