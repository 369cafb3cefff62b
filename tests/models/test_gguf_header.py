"""Headers of real, crafted and damaged GGUFs: read correctly, or refused with the broken rule."""

from __future__ import annotations

import ctypes
import os
import random
import struct
import sys
import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import gguf
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tierchat.engine.llama.model import LlamaModel
from tierchat.errors import ModelCorrupt, ModelMissing
from tierchat.models.gguf.header import CheckedHeaders, GgufHeader, read_header
from tierchat.models.gguf.number_formats import TENSOR_TYPES, file_type_name
from tierchat.models.gguf.reader import LongValue

POCKETS = ("pocket-xs", "pocket-s", "pocket-m")
Change = Callable[[gguf.GGUFWriter], None]
TOKENS = ["a", "b", "ab", "<|end|>"]


def write(path: Path, change: Change | None = None, tokens: list[str] | None = None) -> Path:
    """Write a small valid model of 4 tokens, changed by `change`."""
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_block_count(2)
    writer.add_context_length(64)
    writer.add_embedding_length(8)
    writer.add_head_count(2)
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("qwen2")
    writer.add_token_list(TOKENS if tokens is None else tokens)
    writer.add_token_types([1, 1, 1, 3])
    writer.add_token_merges(["a b"])
    writer.add_eos_token_id(3)
    writer.add_tensor("token_embd.weight", np.ones((4, 8), np.float32))
    writer.add_tensor("output_norm.weight", np.ones(8, np.float32))
    if change:
        change(writer)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def text(value: str) -> bytes:
    return struct.pack("<Q", len(value.encode())) + value.encode()


def by_hand(path: Path, *keys: bytes, num_keys: int | None = None, tensors: bytes = b"") -> Path:
    """Write a header byte by byte; `tensors` begins with their number."""
    num_tensors, rest = tensors[:8] or bytes(8), tensors[8:]
    num = struct.pack("<Q", len(keys) if num_keys is None else num_keys)
    path.write_bytes(b"GGUF" + struct.pack("<I", 3) + num_tensors + num + b"".join(keys) + rest)
    return path


def refused(path: Path, pattern: str) -> None:
    with pytest.raises(ModelCorrupt, match=pattern) as caught:
        read_header(path)
    assert path.name in caught.value.message and caught.value.hint


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(tmp_path_factory.mktemp("gguf") / "sound.gguf")


@pytest.mark.parametrize("name", POCKETS)
def test_a_bundled_model_reads_as_the_gguf_package_reads_it(models_dir: Path, name: str) -> None:
    path = models_dir / f"{name}.gguf"
    header, reader = read_header(path), gguf.GGUFReader(path)
    theirs = [
        (t.name, tuple(t.shape.tolist()), t.tensor_type.name, t.n_elements, int(t.n_bytes))
        for t in reader.tensors
    ]
    ours = [(t.name, t.shape, t.type_name, t.num_elements, t.size_bytes) for t in header.tensors]
    assert ours == theirs
    starts = [t.offset + header.data_offset for t in header.tensors]
    assert starts == [int(t.data_offset) for t in reader.tensors]
    for key, field in reader.fields.items():
        if key.startswith("GGUF."):
            continue
        value, contents = header.metadata[key], field.contents()
        assert value == (LongValue(len(contents)) if isinstance(contents, list) else contents)
    assert header.file_bytes == path.stat().st_size
    assert header.data_offset == reader.data_offset


def test_a_bundled_model_is_described(models_dir: Path) -> None:
    header = read_header(models_dir / "pocket-xs.gguf")
    assert (header.architecture, header.name, header.version) == ("llama", "pocket-xs", 3)
    assert (header.num_layers, header.context, header.embedding_length) == (4, 512, 64)
    assert header.quantisation == "F16" and header.vocabulary_size == 1280
    assert header.chat_template and "<|assistant|>" in header.chat_template
    assert header.per_layer("attention.head_count_kv") == (2, 2, 2, 2)
    assert header.number("rope.freq_base") == 10_000.0
    assert header.integer("rope.freq_base") is None and header.integer("nothing") is None
    assert header.num_parts == 1


def test_parameters_and_bytes_are_counted_as_llama_cpp_counts(
    models_dir: Path, pocket_s: LlamaModel
) -> None:
    header = read_header(models_dir / "pocket-s.gguf")
    assert header.num_parameters == pocket_s.num_parameters
    assert header.size_bytes == pocket_s.size_bytes
    assert header.vocabulary_size == pocket_s.vocabulary_size


def test_tensor_types_are_those_of_the_installed_ggml(pocket_s: LlamaModel) -> None:
    assert pocket_s
    package = Path(sys.modules["llama_cpp"].__file__ or "").parent
    # One file under several names.
    path = min((package / "lib").glob("libggml-base.*"))
    ggml = ctypes.CDLL(str(path))
    ggml.ggml_type_name.restype = ctypes.c_char_p
    ggml.ggml_type_size.restype, ggml.ggml_blck_size.restype = ctypes.c_size_t, ctypes.c_int64
    for number in range(43):
        kind = TENSOR_TYPES.get(number)
        if kind is None:
            assert ggml.ggml_blck_size(number) == 0
            continue
        assert ggml.ggml_type_name(number).decode().lower() == kind.name.lower()
        assert ggml.ggml_blck_size(number) == kind.block_length
        assert ggml.ggml_type_size(number) == kind.block_bytes


def test_file_types_have_the_names_publishers_use() -> None:
    assert file_type_name(15) == "Q4_K_M" and file_type_name(15 | 1024) == "Q4_K_M"
    assert file_type_name(4) is None
    for known in gguf.LlamaFileType:
        if known.name != "GUESSED":
            assert known.name.endswith(file_type_name(known.value) or "?")


def test_a_file_without_a_type_is_named_after_most_of_its_weights(sound: Path) -> None:
    assert read_header(sound).quantisation == "F32"


def test_models_of_one_token_table_have_one_hash(models_dir: Path, tmp_path: Path) -> None:
    hashes = {read_header(models_dir / f"{name}.gguf").tokens_sha256 for name in POCKETS}
    assert len(hashes) == 1
    plain = read_header(write(tmp_path / "plain.gguf")).tokens_sha256
    named = write(tmp_path / "named.gguf", lambda writer: writer.add_name("another name"))
    assert read_header(named).tokens_sha256 == plain


@pytest.mark.parametrize(
    "change",
    [
        lambda writer: writer.add_bos_token_id(0),
        lambda writer: writer.add_add_bos_token(True),
        lambda writer: writer.add_pad_token_id(1),
        lambda writer: replace(writer, "tokenizer.ggml.tokens", ["a", "b", "ab", "<|stop|>"]),
        lambda writer: replace(writer, "tokenizer.ggml.token_type", [1, 1, 1, 1]),
        lambda writer: replace(writer, "tokenizer.ggml.merges", ["b a"]),
        lambda writer: replace(writer, "tokenizer.ggml.pre", "llama-bpe"),
        lambda writer: replace(writer, "tokenizer.ggml.eos_token_id", 2),
    ],
)
def test_another_token_table_has_another_hash(sound: Path, tmp_path: Path, change: Change) -> None:
    other = write(tmp_path / "other.gguf", change)
    assert read_header(other).tokens_sha256 != read_header(sound).tokens_sha256


def replace(writer: gguf.GGUFWriter, key: str, value: object) -> None:
    writer.kv_data[0][key].value = value


def test_a_per_layer_list_is_read_and_a_long_array_is_only_counted(tmp_path: Path) -> None:
    def change(writer: gguf.GGUFWriter) -> None:
        writer.add_head_count_kv([2, 0])
        writer.add_array("llama.long", list(range(1025)))
        writer.add_array("llama.short", [0.5, 1.5])
        writer.add_array("llama.words", ["one"])

    header = read_header(write(tmp_path / "layers.gguf", change))
    assert header.per_layer("attention.head_count_kv") == (2, 0)
    assert header.per_layer("attention.head_count") == (2, 2)
    assert header.per_layer("short") is None and header.per_layer("missing") is None
    assert header.metadata["llama.long"] == LongValue(1025)
    assert header.metadata["llama.short"] == (0.5, 1.5)
    assert header.metadata["llama.words"] == LongValue(1)


def test_version_2_is_read_and_others_are_not(sound: Path, tmp_path: Path) -> None:
    data = bytearray(sound.read_bytes())
    path = tmp_path / "version.gguf"
    for version, pattern in ((1, "version is 1"), (4, "version is 4"), (3 << 24, "big-endian")):
        data[4:8] = struct.pack("<I", version)
        path.write_bytes(data)
        refused(path, pattern)
    data[4:8] = struct.pack("<I", 2)
    path.write_bytes(data)
    assert read_header(path).version == 2


@pytest.mark.parametrize(
    ("data", "pattern"),
    [
        (b"", "it is empty"),
        (b"GG", "incomplete"),
        (b"lmgg\x01\x00\x00\x00", "GGML format of 2023"),
        (b"tjgg\x03\x00\x00\x00", "GGJT format of 2023"),
        (b"fmgg\x01\x00\x00\x00", "GGMF format of 2023"),
        (struct.pack("<Q", 90) + b'{"__metadata__":{"format":"pt"}}', "safetensors"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n", "Git LFS"),
        (b"/annex/objects/SHA256E-s98--0a.gguf\n", "git-annex"),
        (b"<!doctype html><title>Log in</title>", "web page"),
        (b"\n  <HTML lang=en>", "web page"),
        (b'{"error": "Repository not found"}', "JSON"),
        (b"Invalid username or password.", "text that begins 'Invalid username or password.'"),
        (b"PK\x03\x04" + bytes(40), "zip archive, as PyTorch"),
        (b"\x80\x02}q\x00(X", "pickle"),
        (b"\x1f\x8b\x08" + bytes(30), "compressed"),
        (bytes(4096), "begins with zeros"),
        (b"\x93NUMPY\x01\x00v\x00", "instead of b'GGUF'"),
    ],
)
def test_what_is_no_gguf_is_named(tmp_path: Path, data: bytes, pattern: str) -> None:
    path = tmp_path / "page.gguf"
    path.write_bytes(data)
    refused(path, pattern)


@pytest.mark.parametrize(
    ("version", "pattern", "hint"),
    [
        (struct.pack("<I", 1), "GGUF version is 1, of August 2023", "convert"),
        (struct.pack("<I", 4), "GGUF version is 4; .* read versions 2 and 3", "upgrade"),
        (struct.pack(">I", 3), r"big-endian \(GGUF version 3\)", "little-endian"),
        (struct.pack("<I", 0), "GGUF version is 0", "fetch it again"),
        (struct.pack("<I", 0x12345), "GGUF version is 74,565", "fetch it again"),
    ],
)
def test_another_version_is_named_and_not_called_damaged(
    tmp_path: Path, sound: Path, version: bytes, pattern: str, hint: str
) -> None:
    path = tmp_path / "version.gguf"
    path.write_bytes(b"GGUF" + version + sound.read_bytes()[8:])
    refused(path, pattern)
    with pytest.raises(ModelCorrupt) as caught:
        read_header(path)
    assert hint in caught.value.hint and caught.value.exit_code == 1
    assert ("damaged" in caught.value.hint) == (hint == "fetch it again")


@pytest.mark.parametrize(
    ("key", "value", "pattern"),
    [
        ("general.type", "adapter", "LoRA adapter"),
        ("general.type", "imatrix", "importance matrix"),
        ("general.type", "mmproj", "mmproj"),
        ("general.architecture", "clip", "mmproj"),
        ("general.architecture", "nomic-bert", "embedding model"),
        ("general.architecture", "flux", "pictures"),
        ("general.architecture", "whisper", "speech"),
    ],
)
def test_a_gguf_of_another_kind_is_named(
    tmp_path: Path, key: str, value: str, pattern: str
) -> None:
    def change(writer: gguf.GGUFWriter) -> None:
        writer.kv_data[0][key] = gguf.gguf_writer.GGUFValue(value, gguf.GGUFValueType.STRING)

    refused(write(tmp_path / "kind.gguf", change), pattern)


def test_what_cannot_be_read_is_missing(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    for path in (tmp_path / "nothing.gguf", tmp_path, pipe):
        with pytest.raises(ModelMissing, match=path.name):
            read_header(path)


@pytest.mark.parametrize(
    ("key", "pattern"),
    [
        (struct.pack("<Q", 1 << 60) + bytes(9), "length of key 0 is .* more than the rest"),
        (text("k" * 65_536) + bytes(8), "the length of key 0 is 65,536; at most 65,535"),
        (text("") + bytes(16), "key 0 is empty"),
        (struct.pack("<Q", 2) + b"\xff\xfe" + bytes(16), "key 0 is not UTF-8"),
        (text("key") + struct.pack("<I", 13) + bytes(8), "key has the unknown value type 13"),
        (text("key") + struct.pack("<IIQ", 9, 9, 1) + bytes(8), "key is an array of arrays"),
        (text("key") + struct.pack("<IIQ", 9, 77, 1), "key has the unknown value type 77"),
        (text("key") + struct.pack("<IIQ", 9, 4, 1 << 40), "number of items in key is 1,0"),
        (text("key") + struct.pack("<IIQ", 9, 8, 1 << 61), "number of items in key"),
        (text("key") + struct.pack("<IIQQ", 9, 8, 1, 70_000), "item of key is 70,000 bytes"),
        (text("key") + struct.pack("<IIQQ", 9, 8, 1, 60_000), "incomplete: key ends 60,000"),
        (text("key") + struct.pack("<IQ", 8, 1 << 63), "length of key is .* rest of the file"),
        (text("key of 14 bytes") + b"\x04", "the type of key of 14 bytes"),
        (text("k" * 90) + struct.pack("<I", 13), "'k{79} has the unknown"),
    ],
)
def test_a_broken_value_is_refused_by_name(tmp_path: Path, key: bytes, pattern: str) -> None:
    refused(by_hand(tmp_path / "broken.gguf", key), pattern)


def test_a_key_that_is_there_twice_is_refused(tmp_path: Path) -> None:
    key = text("a key") + struct.pack("<II", 4, 1)
    refused(by_hand(tmp_path / "twice.gguf", key, key), "the key 'a key' is there twice")


def test_counts_beyond_the_file_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "counts.gguf"
    refused(by_hand(path, num_keys=1 << 63), "the number of keys is .* rest of the file")
    many = struct.pack("<Q", 1 << 40)
    refused(by_hand(path, tensors=many), "the number of tensors is .* rest of the file")
    refused(by_hand(path, bytes(1_000_000), num_keys=70_000), "at most 65,536")


def tensor(
    name: str = "t", shape: tuple[int, ...] = (32,), kind: int = 0, offset: int = 0
) -> bytes:
    sizes = struct.pack(f"<I{len(shape)}Q", len(shape), *shape)
    return text(name) + sizes + struct.pack("<IQ", kind, offset)


@pytest.mark.parametrize(
    ("tensors", "pattern"),
    [
        ([tensor(shape=(1,) * 5)], "'t' has 5 dimensions"),
        ([tensor(shape=(4, 0))], "empty dimension: 4 by 0"),
        ([tensor(shape=(1 << 40, 1 << 40))], "shape of tensor 't' overflows"),
        ([tensor(kind=4)], "unknown or abandoned number format 4"),
        ([tensor(kind=999)], "number format 999"),
        ([tensor(shape=(33, 2), kind=8)], "rows of tensor 't' hold 33 numbers, .* 32 .* Q8_0"),
        ([tensor(shape=(64,), kind=8)], "'t' is a single row in the block format Q8_0"),
        ([tensor("n" * 64)], "name of tensor 0 is 64; at most 63"),
        ([tensor(), tensor(offset=128)], "tensor 't' is there twice"),
        ([tensor(offset=7)], "lies at 7, not aligned to 32"),
        ([tensor(), tensor("u", offset=96)], "'u' overlaps .* at 96, not 128"),
        ([tensor(), tensor("u", offset=160)], "'u' leaves a gap"),
        ([tensor(shape=(1 << 30,))], "bytes are missing at its end"),
    ],
)
def test_a_broken_tensor_is_refused_by_name(
    sound: Path, tmp_path: Path, tensors: list[bytes], pattern: str
) -> None:
    data = sound.read_bytes()
    data = data[: data.index(text("token_embd.weight"))]
    broken = tmp_path / "broken.gguf"
    num = struct.pack("<Q", len(tensors))
    broken.write_bytes(data[:8] + num + data[16:] + b"".join(tensors) + bytes(1024))
    refused(broken, pattern)


@pytest.mark.parametrize(
    ("value", "pattern"), [(24, "not a power of two"), (4, "can be 8"), (1 << 30, "can be 8")]
)
def test_an_absurd_alignment_is_refused(tmp_path: Path, value: int, pattern: str) -> None:
    path = write(tmp_path / "aligned.gguf", lambda writer: writer.add_uint32("llama.x", 32))
    data = path.read_bytes()
    key = text("general.alignment") + struct.pack("<II", 4, value)
    num_keys = struct.unpack_from("<Q", data, 16)[0] + 1
    path.write_bytes(data[:16] + struct.pack("<Q", num_keys) + key + data[24:])
    refused(path, pattern)


@pytest.mark.parametrize(
    ("key", "value", "pattern"),
    [
        ("tokenizer.ggml.tokens", ["a", "b", "a", "c"], "token 2 of its vocabulary, 'a', is there"),
        ("tokenizer.ggml.tokens", ["a", "[EMPTY_2]", "", "c"], r"'\[EMPTY_2\]', is there twice"),
        ("tokenizer.ggml.tokens", ["a", "b", "c"], "token_type has 4 entries for 3 tokens"),
        ("tokenizer.ggml.tokens", [1, 2, 3, 4], "tokens is not a list of texts"),
        ("tokenizer.ggml.token_type", ["a"], "token_type is not a list of numbers"),
        ("tokenizer.ggml.merges", [1], "merges is not a list of texts"),
        ("tokenizer.ggml.eos_token_id", 4, "eos_token_id is 4, outside the vocabulary of 4"),
        ("tokenizer.ggml.model", "no_vocab", "has no vocabulary"),
        ("llama.block_count", 0, "block_count 0 is not a whole number from 1 to 512"),
        ("llama.block_count", 513, "block_count 513"),
        ("llama.context_length", 0, "context_length 0"),
        ("llama.embedding_length", 2**31, "embedding_length 2147483648"),
        ("llama.attention.head_count", [1, 2, 3], "one number for each of 2 layers"),
        ("llama.expert_count", 1025, "expert_count 1025"),
        ("llama.expert_used_count", 2, "expert_used_count 2"),
        ("llama.rope.scaling.type", "odd", "rope.scaling.type 'odd' is not one of none, linear"),
        ("tierchat.escalate_token_id", 4, "escalate_token_id is 4, outside"),
        ("tierchat.escalate_token_id", -1, "escalate_token_id is -1, outside"),
        ("general.architecture", "", "general.architecture is missing"),
        ("general.architecture", "\x1b[2J", r"general.architecture is '\\x1b\[2J'"),
        ("tokenizer.chat_template", 7, "chat_template is not a text"),
        ("split.no", 1, None),
    ],
)
def test_a_broken_rule_is_named(
    tmp_path: Path, key: str, value: object, pattern: str | None
) -> None:
    def change(writer: gguf.GGUFWriter) -> None:
        writer.kv_data[0].pop(key, None)
        if isinstance(value, list):
            writer.add_array(key, value)
        elif isinstance(value, str):
            writer.kv_data[0][key] = gguf.gguf_writer.GGUFValue(value, gguf.GGUFValueType.STRING)
        else:
            assert isinstance(value, int)
            kind = gguf.GGUFValueType.INT32 if value < 0 else gguf.GGUFValueType.UINT32
            writer.add_key_value(key, value, kind)

    path = write(tmp_path / "rule.gguf", change)
    if pattern is None:
        read_header(path)
    else:
        refused(path, pattern)


@pytest.mark.parametrize("key", ["llama.block_count", "llama.context_length"])
def test_a_missing_hyperparameter_is_named(tmp_path: Path, key: str) -> None:
    refused(write(tmp_path / "less.gguf", lambda writer: writer.kv_data[0].pop(key)), key)


def test_a_vocabulary_alone_is_no_model(tmp_path: Path) -> None:
    def change(writer: gguf.GGUFWriter) -> None:
        writer.tensors[0].clear()

    refused(write(tmp_path / "words.gguf", change), "has no tensors")


def test_special_ids_that_llama_cpp_does_without_are_no_reason(tmp_path: Path) -> None:
    def change(writer: gguf.GGUFWriter) -> None:
        writer.add_pad_token_id(4)
        writer.add_bos_token_id(0xFFFFFFFF)

    assert read_header(write(tmp_path / "ids.gguf", change)).vocabulary_size == 4


def test_a_cut_off_file_says_how_much_is_missing(models_dir: Path, tmp_path: Path) -> None:
    whole = (models_dir / "pocket-xs.gguf").read_bytes()
    path = tmp_path / "cut.gguf"
    end = read_header(models_dir / "pocket-xs.gguf")
    last = end.tensors[-1]
    used = end.data_offset + last.offset + last.size_bytes
    path.write_bytes(whole[: used - 1_234])
    with pytest.raises(ModelCorrupt, match="1,234 bytes are missing") as caught:
        read_header(path)
    assert caught.value.hint == "the file is incomplete; fetch it again"
    for size in range(0, end.data_offset, 487):
        path.write_bytes(whole[:size])
        refused(path, "incomplete|rest of the file|empty|begins with")


def test_a_header_is_read_once_while_its_file_stays_the_same(sound: Path, tmp_path: Path) -> None:
    path = tmp_path / "cached.gguf"
    path.write_bytes(sound.read_bytes())
    headers = CheckedHeaders()
    first = headers.check(path)
    assert headers.check(path) is first
    path.write_bytes(sound.read_bytes()[:100])
    for _ in range(2):
        with pytest.raises(ModelCorrupt, match=r"cached\.gguf"):
            headers.check(path)
    path.write_bytes(sound.read_bytes())
    assert headers.check(path) == first


def outcome(path: Path, data: bytes) -> GgufHeader | str:
    """Read damaged bytes; the result must be a header, or ModelCorrupt with a reason."""
    path.write_bytes(data)
    try:
        return read_header(path)
    except ModelCorrupt as error:
        assert error.message and error.hint
        return error.message


@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(at=st.integers(0, 2_000), patch=st.binary(min_size=1, max_size=16), cut=st.integers(0, 3000))
def test_any_damage_is_a_header_or_a_reason(
    sound: Path, tmp_path: Path, at: int, patch: bytes, cut: int
) -> None:
    data = bytearray(sound.read_bytes())
    at %= len(data)
    data[at : at + len(patch)] = patch
    outcome(
        tmp_path / "damaged.gguf", bytes(data[: max(1, len(data) - cut)] if cut > 2_500 else data)
    )


def test_damage_costs_neither_time_nor_memory(models_dir: Path, tmp_path: Path) -> None:
    rng = random.Random(3)
    whole = (models_dir / "pocket-xs.gguf").read_bytes()
    path = tmp_path / "damaged.gguf"
    num_refused = 0
    tracemalloc.start()
    for _ in range(200):
        data = bytearray(whole)
        at = rng.randrange(45_000)
        data[at : at + 8] = rng.choice((b"\xff" * 8, rng.randbytes(8), b"\xff\xff\xff\x7f"))
        began_s = time.perf_counter()
        num_refused += isinstance(outcome(path, bytes(data)), str)
        assert time.perf_counter() - began_s < 1
    _, peak_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert num_refused > 50
    assert peak_bytes < 20e6


def test_a_header_that_never_ends_is_given_up(tmp_path: Path) -> None:
    # 100 MiB of empty texts, sparse on disk.
    path = tmp_path / "endless.gguf"
    num = 12 << 20
    by_hand(path, text("k") + struct.pack("<IIQ", 9, 8, 4_000_000), num_keys=1)
    os.truncate(path, 8 * num)
    began_s = time.perf_counter()
    refused(path, "architecture is missing")
    by_hand(path, text("k") + struct.pack("<IIQ", 9, 8, num), num_keys=1)
    os.truncate(path, 9 * num)
    refused(path, "at most 4,194,304")
    by_hand(path, text("k") + struct.pack("<IIQ", 9, 4, 20 << 20), num_keys=1)
    os.truncate(path, 9 * num)
    refused(path, "longer than 64 MiB")
    assert time.perf_counter() - began_s < 4


def test_a_vocabulary_of_150_000_tokens_is_read_in_well_under_a_second(tmp_path: Path) -> None:
    tokens = [f"token{number}" for number in range(151_936)]

    def change(writer: gguf.GGUFWriter) -> None:
        replace(writer, "tokenizer.ggml.token_type", [1] * len(tokens))
        replace(writer, "tokenizer.ggml.merges", [f"a{n} b{n}" for n in range(151_387)])

    path = write(tmp_path / "large.gguf", change, tokens)
    times_s = []
    for _ in range(3):
        began_s = time.perf_counter()
        assert read_header(path).vocabulary_size == 151_936
        times_s.append(time.perf_counter() - began_s)
    assert min(times_s) < 0.5


def test_a_model_knows_tools_if_one_of_its_templates_does(tmp_path: Path) -> None:
    def header(*templates: str) -> GgufHeader:
        def change(writer: gguf.GGUFWriter) -> None:
            for number, template in enumerate(templates):
                key = "tokenizer.chat_template" + (".tool_use" if number else "")
                writer.add_string(key, template)

        return read_header(write(tmp_path / "m.gguf", change))

    assert header("{% if tools %}{{ tools }}{% endif %}").knows_tools
    assert header("{{ messages }}", "{{ tools | tojson }}").knows_tools
    assert not header("{{ messages }}").knows_tools and not header().knows_tools
