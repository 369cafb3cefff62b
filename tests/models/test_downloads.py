"""Downloads from a hub that breaks off, lies, refuses and redirects, with real files and kills."""

from __future__ import annotations

import contextlib
import hashlib
import os
import random
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

import httpx
import pytest

from tests.local_hub import COMMIT, LocalHub, running_hub
from tierchat.errors import DoesNotFit, ModelCorrupt, ModelMissing, NetworkError, UsageError
from tierchat.models.hub.connections import _redirected
from tierchat.models.hub.downloads import Downloader
from tierchat.models.hub.names import HubFile, validate_file_name, validate_repo, validate_revision
from tierchat.models.verified_files import VerifiedFiles

REPO = "pocket/models"
LARGE, SMALL = "pocket-m.gguf", "pocket-xs.gguf"
CHUNK_BYTES = 1 << 20
# Fetches one file as a command would: endpoint, target, size, sha256, memory of hashes.
CHILD = """
import sys
from pathlib import Path
from tierchat.models.hub.downloads import Downloader
from tierchat.errors import TierchatError
from tierchat.models.hub.names import HubFile
from tierchat.models.verified_files import VerifiedFiles
endpoint, target, size_bytes, sha256, memory = sys.argv[1:6]
for limit in sys.argv[6:]:
    import resource
    resource.setrlimit(resource.RLIMIT_FSIZE, (int(limit), int(limit)))
downloader = Downloader(
    env={"HF_ENDPOINT": endpoint, "HF_TOKEN": "t", "HF_HUB_CACHE": "/nowhere"},
    verified=VerifiedFiles(Path(memory)),
    on_note=lambda note: print("note:", note, flush=True),
)
target = Path(target)
file = HubFile("pocket/models", "main", target.name, target, int(size_bytes), sha256)
try:
    print(downloader.fetch(file).how)
except TierchatError as error:
    print(type(error).__name__, error.message)
    sys.exit(error.exit_code)
"""


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The files of the hub: the bundled models and other files in the repo."""
    import tierchat

    root = tmp_path_factory.mktemp("hub")
    models = Path(tierchat.__file__).parent / "pocket" / "models"
    shutil.copytree(models, root / REPO)
    (root / REPO / "Q4").mkdir()
    shutil.copy(models / SMALL, root / REPO / "Q4" / "part one.gguf")
    return root


@pytest.fixture
def hub(root: Path) -> Iterator[LocalHub]:
    with running_hub(root) as hub:
        yield hub


@dataclass
class Desk:
    """Makes downloaders, and keeps their notes, waits and files."""

    hub: LocalHub
    home: Path
    notes: list[str] = field(default_factory=list)
    waits_s: list[float] = field(default_factory=list)
    progress: list[tuple[int, int]] = field(default_factory=list)
    checks: list[tuple[int, int]] = field(default_factory=list)

    @property
    def cache(self) -> Path:
        return self.home / "hf-cache"

    def downloader(self, is_offline: bool = False, **env: str) -> Downloader:
        endpoint = {"HF_ENDPOINT": self.hub.endpoint, "HF_HUB_CACHE": str(self.cache)}
        return Downloader(
            env={**endpoint, "HF_HUB_DISABLE_IMPLICIT_TOKEN": "1", **env},
            verified=VerifiedFiles(self.home / "verified.json"),
            is_offline=is_offline,
            on_progress=lambda file, done, total: self.progress.append((done, total)),
            on_check=lambda file, done, total: self.checks.append((done, total)),
            on_note=self.notes.append,
            sleep=self.waits_s.append,
        )

    def file(self, name: str = SMALL) -> HubFile:
        path = self.hub.root / REPO / name
        target = self.home / "models" / name
        return HubFile(REPO, "main", name, target, path.stat().st_size, self.hub.sha256(path))

    def published(self, file: HubFile) -> bytes:
        return (self.hub.root / REPO / file.file).read_bytes()

    def child(self, file: HubFile, *more: str) -> subprocess.Popen[str]:
        words = [self.hub.endpoint, str(file.target), str(file.size_bytes), file.sha256 or ""]
        command = [sys.executable, "-c", CHILD, *words, str(self.home / "verified.json"), *more]
        return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)

    def assert_fetched(self, file: HubFile) -> None:
        assert file.target.read_bytes() == self.published(file)
        beside = {path.name for path in file.target.parent.iterdir() if path.is_file()}
        assert not beside & {file.target.name + end for end in (".part", ".lock", ".wrong")}


@pytest.fixture
def desk(hub: LocalHub, tmp_path: Path) -> Desk:
    return Desk(hub, tmp_path)


def part_of(file: HubFile) -> Path:
    return file.target.with_name(file.target.name + ".part")


def leave_part(file: HubFile, data: bytes) -> None:
    file.target.parent.mkdir(parents=True)
    part_of(file).write_bytes(data)


def test_a_file_is_downloaded_once_and_lies_there_for_us_alone(desk: Desk) -> None:
    file = desk.file("Q4/part one.gguf")
    fetched = desk.downloader().fetch(file)
    assert (fetched.how, fetched.num_bytes) == ("downloaded", file.size_bytes)
    desk.assert_fetched(file)
    assert file.target.stat().st_mode & 0o777 == 0o600
    assert file.target.parent.stat().st_mode & 0o777 == 0o700
    assert desk.progress[-1] == (file.size_bytes, file.size_bytes)
    num_seen = len(desk.hub.seen)
    again = desk.downloader().fetch(file)
    assert (again.how, again.num_bytes) == ("present", 0)
    # The hash is known from the download.
    assert len(desk.hub.seen) == num_seen and not desk.checks


def test_progress_is_told_about_ten_times_a_second(desk: Desk) -> None:
    desk.hub.faults.bytes_per_s = 2e6
    begun_s = time.monotonic()
    desk.downloader().fetch(desk.file())
    assert 3 <= len(desk.progress) <= 2 + 10 * (time.monotonic() - begun_s)
    assert desk.progress == sorted(desk.progress)


def test_a_file_cut_short_goes_on_where_it_ended(desk: Desk) -> None:
    desk.hub.faults.cuts = [50_000, 150_000, 0, 250_000]
    fetched = desk.downloader().fetch(desk.file())
    desk.assert_fetched(desk.file())
    assert desk.hub.bytes_sent[SMALL] == fetched.num_bytes == desk.file().size_bytes
    ranges = [seen.headers.get("range") for seen in desk.hub.seen if seen.server == "cdn"]
    offsets = [50_000, 200_000, 200_000, 450_000]
    assert ranges == [None, *(f"bytes={offset}-" for offset in offsets)]
    # The third wait is longer, because no byte had arrived.
    assert len(desk.waits_s) == 4 and max(desk.waits_s[0], desk.waits_s[1]) <= 1.5
    assert "trying again" in desk.notes[0]


def test_a_hub_that_sends_nothing_is_given_up_and_the_next_run_goes_on(desk: Desk) -> None:
    file = desk.file()
    desk.hub.faults.cuts = [400_000] + [0] * 10
    with pytest.raises(NetworkError) as caught:
        desk.downloader().fetch(file)
    assert caught.value.exit_code == 6 and "kept" in caught.value.hint
    assert len(desk.waits_s) == 4 and desk.waits_s[3] > desk.waits_s[0]
    assert part_of(file).stat().st_size == 400_000
    desk.hub.faults.cuts = []
    fetched = desk.downloader().fetch(file)
    assert fetched.num_bytes == file.size_bytes - 400_000
    assert desk.checks[-1] == (400_000, 400_000)
    desk.assert_fetched(file)


@pytest.mark.slow
def test_ten_kills_lose_less_than_a_chunk_each(desk: Desk) -> None:
    file = desk.file(LARGE)
    desk.hub.faults.bytes_per_s = 8e6
    rng = random.Random(7)
    kills = sorted(rng.randrange(file.size_bytes) for _ in range(10))
    for kill_at in kills:
        child = desk.child(file)
        while not part_of(file).exists() or part_of(file).stat().st_size < kill_at:
            assert child.poll() is None, child.communicate()
            time.sleep(0.001)
        child.send_signal(signal.SIGKILL)
        child.communicate()
    assert not file.target.exists()
    desk.hub.faults.bytes_per_s = None
    child = desk.child(file)
    assert child.communicate()[0].split()[-1] == "downloaded"
    desk.assert_fetched(file)
    lost_bytes = desk.hub.bytes_sent[LARGE] - file.size_bytes
    print(f"{lost_bytes:,} of {file.size_bytes:,} bytes came twice after {len(kills)} kills")
    assert lost_bytes <= len(kills) * CHUNK_BYTES


def test_ctrl_c_leaves_what_has_arrived_and_no_lock(desk: Desk) -> None:
    file = desk.file(LARGE)
    desk.hub.faults.bytes_per_s = 4e6
    child = desk.child(file)
    while not part_of(file).exists() or part_of(file).stat().st_size < 2_000_000:
        time.sleep(0.01)
    child.send_signal(signal.SIGINT)
    child.communicate(timeout=10)
    assert part_of(file).stat().st_size >= 2_000_000
    assert [path.name for path in file.target.parent.iterdir()] == [part_of(file).name]


def test_wrong_bytes_are_set_aside_and_never_become_the_model(desk: Desk) -> None:
    file = desk.file()
    desk.hub.faults.wrong_bytes = True
    with pytest.raises(ModelCorrupt) as caught:
        desk.downloader().fetch(file)
    wrong = file.target.with_name(file.target.name + ".wrong")
    assert not file.target.exists() and not part_of(file).exists()
    found = hashlib.sha256(wrong.read_bytes()).hexdigest()
    assert found in caught.value.message and (file.sha256 or "?") in caught.value.message
    assert str(wrong) in caught.value.hint
    desk.hub.faults.wrong_bytes = False
    desk.downloader().fetch(file)
    desk.assert_fetched(file)


@pytest.mark.parametrize("is_chunked", [False, True])
def test_a_body_that_is_too_long_is_refused(desk: Desk, is_chunked: bool) -> None:
    desk.hub.faults.extra_bytes = 100_000
    desk.hub.faults.is_chunked = is_chunked
    file = desk.file()
    with pytest.raises(ModelCorrupt, match="published"):
        desk.downloader().fetch(file)
    assert not file.target.exists()
    # If the hub announced the length, no byte was written, and nothing is left to continue.
    assert is_chunked or not part_of(file).exists()


def test_a_login_page_in_place_of_the_file_costs_nothing_of_the_part(desk: Desk) -> None:
    file = desk.file(LARGE)
    leave_part(file, desk.published(file)[:500_000])
    (desk.hub.root / REPO / "page.gguf").write_bytes(b"<html>please log in</html>")
    desk.hub.faults.redirect = f"{desk.hub.address('cdn')}/{REPO}/blob/page.gguf"
    desk.hub.faults.ignores_range = True
    with pytest.raises(ModelCorrupt, match="announces 26 bytes"):
        desk.downloader().fetch(file)
    (desk.hub.root / REPO / "page.gguf").unlink()
    assert part_of(file).stat().st_size == 500_000


@pytest.mark.parametrize("is_chunked", [False, True])
def test_a_hub_without_ranges_makes_us_begin_again(desk: Desk, is_chunked: bool) -> None:
    file = desk.file()
    leave_part(file, b"x" * 1000)
    desk.hub.faults.ignores_range = True
    desk.hub.faults.is_chunked = is_chunked
    assert desk.downloader().fetch(file).num_bytes == file.size_bytes
    desk.assert_fetched(file)


def test_another_range_than_the_one_asked_for_is_not_written(desk: Desk) -> None:
    file = desk.file()
    leave_part(file, desk.published(file)[:1000])
    desk.hub.faults.wrong_range = True
    assert desk.downloader().fetch(file).num_bytes == file.size_bytes
    desk.assert_fetched(file)


def test_a_part_that_is_whole_needs_no_network(desk: Desk) -> None:
    file = desk.file()
    leave_part(file, desk.published(file))
    assert desk.downloader().fetch(file).num_bytes == 0
    desk.assert_fetched(file)
    assert not desk.hub.seen


def test_a_part_longer_than_the_file_is_dropped(desk: Desk) -> None:
    file = desk.file()
    leave_part(file, desk.published(file) + b"more")
    assert desk.downloader().fetch(file).num_bytes == file.size_bytes
    desk.assert_fetched(file)


def test_a_range_that_cannot_be_had_makes_us_begin_again_once(desk: Desk) -> None:
    # The file on the hub is now shorter than the part that is here.
    file = replace(desk.file(LARGE), file=SMALL)
    leave_part(file, desk.published(file) + b"more")
    with pytest.raises(ModelCorrupt, match="announces"):
        desk.downloader().fetch(file)
    ranges = [seen.headers.get("range") for seen in desk.hub.seen if seen.server == "cdn"]
    assert ranges == [f"bytes={desk.file().size_bytes + 4}-", None]
    desk.hub.faults.cdn_status = 416
    with pytest.raises(NetworkError):
        desk.downloader().fetch(file)


@pytest.mark.parametrize(
    ("refusal", "kind", "said"),
    [
        ((401, ""), NetworkError, "HF_TOKEN"),
        ((401, "RepoNotFound"), NetworkError, "HF_TOKEN"),
        ((403, "GatedRepo"), NetworkError, "accept the licence at http"),
        ((404, "EntryNotFound"), ModelMissing, SMALL),
        ((404, "RepoNotFound"), ModelMissing, "repo pocket/models"),
        ((404, "RevisionNotFound"), ModelMissing, "revision main"),
        ((410, ""), NetworkError, "410"),
    ],
)
def test_a_refusal_is_not_retried_and_says_what_to_do(
    desk: Desk, refusal: tuple[int, str], kind: type[NetworkError], said: str
) -> None:
    desk.hub.faults.refusal = refusal
    acts = [
        lambda: desk.downloader().fetch(desk.file()),
        lambda: desk.downloader().describe(REPO, "main", SMALL),
    ]
    for act in acts:
        num_seen = len(desk.hub.seen)
        with pytest.raises(kind) as caught:
            act()
        assert caught.value.exit_code == {NetworkError: 6, ModelMissing: 3}[kind]
        assert said in caught.value.message + caught.value.hint
        assert len(desk.hub.seen) == num_seen + 1 and not desk.waits_s


def test_a_refusal_by_the_cdn_does_not_blame_the_token(desk: Desk) -> None:
    desk.hub.faults.cdn_status = 403
    with pytest.raises(NetworkError) as caught:
        desk.downloader().fetch(desk.file())
    assert "HF_TOKEN" not in caught.value.message + caught.value.hint and not desk.waits_s


def test_a_hub_in_trouble_is_asked_again_as_late_as_it_wants(desk: Desk) -> None:
    desk.hub.faults.hiccups = [500, 503, 429]
    desk.hub.faults.retry_after = "17"
    desk.downloader().fetch(desk.file())
    desk.assert_fetched(desk.file())
    assert desk.waits_s == [17, 17, 17]
    desk.hub.faults.hiccups = [502]
    assert desk.downloader().describe(REPO, "main", SMALL).sha256 == desk.file().sha256
    desk.hub.faults.hiccups = [429]
    desk.hub.faults.retry_after = "3600"
    with pytest.raises(NetworkError, match="429"):
        desk.downloader().list_files(REPO)


def test_a_hub_that_is_not_there_is_a_network_error(desk: Desk) -> None:
    gone = desk.downloader(HF_ENDPOINT="http://127.0.0.1:9")
    with pytest.raises(NetworkError) as caught:
        gone.fetch(desk.file())
    assert caught.value.__cause__ is not None and len(desk.waits_s) == 4
    with pytest.raises(NetworkError, match="cannot reach"):
        gone.describe(REPO, "main", SMALL)
    with pytest.raises(UsageError, match="HF_ENDPOINT"):
        desk.downloader(HF_ENDPOINT="file:///etc")


def test_the_token_goes_to_the_hub_and_nowhere_else(desk: Desk) -> None:
    downloader = desk.downloader(HF_TOKEN="hf_secret")
    downloader.describe(REPO, "main", SMALL)
    downloader.list_files(REPO)
    downloader.fetch(desk.file())
    for seen in desk.hub.seen:
        assert (seen.headers.get("authorization") == "Bearer hf_secret") == (seen.server == "hub")
    assert {seen.server for seen in desk.hub.seen} == {"hub", "cdn"}


def test_a_host_that_sends_us_back_does_not_get_the_token_out_again(
    desk: Desk, tmp_path: Path
) -> None:
    with running_hub(desk.hub.root) as other:
        desk.hub.faults.redirect = f"{other.endpoint}/{REPO}/resolve/main/{SMALL}"
        other.faults.redirect = f"{desk.hub.endpoint}/other/place/resolve/main/{SMALL}"
        with pytest.raises(ModelMissing):
            desk.downloader(HF_TOKEN="hf_secret").fetch(desk.file())
        tokens = [seen.headers.get("authorization") for seen in desk.hub.seen + other.seen]
    assert tokens == ["Bearer hf_secret", None, None]


@pytest.mark.parametrize("place", ["file:///etc/passwd", "ftp://x/y", "http://", "/a/b/resolve/c"])
def test_only_web_addresses_are_followed(desk: Desk, place: str) -> None:
    desk.hub.faults.redirect = place
    with pytest.raises((NetworkError, ModelMissing)):
        desk.downloader().fetch(desk.file())
    assert not desk.file().target.exists()


def test_https_is_never_left_for_http() -> None:
    with pytest.raises(NetworkError, match="from https to http"):
        _redirected(httpx.URL("https://hub.example/a"), "http://hub.example/a")
    assert str(_redirected(httpx.URL("http://hub.example/a"), "/b")) == "http://hub.example/b"


def test_redirects_in_a_circle_end(desk: Desk) -> None:
    desk.hub.faults.redirect = f"/{REPO}/resolve/main/{SMALL}"
    with pytest.raises(NetworkError, match="redirects more than 5 times"):
        desk.downloader().fetch(desk.file())
    assert len(desk.hub.seen) == 6


def test_a_disk_too_small_is_said_before_the_first_byte(desk: Desk) -> None:
    huge = replace(desk.file(), size_bytes=10**18)
    for act in (
        lambda: desk.downloader().fetch(huge),
        lambda: desk.downloader().check_disk_space([desk.file(LARGE), huge]),
    ):
        with pytest.raises(DoesNotFit, match=r"1,000,000,0.* are still to come") as caught:
            act()
        assert "are free" in caught.value.message and caught.value.exit_code == 4
    assert not desk.hub.seen
    desk.downloader().check_disk_space([desk.file(), desk.file(LARGE)])


def test_what_is_here_needs_no_room(desk: Desk) -> None:
    whole = replace(desk.file(), size_bytes=10**18)
    leave_part(whole, b"")
    os.truncate(part_of(whole), 10**12)
    with pytest.raises(DoesNotFit, match="999,999,000,000,000,000 bytes"):
        desk.downloader().check_disk_space([whole])


def test_a_disk_that_fills_up_keeps_what_has_arrived(desk: Desk, tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=84m", "tmpfs", str(disk)]
    if subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("cannot mount a small disk here")
    try:
        file = replace(desk.file(LARGE), target=disk / "models" / LARGE)
        desk.hub.faults.bytes_per_s = 20e6
        downloader = desk.downloader()
        filler = threading.Thread(target=fill, args=(disk / "filler", part_of(file)))
        filler.start()
        with pytest.raises(DoesNotFit, match="full or at a limit") as caught:
            downloader.fetch(file)
        filler.join()
        assert "needs" in caught.value.message and "are free" in caught.value.message
        kept_bytes = part_of(file).stat().st_size
        assert kept_bytes > 0
        (disk / "filler").unlink()
        assert desk.downloader().fetch(file).num_bytes == file.size_bytes - kept_bytes
        desk.assert_fetched(file)
    finally:
        subprocess.run(["umount", "-l", str(disk)], check=True)


def fill(filler: Path, part: Path) -> None:
    """Fill the disk once a download has begun."""
    while not part.exists() or not part.stat().st_size:
        time.sleep(0.01)
    with filler.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while True:
            file.write(bytes(1 << 20))


def test_a_limit_on_file_size_is_a_full_disk(desk: Desk) -> None:
    file = desk.file(LARGE)
    child = desk.child(file, str(3 << 20))
    said, _ = child.communicate(timeout=30)
    assert child.returncode == 4 and "8,723,232 bytes" in said and "DoesNotFit" in said
    assert part_of(file).stat().st_size == 3 << 20
    assert desk.downloader().fetch(file).num_bytes == file.size_bytes - (3 << 20)
    desk.assert_fetched(file)


@pytest.mark.slow
def test_two_processes_share_one_download(desk: Desk) -> None:
    file = desk.file(LARGE)
    desk.hub.faults.bytes_per_s = 8e6
    children = [desk.child(file) for _ in range(3)]
    said = [child.communicate(timeout=30)[0] for child in children]
    assert sorted(text.split()[-1] for text in said) == ["downloaded", "shared", "shared"]
    assert sum("another tierchat is fetching" in text for text in said) == 2
    desk.assert_fetched(file)
    assert desk.hub.bytes_sent[LARGE] == file.size_bytes


@pytest.mark.slow
def test_who_waits_takes_over_from_one_that_is_killed(desk: Desk) -> None:
    file = desk.file(LARGE)
    desk.hub.faults.bytes_per_s = 6e6
    first = desk.child(file)
    while not part_of(file).exists() or part_of(file).stat().st_size < 1_000_000:
        time.sleep(0.01)
    second = desk.child(file)
    assert second.stdout and "another tierchat" in second.stdout.readline()
    first.kill()
    first.communicate()
    assert second.communicate(timeout=30)[0].split()[-1] == "downloaded"
    desk.assert_fetched(file)


def test_offline_nothing_is_asked(desk: Desk) -> None:
    for downloader in (desk.downloader(is_offline=True), desk.downloader(HF_HUB_OFFLINE="1")):
        for act in (
            partial(downloader.fetch, desk.file()),
            partial(downloader.describe, REPO, "main", SMALL),
            partial(downloader.list_files, REPO),
        ):
            with pytest.raises(NetworkError, match=r"offline, and .* is not here"):
                act()
    assert not desk.file().target.parent.exists()
    desk.downloader().fetch(desk.file())
    num_seen = len(desk.hub.seen)
    assert desk.downloader(is_offline=True).fetch(desk.file()).how == "present"
    assert len(desk.hub.seen) == num_seen


@pytest.mark.parametrize("damage", ["shorter", "other bytes"])
def test_a_damaged_file_is_fetched_again(desk: Desk, damage: str) -> None:
    file = desk.file()
    data = desk.published(file)
    file.target.parent.mkdir()
    file.target.write_bytes(data[:-1] if damage == "shorter" else data[:-1] + b"\xfe")
    assert desk.downloader().fetch(file).how == "downloaded"
    desk.assert_fetched(file)
    assert "published" in desk.notes[0]


def fill_cache(desk: Desk, file: HubFile, data: bytes, commit: str = COMMIT) -> Path:
    """Put a file into the Hugging Face cache as its own library does."""
    repo = desk.cache / "models--pocket--models"
    blob = repo / "blobs" / (file.sha256 or "?")
    snapshot = repo / "snapshots" / commit / file.file
    for path in (blob, snapshot, repo / "refs" / "main"):
        path.parent.mkdir(parents=True, exist_ok=True)
    blob.write_bytes(data)
    snapshot.symlink_to(blob)
    (repo / "refs" / "main").write_text(commit)
    return blob


def test_a_file_in_the_hugging_face_cache_is_linked(desk: Desk) -> None:
    file = desk.file()
    blob = fill_cache(desk, file, desk.published(file))
    assert desk.downloader(is_offline=True).fetch(file).how == "adopted"
    assert file.target.samefile(blob) and not file.target.is_symlink()
    assert [path.name for path in file.target.parent.iterdir()] == [file.target.name]
    checked = len(desk.checks)
    assert checked and desk.downloader().fetch(file).how == "present"
    assert not desk.hub.seen and len(desk.checks) == checked


def test_a_cached_file_of_another_commit_is_known_by_its_hash(desk: Desk) -> None:
    file = replace(desk.file(), revision="f" * 40)
    fill_cache(desk, file, desk.published(file))
    huge = replace(file, size_bytes=10**18)
    desk.downloader().check_disk_space([huge])
    assert desk.downloader(is_offline=True).fetch(file).how == "adopted"


def test_a_damaged_cache_is_left_alone(desk: Desk) -> None:
    file = desk.file()
    data = desk.published(file)[:-1] + b"\xfe"
    blob = fill_cache(desk, file, data)
    assert desk.downloader().fetch(file).how == "downloaded"
    desk.assert_fetched(file)
    assert blob.read_bytes() == data
    assert "Hugging Face cache" in desk.notes[0]


def test_a_file_of_another_program_is_adopted_across_disks(desk: Desk) -> None:
    shm = Path("/dev/shm")
    if not os.access(shm, os.W_OK) or shm.stat().st_dev == desk.home.stat().st_dev:
        pytest.skip("no second file system here")
    file = desk.file()
    source = shm / f"tierchat-test-{os.getpid()}.gguf"
    source.write_bytes(desk.published(file))
    try:
        desk.downloader().adopt(file, source)
        assert file.target.is_symlink() and file.target.read_bytes() == desk.published(file)
        with pytest.raises(ModelCorrupt):
            desk.downloader().adopt(desk.file(LARGE), source)
    finally:
        source.unlink()
    # The target of the link is gone, so the file is fetched and replaces the link.
    assert desk.downloader().fetch(file).how == "downloaded"
    assert not file.target.is_symlink()


def test_a_file_outside_the_catalogue_is_described_first(desk: Desk) -> None:
    file = desk.file()
    found = desk.downloader().describe(REPO, "main", SMALL)
    assert (found.size_bytes, found.sha256) == (file.size_bytes, file.sha256)
    assert found.commit == COMMIT
    unknown = replace(file, size_bytes=None, sha256=None)
    desk.hub.faults.wrong_bytes = True
    with pytest.raises(ModelCorrupt):
        desk.downloader().fetch(unknown)
    desk.hub.faults.wrong_bytes = False
    assert desk.downloader().fetch(unknown).how == "downloaded"


def test_a_listing_names_ggufs_and_leaves_hostile_ones_out(desk: Desk) -> None:
    desk.hub.faults.extra_names = ["../../x.gguf", "CON.gguf", "a\nb.gguf", "README.md"]
    assert desk.downloader().list_files(REPO) == [
        "Q4/part one.gguf",
        "pocket-m.gguf",
        "pocket-s.gguf",
        "pocket-xs.gguf",
    ]
    assert len(desk.notes) == 3 and not any("\n" in note for note in desk.notes)
    with pytest.raises(ModelMissing, match="repo no/such"):
        desk.downloader().list_files("no/such")
    with pytest.raises(ModelMissing, match="revision v9"):
        desk.downloader().list_files(REPO, "v9")


def test_a_hub_of_another_kind_is_a_network_error(desk: Desk) -> None:
    desk.hub.faults.extra_names = [None]  # type: ignore[list-item]
    assert SMALL in desk.downloader().list_files(REPO)
    # This endpoint answers every request with a model.
    endpoint = f"{desk.hub.address('cdn')}/{REPO}/blob/{SMALL}?"
    with pytest.raises(NetworkError, match="does not answer like a hub"):
        desk.downloader(HF_ENDPOINT=endpoint).list_files(REPO)


def test_the_endpoint_of_the_environment_is_the_only_place_asked(desk: Desk) -> None:
    """With telemetry, the library would send huggingface.co a list of installed libraries."""
    source = (
        "import os\nfrom pathlib import Path\n"
        "from tierchat.models.hub.downloads import Downloader\n"
        "from tierchat.models.verified_files import VerifiedFiles\n"
        "d = Downloader(env=os.environ, verified=VerifiedFiles(Path('/nowhere/v.json')))\n"
        f"d.describe('{REPO}', 'main', '{SMALL}'); print(d.list_files('{REPO}'))"
    )
    env = {**os.environ, "HF_ENDPOINT": desk.hub.endpoint, "HF_TOKEN": "hf_secret"}
    run = [sys.executable, "-c", source]
    said = subprocess.run(run, env=env, capture_output=True, text=True, timeout=30, check=True)
    assert SMALL in said.stdout
    assert [seen.path.split("/")[1] for seen in desk.hub.seen] == ["pocket", "api"]
    assert not any("agent/" in seen.headers["user-agent"] for seen in desk.hub.seen)


def test_importing_downloads_is_cheap() -> None:
    source = (
        "import sys, tierchat.models.hub.downloads\n"
        "print([m for m in sys.modules if m in sys.argv])"
    )
    words = [sys.executable, "-c", source, "httpx", "httpx2", "huggingface_hub", "asyncio", "ssl"]
    assert subprocess.run(words, capture_output=True, text=True).stdout.strip() == "[]"


BAD_FILES = [
    *(
        "../../x",
        "../../x.gguf",
        "..\\..\\x.gguf",
        "a\\b.gguf",
        "/etc/x.gguf",
        "C:/x.gguf",
        "C:x.gguf",
    ),
    *(
        "",
        ".",
        "..",
        "./x.gguf",
        "a/./x.gguf",
        "a//x.gguf",
        "a/../x.gguf",
        "a/",
        ".gguf",
        "a/.gguf",
    ),
    *("x\0.gguf", "x\n.gguf", "x\x1b[2J.gguf", "x\x85.gguf", "x\u202e.gguf", "x\u2028.gguf"),
    *("x\ud800.gguf", "x" * 300 + ".gguf", "x" * 245 + ".gguf", "я" * 130 + ".gguf"),
    *("CON", "con.gguf", "NUL", "NUL.gguf", "COM1.gguf", "a/lpt9.gguf", "aux .gguf", "com².gguf"),
    *("prn.tar.gguf", "con/x.gguf", "x.gguf.", "x.gguf ", " x.gguf", "a /x.gguf", "a./x.gguf"),
    *("x.bin", "x", "x.gguf.part", "x?.gguf", "x*.gguf", "x|y.gguf", 'x".gguf', "a<b>.gguf"),
]


@pytest.mark.parametrize("name", BAD_FILES)
def test_a_file_name_that_could_do_harm_is_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError) as caught:
        validate_file_name(name)
    assert caught.value.message.isprintable() and len(caught.value.message) < 250
    with pytest.raises(UsageError):
        HubFile(REPO, "main", name, tmp_path / "x.gguf")


@pytest.mark.parametrize(
    "name",
    [
        "x.gguf",
        "Q4_K_M/Qwen3-4B-00001-of-00002.gguf",
        "X.GGUF",
        "модель.gguf",
        "console.gguf",
        "a b.gguf",
    ],
)
def test_an_honest_file_name_is_taken(name: str) -> None:
    validate_file_name(name)


@pytest.mark.parametrize(
    "repo",
    [
        *("x", "a/b/c", "/b", "a/", "../b", "a/..", "a/b..c", "a/b--c", "a/-b", "a/b.", "a/b\n"),
        *("con/x", "a/NUL.x", "a/" + "b" * 97, "a\\b/c", "é/b", "a b/c", "a/b%2f", "a/b?c"),
    ],
)
def test_a_repo_that_could_do_harm_is_refused(repo: str) -> None:
    with pytest.raises(UsageError):
        validate_repo(repo)


def test_honest_repos_and_revisions_are_taken() -> None:
    for repo in ("unsloth/Qwen3-4B-GGUF", "a/b", "_x/y_", "o1/m.v2"):
        validate_repo(repo)
    for revision in ("main", COMMIT, "v1.0", "Q4_K_M"):
        validate_revision(revision)
    for revision in ("", "..", "a..b", "a/b", "-x", "a b", "x" * 101, "main\n"):
        with pytest.raises(UsageError):
            validate_revision(revision)


def test_a_target_outside_its_place_is_refused(tmp_path: Path) -> None:
    for target in (Path("relative.gguf"), tmp_path / ".." / "x.gguf"):
        with pytest.raises(UsageError):
            HubFile(REPO, "main", "x.gguf", target)
    with pytest.raises(UsageError):
        HubFile(REPO, "main", "x.gguf", tmp_path / "x.gguf", 1, "not a hash")
