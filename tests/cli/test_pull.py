"""`tierchat pull` as a user runs it: real processes and kills, a real hub over HTTP, a real daemon.

The files are the bundled models, published once more as a cascade of another name.
"""

from __future__ import annotations

import contextlib
import json
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pexpect
import pytest

import tierchat
from tests.conftest import UserHome, wait_until
from tests.local_hub import COMMIT, LocalHub, running_hub
from tierchat.cli.main import main
from tierchat.terminal.units import size_text

REPO = "local/pocket-GGUF"
FOLDER = f"local--pocket-GGUF@{COMMIT[:12]}"
FILES = ("pocket-xs.gguf", "pocket-s.gguf", "pocket-m.gguf")
MODELS = Path(tierchat.__file__).parent / "pocket" / "models"
SIZES = {name: (MODELS / name).stat().st_size for name in FILES}
HARD = "What is 17*24?"
Run = Callable[..., "Said"]


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The hub's files: the bundled models, and one that is in no catalogue."""
    root = tmp_path_factory.mktemp("hub")
    (root / REPO).mkdir(parents=True)
    for name in FILES:
        shutil.copy(MODELS / name, root / REPO / name)
    shutil.copy(MODELS / FILES[0], root / REPO / "Tiny-Model.gguf")
    return root


@pytest.fixture
def hub(root: Path) -> Iterator[LocalHub]:
    with running_hub(root) as hub:
        yield hub


@dataclass
class Site:
    """A home whose catalogue knows the cascade `net`, and the hub that has its files."""

    home: UserHome
    hub: LocalHub

    @property
    def env(self) -> dict[str, str]:
        return {
            "HF_ENDPOINT": self.hub.endpoint,
            "HF_HUB_CACHE": str(self.home.directory / "hf-cache"),
            "HF_HUB_DISABLE_IMPLICIT_TOKEN": "1",
            "HF_TOKEN": "",
        }

    def run(self, *words: str, **env: str) -> subprocess.CompletedProcess[bytes]:
        return self.home.run(*words, env={**self.env, **env})

    def pull(self, *words: str, **env: str) -> subprocess.CompletedProcess[bytes]:
        return self.run("pull", *words, **env)

    def start(self, *words: str) -> subprocess.Popen[bytes]:
        """Start a pull and leave it running."""
        child = subprocess.Popen(
            self.home.command("pull", *words),
            env={**self.home.env, **self.env},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        self.home.children.append(child)
        return child

    def file(self, name: str) -> Path:
        return self.home.paths.models_dir / FOLDER / name

    def part(self, name: str) -> Path:
        return self.file(f"{name}.part")

    def num_arrived(self) -> int:
        """Count the bytes of the cascade that are on the disk, whole files and parts."""
        return sum(size_of(self.file(name)) or size_of(self.part(name)) for name in FILES)

    def assert_pulled(self, *names: str) -> None:
        for name in names or FILES:
            assert self.file(name).read_bytes() == (MODELS / name).read_bytes()
        left = [path.name for path in self.file("x").parent.iterdir()]
        assert sorted(left) == sorted(names or FILES)

    def tree(self) -> list[str]:
        return sorted(str(path) for path in self.home.directory.rglob("*"))


@pytest.fixture
def site(home: UserHome, hub: LocalHub) -> Site:
    write_net(home, hub)
    return Site(home, hub)


@dataclass(frozen=True)
class Said:
    """The exit code of a command, and what it wrote on both streams."""

    code: int
    out: str
    err: str


@pytest.fixture
def tierchat_here(
    site: Site, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Run:
    """Run a command in this process, for tests that need no process of their own."""
    for name, value in {**site.env, "TIERCHAT_HOME": str(site.home.directory)}.items():
        monkeypatch.setenv(name, value)

    def run(*words: str, **env: str) -> Said:
        for name, value in env.items():
            monkeypatch.setenv(name, value)
        code = main(words)
        out, err = capsys.readouterr()
        assert "a bug in tierchat" not in err and "\x1b" not in out + err
        return Said(code, out, err)

    return run


def write_net(home: UserHome, hub: LocalHub, **other: object) -> None:
    """Write the cascade `net`; `other` values replace those of its smallest model."""
    tables = []
    for tier, name in zip(("XS", "S", "M"), FILES, strict=True):
        model = {
            "repo": REPO,
            "revision": COMMIT,
            "file": name,
            "bytes": SIZES[name],
            "sha256": hub.sha256(MODELS / name),
            "max_context": 512,
            **(other if tier == "XS" else {}),
        }
        label = f"net-{tier.lower()}"
        keys = "".join(f"{key} = {json.dumps(value)}\n" for key, value in model.items())
        rung = f'name = "{tier}"\nmodel = "{label}"\ngate = "token"\n'
        tables.append(f"[models.{label}]\n{keys}[[cascades.net.tiers]]\n{rung}")
    home.paths.config_dir.mkdir(exist_ok=True)
    home.paths.models_file.write_text("".join(tables))


def size_of(path: Path) -> int:
    # It may be renamed at any moment.
    with contextlib.suppress(FileNotFoundError):
        return path.stat().st_size
    return 0


def text_of(found: subprocess.CompletedProcess[bytes]) -> str:
    """Return stderr, which never has a traceback."""
    said = found.stderr.decode()
    assert "Traceback" not in said and "a bug in tierchat" not in said
    return said


@contextlib.contextmanager
def small_disk(place: Path, size: str) -> Iterator[None]:
    """Mount a small disk at a path; skips the test where mounting is not allowed."""
    place.mkdir(parents=True)
    mount = ["mount", "-t", "tmpfs", "-o", f"size={size},mode=700", "tmpfs", str(place)]
    if sys.platform != "linux" or subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("cannot mount a small disk here")
    try:
        yield
    finally:
        subprocess.run(["umount", "-l", str(place)], check=True)


def test_a_cascade_is_pulled_smallest_first_and_answers_from_then_on(site: Site) -> None:
    found = site.pull("net", "-y")
    said = text_of(found)
    assert found.returncode == 0 and found.stdout == b""
    site.assert_pulled()
    places = [said.index(f"✓ net-{tier} ") for tier in ("xs", "s", "m")]
    assert places == sorted(places) and 'XS, S, M can answer: tierchat ask "2+2"' in said
    asked = [seen.path for seen in site.hub.seen if seen.server == "hub"]
    assert asked == [f"/{REPO}/resolve/{COMMIT}/{name}" for name in FILES]
    answer = site.run("ask", "--json", HARD)
    outcome = json.loads(answer.stdout)
    assert outcome["answer"] == "408" and outcome["model"].startswith("net-")


def test_what_is_here_is_not_asked_for_again(site: Site) -> None:
    assert site.pull("net", "-y").returncode == 0
    num_seen = len(site.hub.seen)
    again = site.pull("net")
    assert again.returncode == 0 and "XS, S, M can answer" in text_of(again)
    assert len(site.hub.seen) == num_seen and again.stdout == b""


@pytest.mark.slow
def test_ten_kills_at_random_points_cost_next_to_nothing(site: Site) -> None:
    random_ = random.Random(1702)
    total = sum(SIZES.values())
    site.hub.faults.bytes_per_s = 8e6
    for point in sorted(random_.randrange(total) for _ in range(10)):
        child = site.start("net", "-y")
        wait_until(lambda point=point: site.num_arrived() >= point)  # type: ignore[misc]
        time.sleep(random_.uniform(0, 0.03))
        child.kill()
        child.communicate()
        assert child.returncode == -signal.SIGKILL
    assert site.pull("net", "-y").returncode == 0
    for name in FILES:
        # A kill right after the last byte leaves the lock file; the kernel has released the lock.
        site.file(f"{name}.lock").unlink(missing_ok=True)
    site.assert_pulled()
    num_sent = sum(site.hub.bytes_sent.values())
    print(f"{num_sent - total:,} bytes were sent twice over ten kills")
    assert num_sent <= total + 10 * (1 << 20)


@pytest.mark.slow
def test_the_first_answer_comes_while_larger_tiers_arrive(site: Site) -> None:
    site.hub.faults.bytes_per_s = 4e5
    pull = site.start("net", "-y")
    wait_until(lambda: b"XS can answer" in (pull.stderr.readline() if pull.stderr else b""))
    answer = site.run("ask", "--json", "2+2")
    outcome = json.loads(answer.stdout)
    assert answer.returncode == 0
    assert (outcome["answer"], outcome["tier"], outcome["model"]) == ("4", "XS", "net-xs")
    harder = site.run("ask", HARD)
    assert harder.returncode == 8
    assert "S and M are not on this machine (run: tierchat pull net); XS answers" in text_of(harder)
    # What it is not made for it may get wrong, or say that it has nothing to say.
    assert harder.stdout.strip() or "XS gave an empty answer" in text_of(harder)
    assert pull.poll() is None and not site.file(FILES[2]).exists()
    # The rest arrives under the running daemon, and is used without a word to it.
    site.hub.faults.bytes_per_s = None
    pull.communicate(timeout=30)
    assert pull.returncode == 0
    site.assert_pulled()
    answer = site.run("ask", "--json", HARD)
    assert (answer.returncode, json.loads(answer.stdout)["answer"]) == (0, "408")


@pytest.mark.slow
def test_a_wrong_hash_is_refused_and_the_bytes_are_set_aside(site: Site) -> None:
    site.hub.faults.wrong_bytes = True
    found = site.pull("net", "-y")
    assert found.returncode == 1 and "is not the file that was published" in text_of(found)
    assert [path.name for path in site.file("x").parent.iterdir()] == [f"{FILES[0]}.wrong"]
    assert site.run("ask", "2+2").returncode == 0
    site.hub.faults.wrong_bytes = False
    assert site.pull("net", "-y").returncode == 0
    site.assert_pulled()


@pytest.mark.slow
def test_a_body_that_breaks_off_is_taken_up_again(site: Site) -> None:
    site.hub.faults.cuts = [500_000]
    found = site.pull("net-xs", "-y")
    assert found.returncode == 0 and "trying again in" in text_of(found)
    site.assert_pulled(FILES[0])
    assert site.hub.bytes_sent[FILES[0]] == SIZES[FILES[0]]


@pytest.mark.parametrize(
    ("status", "word", "token", "code", "said"),
    [
        (401, "GatedRepo", "", 6, "set HF_TOKEN to a token from"),
        (401, "", "hf_wrong", 6, "HF_TOKEN is refused"),
        (403, "GatedRepo", "hf_right", 6, "accept the licence"),
        (404, "EntryNotFound", "", 3, "has no pocket-xs.gguf"),
        (404, "RepoNotFound", "", 3, "has no repo local/pocket-GGUF"),
    ],
)
def test_a_refusal_of_the_hub_ends_at_once_and_tells_what_to_do(
    site: Site, tierchat_here: Run, status: int, word: str, token: str, code: int, said: str
) -> None:
    site.hub.faults.refusal = status, word
    found = tierchat_here("pull", "net", "-y", HF_TOKEN=token)
    assert found.code == code and said in found.err and found.out == ""
    assert len(site.hub.seen) == 1


@pytest.mark.slow
def test_a_hub_that_cannot_be_reached_is_given_up(site: Site) -> None:
    found = site.pull("net-xs", "-y", HF_ENDPOINT="http://127.0.0.1:1")
    assert found.returncode == 6
    assert text_of(found).count("trying again in") == 4 and "what has arrived is kept" in text_of(
        found
    )


def test_an_endpoint_that_is_no_address_is_a_mistake(tierchat_here: Run) -> None:
    found = tierchat_here("pull", "net-xs", "-y", HF_ENDPOINT="hub.example")
    assert found.code == 2 and "HF_ENDPOINT" in found.err


def test_the_token_goes_to_the_hub_alone(site: Site, root: Path) -> None:
    with running_hub(root) as other:
        site.hub.faults.redirect = f"{other.address('cdn')}/{REPO}/blob/{FILES[0]}"
        found = site.pull("net-xs", "-y", HF_TOKEN="hf_secret")
        assert found.returncode == 0 and "hf_secret" not in text_of(found)
        assert [seen.headers.get("authorization") for seen in site.hub.seen] == ["Bearer hf_secret"]
        assert [seen.headers.get("authorization") for seen in other.seen] == [None]
    site.assert_pulled(FILES[0])


def test_room_on_the_disk_is_counted_before_the_first_byte(site: Site) -> None:
    with small_disk(site.home.paths.data_dir, "70m"):
        found = site.pull("net", "-y")
        to_come = f"{sum(SIZES.values()):,} bytes (0.0 GB) are still to come"
        assert found.returncode == 4 and to_come in text_of(found)
        assert not site.hub.seen and not site.home.paths.models_dir.exists()


@pytest.mark.slow
def test_a_disk_that_fills_up_is_reported_and_the_next_pull_continues(site: Site) -> None:
    with small_disk(site.home.paths.data_dir, "100m"):
        site.hub.faults.bytes_per_s = 8e6
        pull = site.start("net", "-y")
        filler = site.home.paths.data_dir / "filler"
        wait_until(lambda: size_of(site.part(FILES[2])) > 0)
        fill(filler)
        _, said = pull.communicate(timeout=30)
        assert pull.returncode == 4 and b"is full or at a limit" in said
        assert site.file(FILES[1]).exists() and site.part(FILES[2]).exists()
        filler.unlink()
        assert site.pull("net", "-y").returncode == 0
        site.assert_pulled()
        assert site.hub.bytes_sent[FILES[2]] < SIZES[FILES[2]] + (4 << 20)
        site.run("stop")


def fill(filler: Path) -> None:
    with filler.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while True:
            file.write(bytes(1 << 16))


@pytest.mark.slow
def test_two_pulls_at_once_fetch_each_file_once(site: Site) -> None:
    site.hub.faults.bytes_per_s = 1e7
    pulls = [site.start("net", "-y", "--json") for _ in range(2)]
    ways = []
    for pull in pulls:
        found, _ = pull.communicate(timeout=40)
        assert pull.returncode == 0
        ways += [file["how"] for file in json.loads(found)["files"]]
    site.assert_pulled()
    assert dict(site.hub.bytes_sent) == SIZES
    assert ways.count("downloaded") == 3 and set(ways) <= {"downloaded", "shared", "present"}


def test_offline_nothing_is_asked_and_what_is_here_serves(site: Site, tierchat_here: Run) -> None:
    found = tierchat_here("pull", "net", "-y", "--offline")
    assert found.code == 6 and "offline, and pocket-xs.gguf is not here" in found.err
    assert not site.hub.seen
    assert tierchat_here("pull", "net", "-y").code == 0
    num_seen = len(site.hub.seen)
    assert tierchat_here("pull", "net", "--offline").code == 0
    assert len(site.hub.seen) == num_seen


def test_an_unknown_name_is_a_mistake(site: Site, tierchat_here: Run) -> None:
    found = tierchat_here("pull", "nett", "-y")
    assert found.code == 2 and "nett" in found.err and "net" in found.err
    assert not site.hub.seen


def test_without_anybody_to_answer_nothing_is_fetched(site: Site) -> None:
    for name in ("net", "net-xs", f"{REPO}:Tiny-Model.gguf"):
        found = site.pull(name)
        assert found.returncode == 2 and "-y answers yes" in text_of(found), name
        assert found.stdout == b""
    assert not site.hub.bytes_sent and not site.home.paths.models_dir.exists()


@pytest.mark.slow
def test_a_person_is_asked_once_and_may_say_no(site: Site) -> None:
    for word, code in (("n", 2), ("\x03", 130), ("y", 0)):
        child = pexpect.spawn(
            sys.executable,
            ["-m", "tierchat", "pull", "net"],
            env={**site.home.env, **site.env, "TERM": "xterm"},
            timeout=30,
            dimensions=(24, 120),
        )
        child.expect_exact(f"Fetch {size_text(sum(SIZES.values()))}? [Y/n]")
        assert not site.hub.bytes_sent
        child.sendline(word) if word.isalpha() else child.send(word)
        if code == 0:
            # What was fetched can teach itself, which is another question.
            child.expect_exact("at most 50% of the time, and stops when you do. [Y/n]")
            child.sendline("n")
        child.expect(pexpect.EOF)
        child.close()
        assert child.exitstatus == code, word
    site.assert_pulled()


def test_a_cascade_that_does_not_fit_is_refused_before_the_first_byte(
    site: Site, tierchat_here: Run
) -> None:
    write_net(site.home, site.hub, bytes=10**15)
    found = tierchat_here("pull", "net", "-y")
    assert found.code == 4 and "net does not fit this machine" in found.err
    assert not site.hub.seen and not site.home.paths.models_dir.exists()
    planned = json.loads(tierchat_here("pull", "net", "--plan", "--json").out)["files"][0]
    assert planned["fits"] is False and "net-xs" in str(planned["models"])


def test_an_interrupted_pull_goes_on_where_it_stopped(site: Site) -> None:
    site.hub.faults.bytes_per_s = 4e6
    pull = site.start("net", "-y")
    wait_until(lambda: size_of(site.part(FILES[1])) > 1_000_000)
    pull.send_signal(signal.SIGINT)
    found, said = pull.communicate(timeout=30)
    assert pull.returncode == 130 and found == b"" and b"Traceback" not in said
    kept = size_of(site.part(FILES[1]))
    assert kept > 1_000_000 and not site.file(f"{FILES[1]}.lock").exists()
    site.hub.faults.bytes_per_s = None
    again = site.pull("net", "-y")
    assert again.returncode == 0
    site.assert_pulled()
    assert f"{(SIZES[FILES[1]] - kept) / 1e6:.1f} MB" in text_of(again)


@pytest.mark.parametrize("name", ["net", "net-xs", f"{REPO}:Tiny-Model.gguf"])
def test_a_plan_fetches_nothing_and_changes_nothing(
    site: Site, tierchat_here: Run, name: str
) -> None:
    before = site.tree()
    found = tierchat_here("pull", name, "--plan")
    assert found.code == 0 and "to fetch" in found.out and found.err == ""
    as_json = tierchat_here("pull", name, "--plan", "--json")
    assert as_json.code == 0 and len(as_json.out.splitlines()) == 1
    assert json.loads(as_json.out)["files"][0]["bytes_to_fetch"] >= SIZES[FILES[0]]
    assert site.tree() == before and not site.hub.bytes_sent


@pytest.mark.slow
def test_json_is_one_line_and_all_else_goes_to_stderr(site: Site) -> None:
    found = site.pull("net", "-y", "--json")
    assert len(found.stdout.splitlines()) == 1
    files = json.loads(found.stdout)["files"]
    assert [file["model"] for file in files] == ["net-xs", "net-s", "net-m"]
    assert {file["how"] for file in files} == {"downloaded"}
    assert [file["bytes"] for file in files] == list(SIZES.values())
    assert "cascade net" in text_of(found) and "✓ net-m 12 MB" in text_of(found)
    quiet = site.pull("net", "-y", "-q")
    assert (quiet.returncode, quiet.stdout, quiet.stderr) == (0, b"", b"")


def test_a_file_that_is_here_already_is_taken(site: Site) -> None:
    found = site.pull("net-m", "--from", str(MODELS / FILES[2]), HF_ENDPOINT="http://127.0.0.1:1")
    assert found.returncode == 0 and "taken from this machine, sha256 right" in text_of(found)
    assert not site.hub.seen
    site.assert_pulled(FILES[2])


def test_a_wrong_file_is_not_taken(site: Site, tierchat_here: Run) -> None:
    source = str(MODELS / FILES[0])
    for words, code in (
        (("net-m", "--from", source), 1),
        (("net-m", "--from", "/nowhere/x.gguf"), 3),
        (("net", "--from", source), 2),
        (("--from", source), 2),
    ):
        found = tierchat_here("pull", *words)
        assert found.code == code and found.err and not found.out, words
    assert not list(site.home.paths.models_dir.rglob("*.gguf*")) and not site.hub.seen


def test_the_hugging_face_cache_is_used(site: Site) -> None:
    cache = Path(site.env["HF_HUB_CACHE"]) / f"models--{REPO.replace('/', '--')}"
    (cache / "blobs").mkdir(parents=True)
    for name in FILES:
        shutil.copy(MODELS / name, cache / "blobs" / site.hub.sha256(MODELS / name))
    found = site.pull("net", "-y", "--json", "--offline")
    assert {file["how"] for file in json.loads(found.stdout)["files"]} == {"adopted"}
    assert found.returncode == 0 and not site.hub.seen
    site.assert_pulled()


@pytest.mark.slow
def test_any_file_of_the_hub_can_be_pulled_and_asked(site: Site) -> None:
    found = site.pull(f"{REPO}:Tiny-Model.gguf", "-y")
    assert found.returncode == 0 and "`tierchat ask -m tiny-model` asks it" in text_of(found)
    assert found.stdout == b""
    answer = site.run("ask", "-m", "tiny-model", "2+2")
    assert (answer.returncode, answer.stdout) == (0, b"4\n")
    shown = json.loads(site.run("show", "tiny-model", "--json").stdout)
    assert (shown["repo"], shown["revision"]) == (REPO, COMMIT)


def test_a_name_that_is_taken_is_refused_before_the_first_byte(
    site: Site, tierchat_here: Run
) -> None:
    # The bundled model of this name is not to be hidden by another file.
    found = tierchat_here("pull", f"{REPO}:{FILES[0]}", "-y")
    assert found.code == 2 and "there is a model named pocket-xs already" in found.err
    assert not site.hub.bytes_sent


@pytest.mark.parametrize(
    "name",
    [
        *("../../x.gguf", "..\\..\\x.gguf", "/etc/x.gguf", "a/../x.gguf", "CON.gguf"),
        *("x" * 300 + ".gguf", "x\x1b[2J.gguf", "x.txt", "x.gguf\n"),
    ],
)
def test_a_file_name_that_could_do_harm_is_refused_before_any_write(
    site: Site, tierchat_here: Run, name: str
) -> None:
    assert tierchat_here("pull", f"{REPO}:{name}", "-y").code == 2
    write_net(site.home, site.hub, file=name)
    for words in (("net", "-y"), ("net-xs", "-y"), ("net", "--plan")):
        found = tierchat_here("pull", *words)
        assert found.code == 2 and "refusing the file name" in found.err, words
    assert not site.hub.seen and not site.home.paths.models_dir.exists()
    assert not list(site.home.directory.rglob("*.gguf*"))


def test_a_home_in_a_repo_is_a_folder_like_any_other(site: Site, tierchat_here: Run) -> None:
    write_net(site.home, site.hub, file="~/x.gguf")
    shown = json.loads(tierchat_here("show", "net-xs", "--json").out)
    assert shown["file"] == str(site.file("~/x.gguf"))


@pytest.mark.parametrize("other", [{"repo": "../.."}, {"revision": ".."}, {"repo": "a--b/c"}])
def test_a_repo_that_could_do_harm_is_refused(
    site: Site, tierchat_here: Run, other: dict[str, str]
) -> None:
    write_net(site.home, site.hub, **other)
    found = tierchat_here("pull", "net", "-y")
    assert found.code == 2 and "refusing the re" in found.err
    assert not site.hub.seen and not site.home.paths.models_dir.exists()


def test_settings_that_name_another_cascade_are_mentioned(tierchat_here: Run) -> None:
    found = tierchat_here("pull", "net", "-y", TIERCHAT_CASCADE="pocket")
    assert found.code == 0 and "your settings say cascade = pocket" in found.err


@pytest.mark.slow
def test_a_daemon_that_runs_learns_of_the_new_default(site: Site) -> None:
    assert site.run("daemon", "up").returncode == 0
    assert site.pull("net", "-y").returncode == 0
    answer = json.loads(site.run("ask", "--json", "2+2").stdout)
    assert answer["model"] == "net-xs"
    status = site.home.client.status()
    assert status and {w.model for w in status.workers if "M" in w.tiers} == {"net-m"}


def test_what_fits_best_is_proposed_where_nothing_is_named(site: Site, tierchat_here: Run) -> None:
    found = tierchat_here("pull", "--plan")
    assert found.code == 0 and "the largest cascade of the default family that fits" in found.err
    assert found.out.startswith(f"cascade {found.err.split()[-1]}:")
    assert not site.hub.seen


@pytest.mark.slow
def test_a_file_that_two_names_stand_on_is_kept_for_the_other(site: Site) -> None:
    assert site.pull("net", "-y").returncode == 0
    path = site.file(FILES[1])
    assert site.run("add", "-y", "twin", f"{REPO}:{FILES[1]}").returncode == 0
    assert site.run("rm", "twin", "-y").returncode == 0
    assert path.exists()


@pytest.mark.slow
def test_a_damaged_file_is_pulled_again_with_its_cascade(site: Site) -> None:
    assert site.pull("net", "-y").returncode == 0
    site.file(FILES[2]).write_bytes(b"garbage")
    listed = site.run("ls").stdout.decode()
    assert any("net-m" in line and "damaged" in line for line in listed.splitlines())
    assert site.pull("net", "-y").returncode == 0
    assert site.file(FILES[2]).stat().st_size == (MODELS / FILES[2]).stat().st_size
