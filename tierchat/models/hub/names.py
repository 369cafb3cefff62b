"""Which names of repos, revisions and files on the Hugging Face hub are accepted.

Does not know the network or the disk; a bad name is refused before either is used.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from pathlib import Path

from tierchat.config.catalogue import ModelSpec
from tierchat.config.model_parts import ModelFile
from tierchat.errors import UsageError
from tierchat.paths import Paths

# A file name has at most 255 bytes, and endings such as `.wrong` are appended.
_MAX_PART_BYTES = 240
_MAX_NAME_CHARS = 255
_REPO_PART = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9._-]{0,94}[A-Za-z0-9_])?")
_REVISION = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,99}")
_SHA256 = re.compile(r"[0-9a-fA-F]{64}")
# On Windows, backslashes and colons turn a name into another path; the other characters are not
# allowed in file names.
_FORBIDDEN = frozenset('\\:<>"|?*')
_DEVICES = frozenset(
    ["con", "prn", "aux", "nul", "conin$", "conout$"]
    + [port + digit for port in ("com", "lpt") for digit in "0123456789¹²³"]
)
_NUMBER = re.compile(r"-\d{5}-of-\d{5}(?=\.gguf$)")
_HINT = "see the tab `Files` on the page of the model"


@dataclass(frozen=True)
class HubFile:
    """One GGUF of a repo at a revision, and the path where it is stored.

    `size_bytes` and `sha256` are those of the published file, None where unknown. Raises
    UsageError for names that could do harm.
    """

    repo: str
    revision: str
    file: str
    target: Path
    size_bytes: int | None = None
    sha256: str | None = None

    def __post_init__(self) -> None:
        validate_repo(self.repo)
        validate_revision(self.revision)
        validate_file_name(self.file)
        if ".." in self.target.parts or not self.target.is_absolute():
            raise _refused("path", str(self.target), "it must be absolute and without `..`")
        if self.sha256 is not None and not _SHA256.fullmatch(self.sha256):
            raise _refused("sha256", self.sha256, "it must be 64 hexadecimal digits")

    @property
    def is_here(self) -> bool:
        """Whether the target is a file of the published size, where that is known."""
        return self.target.is_file() and self.size_bytes in (None, self.target.stat().st_size)


def whole_name(file: str) -> str:
    """Return the name of a file without its folders and without the number of a part."""
    return _NUMBER.sub("", Path(file).name)


def validate_repo(name: str) -> None:
    """Raise UsageError unless this is `owner/name` as the hub writes it."""
    parts = name.split("/")
    is_sound = len(parts) == 2 and all(_REPO_PART.fullmatch(part) for part in parts)
    if not is_sound or ".." in name or "--" in name:
        raise _refused("repo", name, "it must be like owner/name")
    for part in parts:
        _refuse_device(part, "repo", name)


def validate_revision(name: str) -> None:
    """Raise UsageError unless this is a commit, branch or tag that can also name a folder."""
    if not _REVISION.fullmatch(name) or ".." in name:
        raise _refused("revision", name, "it must be a commit, a branch or a tag")


def validate_file_name(name: str) -> None:
    """Raise UsageError unless this is the path of a GGUF in a repo and allowed on every system."""
    if len(name) > _MAX_NAME_CHARS:
        raise _refused("file name", name, f"it is longer than {_MAX_NAME_CHARS} characters")
    for char in name:
        # C: control, format (such as right-to-left marks) and surrogates. Zl, Zp: line ends.
        if unicodedata.category(char) in ("Zl", "Zp") or unicodedata.category(char)[0] == "C":
            raise _refused("file name", name, "it contains control characters")
        if char in _FORBIDDEN:
            raise _refused("file name", name, f"it contains a {char}")
    for part in name.split("/"):
        _validate_part(part, name)
    if not name.lower().endswith(".gguf") or name.lower().endswith("/.gguf") or len(name) == 5:
        raise _refused("file name", name, "it must end in .gguf")


def _validate_part(part: str, name: str) -> None:
    if part in ("", ".", ".."):
        raise _refused("file name", name, "it must be a path inside the repo")
    if part != part.strip() or part.endswith("."):
        raise _refused("file name", name, "a part begins or ends with a blank, or ends with a dot")
    if len(part.encode()) > _MAX_PART_BYTES:
        raise _refused("file name", name, f"a part is longer than {_MAX_PART_BYTES} bytes")
    _refuse_device(part, "file name", name)


def _refuse_device(part: str, kind: str, name: str) -> None:
    # Windows opens the device whatever follows the first dot.
    if part.split(".")[0].rstrip().casefold() in _DEVICES:
        raise _refused(kind, name, "Windows reserves that name for a device")


def _refused(kind: str, name: str, why: str) -> UsageError:
    shown = repr(name) if len(name) <= 80 else f"{name[:77]!r}..."
    return UsageError(f"refusing the {kind} {shown}: {why}", _HINT)


def hub_files(spec: ModelSpec, paths: Paths) -> tuple[HubFile, ...]:
    """Return the hub's files of a model in the catalogue; raises UsageError for refused names."""
    return tuple(_hub_file(spec, file, paths) for file in spec.files)


def _hub_file(spec: ModelSpec, file: ModelFile, paths: Paths) -> HubFile:
    target = Path(file.file)
    if not target.is_relative_to(paths.models_dir):
        raise UsageError(
            f"refusing the file name {file.file!r}: it must be a path inside the repo",
            "correct `file` in your models.toml",
        )
    folder = paths.models_dir / target.relative_to(paths.models_dir).parts[0]
    return HubFile(
        repo=spec.repo,
        revision=spec.revision or "main",
        file=str(target.relative_to(folder)),
        target=target,
        size_bytes=file.bytes or None,
        sha256=file.sha256,
    )
