"""The first bytes of a file that should be a GGUF: its version, else what kind of file it is.

Does not know keys or tensors. Raises ModelCorrupt that names the kind.
"""

from __future__ import annotations

import re
import struct
from typing import BinaryIO

from tierchat.errors import ModelCorrupt
from tierchat.models.gguf.reader import FETCH_AGAIN, HeaderReader

MAGIC = b"GGUF"
_OLDEST_VERSION, _NEWEST_VERSION = 2, 3
_NUM_FIRST_BYTES = 512
_MAX_SHOWN = 60
_FETCH_GGUF = "fetch a GGUF of the model; many repos of the hub have GGUF in their names"
_CONVERT = "fetch a newer GGUF of the model, or convert the original with llama.cpp"
_LOGIN = "name a GGUF; if this was downloaded, the server sent something else than the model"

# How files of other kinds begin, and what to do instead.
_KINDS = (
    (rb"lmgg", "a model in the GGML format of 2023, from before GGUF", _CONVERT),
    (rb"fmgg", "a model in the GGMF format of 2023, from before GGUF", _CONVERT),
    (rb"tjgg", "a model in the GGJT format of 2023, from before GGUF", _CONVERT),
    (rb"algg", "a LoRA adapter in the GGLA format of 2023", _CONVERT),
    (rb"nsgg|qsgg", "a saved session of llama.cpp", "name the GGUF of the model itself"),
    (rb".{8}\{\s*\"", "a file of safetensors, the format of PyTorch and transformers", _FETCH_GGUF),
    (
        rb"version https://git-lfs\.github\.com",
        "a pointer of Git LFS, which stands for the model in a clone",
        "run `git lfs pull` in the clone, or fetch the file itself",
    ),
    (
        rb"/annex/objects/|\.git/annex/",
        "a pointer of git-annex, which stands for the model in a clone",
        "run `git annex get` in the clone, or fetch the file itself",
    ),
    (rb"\s*<(!doctype|html|head|\?xml|!--)", "a web page", _LOGIN),
    (rb"\s*[\[{]\s*\"", "JSON text", _LOGIN),
    (rb"PK\x03\x04", "a zip archive, as PyTorch writes its weights", _FETCH_GGUF),
    (rb"\x80[\x02-\x05][}.(]", "a Python pickle, as PyTorch wrote its weights", _FETCH_GGUF),
    (rb"\x89HDF", "an HDF5 file, as Keras writes its weights", _FETCH_GGUF),
    (rb"\x08[\x01-\x0c]\x12|.{4}TFL3", "a model for ONNX or TensorFlow Lite", _FETCH_GGUF),
    (
        rb"\x1f\x8b|\xfd7zXZ|BZh|\x28\xb5\x2f\xfd|7z\xbc\xaf|Rar!",
        "a compressed file",
        "unpack it, and name the GGUF that is in it",
    ),
    (
        rb"\x00{512}",
        "empty inside: it begins with zeros, as a download does that has reserved its room",
        FETCH_AGAIN,
    ),
)


def check_magic(file: BinaryIO, file_bytes: int) -> None:
    """Check that a file begins as GGUFs do, and go back to its beginning."""
    if not file_bytes:
        raise ModelCorrupt("it is empty", FETCH_AGAIN)
    first = file.read(_NUM_FIRST_BYTES)
    file.seek(0)
    if first.startswith(MAGIC):
        return
    if MAGIC.startswith(first):
        raise ModelCorrupt(f"it is incomplete: {file_bytes} bytes are here", FETCH_AGAIN)
    for beginning, kind, hint in _KINDS:
        if re.match(beginning, first, re.DOTALL | re.IGNORECASE):
            raise ModelCorrupt(f"it is {kind}", hint)
    if first[257:262] == b"ustar":
        raise ModelCorrupt("it is a tar archive", "unpack it, and name the GGUF that is in it")
    if text := _text(first):
        raise ModelCorrupt(f"it is a text that begins {text!r}", _LOGIN)
    raise ModelCorrupt(f"it begins with {first[:4]!r} instead of {MAGIC!r}", _FETCH_GGUF)


def check_version(reader: HeaderReader) -> int:
    """Read magic and version; returns the version if this is one that llama.cpp reads."""
    reader.raw_bytes(len(MAGIC), "the magic")
    version = reader.u32("the version")
    if version and not version & 0xFFFF:
        (swapped,) = struct.unpack(">I", struct.pack("<I", version))
        raise ModelCorrupt(
            f"it is big-endian (GGUF version {swapped:,}), for IBM Z and other such processors",
            "fetch the little-endian file, or convert it with llama.cpp's gguf_convert_endian.py",
        )
    if 0 < version < _OLDEST_VERSION:
        raise ModelCorrupt(
            f"its GGUF version is {version}, of August 2023, which llama.cpp no longer reads",
            _CONVERT,
        )
    if _NEWEST_VERSION < version < 100:
        raise ModelCorrupt(
            f"its GGUF version is {version}; this tierchat and its llama.cpp read versions "
            f"{_OLDEST_VERSION} and {_NEWEST_VERSION}",
            "upgrade tierchat and llama-cpp-python, or fetch a GGUF of an older version",
        )
    if not version or version > _NEWEST_VERSION:
        raise ModelCorrupt(
            f"its GGUF version is {version:,}; {_OLDEST_VERSION} and {_NEWEST_VERSION} are read",
            FETCH_AGAIN,
        )
    return version


def _text(first: bytes) -> str:
    """Return the first line of what is text, such as an error of a server; else nothing."""
    try:
        line = first.decode("utf-8").strip().partition("\n")[0].strip()
    except UnicodeDecodeError:
        return ""
    if not all(char.isprintable() for char in line) or len(line) < len(MAGIC):
        return ""
    return line if len(line) <= _MAX_SHOWN else f"{line[:_MAX_SHOWN]}..."
