"""Split models as a user meets them: added, pulled with kills, verified, replaced and removed."""

from __future__ import annotations

import json
import os
import shutil
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.cli.test_pull import FILES, MODELS, REPO, Site, size_of, text_of
from tests.conftest import UserHome, wait_until
from tests.local_hub import COMMIT, LocalHub, running_hub
from tests.split_gguf import split
from tierchat.config.catalogue_files import folder_of

STEM = "Tiny-Q4_K_M"


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A hub with one model in three parts, in a folder of its own, and a whole one."""
    root = tmp_path_factory.mktemp("hub")
    (root / REPO / "q4").mkdir(parents=True)
    split(MODELS / FILES[1], root / REPO / "q4", 3, STEM)
    shutil.copy(MODELS / FILES[0], root / REPO / "Tiny-Q8_0.gguf")
    return root


@pytest.fixture
def hub(root: Path) -> Iterator[LocalHub]:
    with running_hub(root) as hub:
        yield hub


@pytest.fixture
def site(home: UserHome, hub: LocalHub) -> Site:
    return Site(home, hub)


def names_of(root: Path) -> list[str]:
    return sorted(f"q4/{path.name}" for path in (root / REPO / "q4").iterdir())


def places(site: Site, root: Path) -> list[Path]:
    folder = site.home.paths.models_dir / folder_of(REPO, COMMIT)
    return [folder / name for name in names_of(root)]


def local_parts(home: UserHome) -> list[Path]:
    folder = home.directory / "own"
    folder.mkdir()
    return list(split(MODELS / FILES[1], folder))


def write_catalogue(site: Site, root: Path, **other: object) -> None:
    rows = []
    for name in names_of(root):
        path = root / REPO / name
        keys = {"file": name, "bytes": path.stat().st_size, "sha256": site.hub.sha256(path)}
        rows.append("{ " + ", ".join(f"{k} = {json.dumps(v)}" for k, v in keys.items()) + " }")
    site.home.paths.config_dir.mkdir(exist_ok=True)
    site.home.paths.models_file.write_text(
        f'[models.big]\nrepo = "{REPO}"\nrevision = "{COMMIT}"\nparts = [{", ".join(rows)}]\n'
        '[[cascades.net.tiers]]\nname = "S"\nmodel = "big"\ngate = "token"\n'
    )


@pytest.mark.parametrize("given", [0, 2])
@pytest.mark.slow
def test_any_part_is_added_asked_listed_verified_and_forgotten(home: UserHome, given: int) -> None:
    parts = local_parts(home)
    size_bytes = sum(part.stat().st_size for part in parts)
    added = home.run("add", "big", str(parts[given]))
    assert added.returncode == 0, added.stderr.decode()
    assert str(parts[0]) in added.stdout.decode() and "3 files" in added.stdout.decode()
    asked = home.run("ask", "-q", "-m", "big", "--tier", "S", "2+2")
    assert asked.stdout == b"4\n", asked.stderr.decode()
    row = next(row for row in json.loads(home.run("ls", "--json").stdout) if row["model"] == "big")
    assert (row["state"], row["bytes"], row["file"]) == ("here", size_bytes, str(parts[0]))
    assert home.run("verify", "big").returncode == 0
    plan = json.loads(home.run("load", "big", "--plan", "--json").stdout)
    assert plan["fits"] and not plan["models"][0]["is_estimate"]
    gone = home.run("rm", "big", "-y")
    assert gone.returncode == 0 and gone.stdout.decode() == "forgot big\n"
    assert f"{parts[0]} and 2 more" in text_of(gone) and all(part.exists() for part in parts)


def test_a_missing_part_is_named_before_anything_is_loaded(home: UserHome) -> None:
    parts = local_parts(home)
    parts[1].unlink()
    added = home.run("add", "big", str(parts[0]))
    assert added.returncode == 3 and str(parts[1]) in text_of(added)
    folder = home.run("add", "big", str(parts[0].parent))
    assert folder.returncode == 3 and f"GGUFs: {parts[0].name}\n" in text_of(folder)
    parts[0].rename(parts[0].with_suffix(".away"))
    later = home.run("add", "big", str(parts[2]))
    assert later.returncode == 3 and f"part 1 of 3 of the model is missing: {parts[0]}" in text_of(
        later
    )
    parts[0].with_suffix(".away").rename(parts[0])
    home.paths.config_dir.mkdir(exist_ok=True)
    home.paths.models_file.write_text(
        f'[models.big]\nfile = "{parts[0]}"\n[[cascades.big.tiers]]\nname = "S"\nmodel = "big"\n'
    )
    assert "1 of 3 parts missing" in home.run("ls").stdout.decode()
    asked = home.run("ask", "-m", "big", "2+2")
    assert asked.returncode == 3 and str(parts[1]) in text_of(asked)
    found = home.run("verify", "big")
    assert found.returncode == 1 and parts[1].name in found.stdout.decode()


@pytest.mark.parametrize("damage", ["cut", "garbage"])
def test_a_damaged_part_is_named(home: UserHome, damage: str) -> None:
    parts = local_parts(home)
    if damage == "cut":
        os.truncate(parts[2], parts[2].stat().st_size - 5000)
    else:
        parts[2].write_bytes(os.urandom(5000))
    added = home.run("add", "big", str(parts[0]))
    assert added.returncode == 1 and parts[2].name in text_of(added)


def test_a_whole_file_that_is_named_as_a_part_is_added_alone(home: UserHome) -> None:
    path = home.directory / "X-00001-of-00003.gguf"
    shutil.copy(MODELS / FILES[1], path)
    assert home.run("add", "big", str(path)).returncode == 0
    asked = home.run("ask", "-q", "-m", "big", "--tier", "S", "2+2")
    assert asked.stdout == b"4\n", asked.stderr.decode()


@pytest.mark.slow
def test_a_part_that_is_overwritten_while_loaded_is_noticed(home: UserHome) -> None:
    parts = local_parts(home)
    assert home.run("add", "big", str(parts[0])).returncode == 0
    ask = ("ask", "-q", "-m", "big", "--tier", "S", "2+2")
    assert home.run(*ask).stdout == b"4\n"
    with parts[2].open("r+b") as file:
        file.write(b"TORN")
    assert home.run(*ask).returncode != 0
    with parts[2].open("r+b") as file:
        file.write(b"GGUF")
    assert home.run(*ask).stdout == b"4\n"


@pytest.mark.parametrize("reference", [f"q4/{STEM}-00002-of-00003.gguf", "Q4_K_M", "q4_k_m"])
@pytest.mark.slow
def test_a_part_or_a_quantisation_on_the_hub_stands_for_all_parts(
    site: Site, root: Path, reference: str
) -> None:
    pulled = site.pull(f"{REPO}:{reference}", "-y")
    assert pulled.returncode == 0 and "3 parts" in text_of(pulled)
    for place, name in zip(places(site, root), names_of(root), strict=True):
        assert place.read_bytes() == (root / REPO / name).read_bytes()
    assert site.run("ask", "-q", "-m", STEM.casefold(), "--tier", "S", "2+2").stdout == b"4\n"
    assert site.run("verify", STEM.casefold()).stdout.decode() == f"✓ {STEM.casefold()}\n"
    again = site.pull(f"{REPO}:{reference}", "-y")
    assert again.returncode == 0 and "is here (3 parts, 5.9 MB)" in text_of(again)
    gone = site.run("rm", STEM.casefold(), "-y")
    assert "5.9 MB freed" in gone.stdout.decode()
    assert not any(site.home.paths.models_dir.iterdir())


def test_a_description_that_fits_none_or_several_lists_the_files(site: Site) -> None:
    for reference, words in ((":Q5_K_M", "no GGUF that is named"), ("", "needs a file name")):
        found = site.run("add", "big", f"{REPO}{reference}", "-y")
        assert found.returncode == 2 and words in text_of(found)
        assert "Tiny-Q8_0.gguf" in text_of(found)
        assert "00002-of" not in text_of(found)
    both = site.run("add", "big", f"{REPO}:Tiny", "-y")
    assert both.returncode == 2 and "stands for 2 GGUFs" in text_of(both)


def test_a_repo_with_one_model_needs_no_description(
    home: UserHome, root: Path, tmp_path: Path
) -> None:
    shutil.copytree(root, tmp_path / "hub")
    (tmp_path / "hub" / REPO / "Tiny-Q8_0.gguf").rename(tmp_path / "hub" / REPO / "mmproj-F16.gguf")
    with running_hub(tmp_path / "hub") as hub:
        pulled = Site(home, hub).pull(REPO, "-y")
        assert pulled.returncode == 0 and "3 parts" in text_of(pulled)


def test_a_hub_that_lacks_a_part_is_told_before_the_first_byte(
    home: UserHome, root: Path, tmp_path: Path
) -> None:
    shutil.copytree(root, tmp_path / "hub")
    (tmp_path / "hub" / REPO / names_of(root)[1]).unlink()
    with running_hub(tmp_path / "hub") as hub:
        site = Site(home, hub)
        pulled = site.pull(f"{REPO}:Q4_K_M", "-y")
        assert pulled.returncode == 3 and "00002-of-00003" in text_of(pulled)
        assert not hub.bytes_sent


@pytest.mark.slow
def test_kills_in_the_middle_of_parts_cost_next_to_nothing(site: Site, root: Path) -> None:
    write_catalogue(site, root)
    total = sum((root / REPO / name).stat().st_size for name in names_of(root))
    planned = site.pull("net", "--plan", "--json")
    assert json.loads(planned.stdout)["files"][0]["bytes_to_fetch"] == total
    site.hub.faults.bytes_per_s = total / 4

    def arrived() -> int:
        return sum(size_of(p) or size_of(Path(f"{p}.part")) for p in places(site, root))

    for share in (0.2, 0.5, 0.8):
        child = site.start("net", "-y")
        wait_until(lambda share=share: arrived() > total * share, 60)
        child.send_signal(signal.SIGKILL)
        child.communicate()
        states = {row["model"]: row["state"] for row in json.loads(site.run("ls", "--json").stdout)}
        assert (
            states["big"].endswith("% here") and int(states["big"].split("%")[0]) >= share * 100 - 1
        )
        assert site.run("ask", "-m", "net", "2+2").returncode == 3
    site.hub.faults.bytes_per_s = 0
    pulled = site.pull("net", "-y")
    assert pulled.returncode == 0, text_of(pulled)
    for place, name in zip(places(site, root), names_of(root), strict=True):
        assert place.read_bytes() == (root / REPO / name).read_bytes()
    left = sorted(path.name for path in places(site, root)[0].parent.iterdir())
    assert left == sorted(place.name for place in places(site, root))
    assert sum(site.hub.bytes_sent.values()) < total * 1.2
    assert site.run("ask", "-q", "-m", "net", "2+2").stdout == b"4\n"


def test_a_part_with_a_wrong_hash_is_refused_and_fetched_again(site: Site, root: Path) -> None:
    write_catalogue(site, root)
    assert site.pull("net", "-y").returncode == 0
    third = places(site, root)[2]
    data = bytearray(third.read_bytes())
    data[-9] ^= 1
    third.write_bytes(data)
    found = site.run("verify", "big")
    assert found.returncode == 1 and "✗ big part 3: its sha256" in found.stdout.decode()
    asked = site.run("ask", "-m", "net", "2+2")
    assert asked.returncode == 1 and third.name in text_of(asked)
    third.unlink()
    before = dict(site.hub.bytes_sent)
    assert site.pull("net", "-y").returncode == 0
    fetched = {name for name, sent in site.hub.bytes_sent.items() if sent != before.get(name)}
    assert [Path(name).name for name in fetched] == [third.name]
    assert site.run("verify", "big").returncode == 0
    gone = site.run("rm", "big", "-y", "--json")
    assert json.loads(gone.stdout)["freed_bytes"] > 5_000_000
    assert not any(place.exists() for place in places(site, root))


def test_parts_that_are_here_already_are_taken(site: Site, root: Path) -> None:
    write_catalogue(site, root)
    first = root / REPO / names_of(root)[0]
    pulled = site.pull("big", "--from", str(first), "-y")
    assert pulled.returncode == 0 and not site.hub.bytes_sent
    assert all(place.exists() for place in places(site, root))


@pytest.mark.real
def test_a_published_model_in_four_parts_answers_as_the_whole_one(
    home: UserHome, real_gguf: Callable[[str], Path]
) -> None:
    folder = home.directory / "own"
    folder.mkdir()
    whole = real_gguf("smollm2")
    parts = split(whole, folder, 4)
    said = set()
    for name, path in (("whole", whole), ("parts", parts[1])):
        assert home.run("add", name, str(path)).returncode == 0
        options = ("--tier", "S", "-o", "temperature", "0", "-o", "max_tokens", "40")
        said.add(home.run("ask", "-q", "-m", name, *options, "Name three planets.").stdout)
    assert len(said) == 1 and len(said.pop()) > 20
    os.truncate(parts[3], parts[3].stat().st_size - 1000)
    asked = home.run("ask", "-m", "parts", "Name three planets.")
    assert asked.returncode == 1 and parts[3].name in text_of(asked)
