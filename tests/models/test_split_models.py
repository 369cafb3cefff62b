"""Split models: all parts are found, read, hashed and watched as one model."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from tests.split_gguf import split
from tierchat.config.catalogue import ModelSpec
from tierchat.config.catalogue_files import load_catalogue
from tierchat.config.model_parts import ModelFile, part_names
from tierchat.errors import ConfigError, ModelCorrupt, ModelMissing, UsageError
from tierchat.models.file_stamp import ModelStamp
from tierchat.models.gguf.header import CheckedHeaders, read_header
from tierchat.models.hub.names import HubFile
from tierchat.models.hub.progress import ModelProgress
from tierchat.models.on_disk import absent_files, is_here, is_whole, size_on_disk
from tierchat.models.placement.footprint import shape_of_header
from tierchat.models.verified_files import VerifiedFiles, hash_file
from tierchat.paths import Paths, find_paths


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory, models_dir: Path) -> tuple[Path, ...]:
    return split(models_dir / "pocket-xs.gguf", tmp_path_factory.mktemp("parts"))


@pytest.fixture
def parts(tmp_path: Path, made: tuple[Path, ...]) -> tuple[Path, ...]:
    """Three parts that a test may damage."""
    return tuple(Path(shutil.copy(part, tmp_path)) for part in made)


@pytest.fixture
def paths(tmp_path: Path) -> Paths:
    return find_paths({"TIERCHAT_HOME": str(tmp_path / "home")})


def published(parts: tuple[Path, ...]) -> ModelSpec:
    files = tuple(ModelFile(str(p), p.stat().st_size, hash_file(p)) for p in parts)
    return ModelSpec(file=files[0].file, parts=files, bytes=sum(f.bytes for f in files))


@pytest.mark.parametrize(
    ("name", "count"),
    [
        ("a/X-Q4-00001-of-00003.gguf", 3),
        ("X-00003-of-00003.gguf", 3),
        ("X-00001-of-00001.gguf", 1),
        ("X-00004-of-00003.gguf", 1),
        ("X-00000-of-00003.gguf", 1),
        ("X-1-of-3.gguf", 1),
        ("X-00001-of-00003.GGUF", 1),
        ("X-00001-of-99999.gguf", 1),
        ("-00001-of-00002.gguf", 1),
        ("whole.gguf", 1),
    ],
)
def test_parts_are_known_by_the_names_that_llama_cpp_knows(name: str, count: int) -> None:
    names = part_names(name)
    assert len(names) == count and name in names
    if count > 1:
        assert names[0].endswith("-00001-of-00003.gguf") and len(set(names)) == count


def test_the_header_of_a_split_model_is_that_of_the_whole_one(
    parts: tuple[Path, ...], models_dir: Path
) -> None:
    whole, joined = read_header(models_dir / "pocket-xs.gguf"), read_header(parts[0])
    assert joined.num_parts == 3 and whole.num_parts == 1
    assert joined.num_parameters == whole.num_parameters
    assert joined.size_bytes == whole.size_bytes
    assert joined.tokens_sha256 == whole.tokens_sha256
    assert shape_of_header(joined) == shape_of_header(whole)
    assert joined.file_bytes == sum(part.stat().st_size for part in parts)


def test_a_later_part_names_the_first(parts: tuple[Path, ...]) -> None:
    with pytest.raises(ModelCorrupt, match="part 2 of 3") as caught:
        read_header(parts[1])
    assert str(parts[0]) in caught.value.hint


def test_a_missing_part_is_named(parts: tuple[Path, ...]) -> None:
    parts[1].unlink()
    for look in (lambda: read_header(parts[0]), lambda: CheckedHeaders().check(parts[0])):
        with pytest.raises(ModelMissing, match="part 2 of 3") as caught:
            look()
        assert str(parts[1]) in caught.value.message


def test_a_part_that_is_cut_off_is_named(parts: tuple[Path, ...]) -> None:
    os.truncate(parts[2], parts[2].stat().st_size - 1000)
    with pytest.raises(ModelCorrupt, match="missing at its end") as caught:
        read_header(parts[0])
    assert str(parts[2]) in caught.value.message


def test_parts_of_different_models_are_not_mixed(
    parts: tuple[Path, ...], tmp_path: Path, models_dir: Path
) -> None:
    others = split(models_dir / "pocket-s.gguf", tmp_path / "..", stem=parts[0].name[:-21] + "-s")
    shutil.copy(others[1], parts[1])
    with pytest.raises(ModelCorrupt, match="not of one model"):
        read_header(parts[0])
    shutil.copy(parts[2], parts[1])
    with pytest.raises(ModelCorrupt, match="says that it is part 3 of 3, not part 2 of 3"):
        read_header(parts[0])


def test_a_first_part_of_another_name_says_how_to_name_it(parts: tuple[Path, ...]) -> None:
    renamed = parts[0].rename(parts[0].with_name("model.gguf"))
    with pytest.raises(ModelCorrupt, match="first of 3 parts") as caught:
        read_header(renamed)
    assert "NAME-00001-of-00003.gguf" in caught.value.hint


def test_a_header_is_read_again_when_any_part_changes(parts: tuple[Path, ...]) -> None:
    headers = CheckedHeaders()
    assert headers.check(parts[0]) is headers.check(parts[0])
    os.truncate(parts[2], 1000)
    with pytest.raises(ModelCorrupt):
        headers.check(parts[0])


def test_sizes_count_all_parts_and_a_missing_one_is_seen(parts: tuple[Path, ...]) -> None:
    for spec in (published(parts), ModelSpec(file=str(parts[0]))):
        assert is_here(spec) and is_whole(spec)
        assert size_on_disk(spec) == sum(part.stat().st_size for part in parts)
    spec = published(parts)
    os.truncate(parts[1], 10)
    assert is_here(spec) and not is_whole(spec)
    parts[1].unlink()
    assert absent_files(spec) == [parts[1]] and not is_here(spec)


def test_every_part_is_checked_against_its_hash(parts: tuple[Path, ...], tmp_path: Path) -> None:
    spec, files = published(parts), VerifiedFiles(tmp_path / "verified.json")
    files.check_all(spec.files)
    data = bytearray(parts[2].read_bytes())
    data[-5] ^= 1
    parts[2].write_bytes(data)
    with pytest.raises(ModelCorrupt) as caught:
        files.check_all(spec.files)
    assert parts[2].name in caught.value.message
    parts[2].unlink()
    with pytest.raises(ModelMissing, match="part 3 of 3"):
        files.check_all(spec.files)


def test_the_identity_of_a_model_covers_all_parts(parts: tuple[Path, ...], tmp_path: Path) -> None:
    files = VerifiedFiles(tmp_path / "verified.json")
    local, known = ModelSpec(file=str(parts[0])), published(parts)
    before = files.sha256_of_model(local.files)
    assert before == files.sha256_of_model(known.files)
    assert files.sha256_of_model(local.files[:1]) == hash_file(parts[0]) != before
    parts[2].write_bytes(parts[2].read_bytes() + b"x")
    assert files.sha256_of_model(local.files) != before


def test_a_write_to_any_part_is_noticed(parts: tuple[Path, ...]) -> None:
    stamp = ModelStamp.of(parts)
    assert not stamp.is_overwritten
    with parts[2].open("ab") as file:
        file.write(b"x")
    assert stamp.is_overwritten


def test_parts_in_models_toml_get_their_places_and_a_sum(paths: Paths) -> None:
    paths.config_dir.mkdir(parents=True)
    rows = ", ".join(
        f'{{ file = "q/X-0000{n}-of-00002.gguf", bytes = {n}, sha256 = "{str(n) * 64}" }}'
        for n in (1, 2)
    )
    paths.models_file.write_text(
        f'[models.big]\nrepo = "o/r"\nparts = [{rows}]\n'
        '[models.own]\nfile = "Y-00002-of-00002.gguf"\n'
    )
    models = load_catalogue(paths).models
    folder = paths.models_dir / "o--r@main" / "q"
    assert models["big"].paths == tuple(folder / f"X-0000{n}-of-00002.gguf" for n in (1, 2))
    assert models["big"].bytes == 3 and models["big"].file == str(models["big"].paths[0])
    own = paths.models_file.parent
    assert models["own"].paths == tuple(own / f"Y-0000{n}-of-00002.gguf" for n in (1, 2))
    assert models["own"].file == str(own / "Y-00001-of-00002.gguf")


@pytest.mark.parametrize(
    ("keys", "pattern"),
    [
        ('file = "X-00001-of-00002.gguf"\nbytes = 7', "bytes: the model has 2 files"),
        ('parts = [{ file = "X.gguf" }, { file = "Y.gguf" }]', "not named as the parts"),
        ('file = "Y.gguf"\nparts = [{ file = "X.gguf" }]', "not the first of its parts"),
        ('parts = [{ file = "X.gguf", size = 7 }]', "unknown key `size`"),
        ("parts = [{ bytes = 7 }]", "file"),
    ],
)
def test_a_mistake_in_parts_is_told_with_its_line(paths: Paths, keys: str, pattern: str) -> None:
    paths.config_dir.mkdir(parents=True)
    paths.models_file.write_text(f"[models.big]\n{keys}\n")
    with pytest.raises(ConfigError, match=pattern) as caught:
        load_catalogue(paths)
    assert "line " in caught.value.message and caught.value.hint


def test_an_own_file_in_place_of_parts_is_one_file(paths: Paths) -> None:
    paths.config_dir.mkdir(parents=True)
    paths.data_dir.mkdir(parents=True)
    paths.added_models_file.write_text(
        '[models.big]\nparts = [{ file = "/a/X.gguf", bytes = 7 }]\n'
    )
    paths.models_file.write_text('[models.big]\nfile = "/b/Y.gguf"\n')
    spec = load_catalogue(paths).models["big"]
    assert spec.paths == (Path("/b/Y.gguf"),) and spec.bytes == 0


def test_progress_is_that_of_the_whole_model(tmp_path: Path) -> None:
    told: list[tuple[str, int, int]] = []
    progress = ModelProgress(lambda *seen: told.append(seen))
    names = part_names("q/X-00001-of-00002.gguf")
    files = [HubFile("o/r", "main", name, tmp_path / name, 100) for name in names]
    (tmp_path / "q").mkdir()
    (tmp_path / f"{names[0]}.part").write_bytes(bytes(30))
    progress.expect(files)
    progress(files[0], 60, 100)
    progress(files[0], 100, 100)
    progress(files[1], 50, 100)
    assert told == [("X.gguf (2 parts)", done, 200) for done in (60, 100, 150)]


def test_a_hostile_part_name_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError):
        HubFile("o/r", "main", "../X-00001-of-00002.gguf", tmp_path / "x")
