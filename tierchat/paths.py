"""Where tierchat keeps its files: config, data, state and the daemon's socket.

Does not read or write them, except to make a directory private.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tierchat.errors import UnsafePath

# sun_path holds 108 bytes, the last one a NUL.
_MAX_SOCKET_BYTES = 107
_HINT = "set TIERCHAT_HOME to a directory you own"


@dataclass(frozen=True)
class Paths:
    """The directories of one user, and the files in them."""

    config_dir: Path
    data_dir: Path
    state_dir: Path
    cache_dir: Path
    runtime_dir: Path

    @property
    def config_file(self) -> Path:
        return self.config_dir / "config.toml"

    @property
    def models_file(self) -> Path:
        """The user's own models and cascades, beside the shipped ones."""
        return self.config_dir / "models.toml"

    @property
    def socket(self) -> Path:
        return self.runtime_dir / "daemon.sock"

    @property
    def daemon_lock(self) -> Path:
        """Locked by the running daemon for as long as it lives."""
        return self.runtime_dir / "daemon.lock"

    @property
    def start_lock(self) -> Path:
        """Locked by whoever is starting a daemon."""
        return self.runtime_dir / "start.lock"

    @property
    def gates_dir(self) -> Path:
        """Learned gates, one file a cascade."""
        return self.data_dir / "gates"

    @property
    def models_dir(self) -> Path:
        """Model files that were downloaded."""
        return self.data_dir / "models"

    @property
    def added_models_file(self) -> Path:
        """The models that `add` made known; written by us, unlike the user's own."""
        return self.data_dir / "models.toml"

    @property
    def cascade_file(self) -> Path:
        """The name of the cascade that `pull` chose."""
        return self.data_dir / "cascade"

    @property
    def outcomes_file(self) -> Path:
        """What tiers answered to the prompts of `train` and `eval`."""
        return self.data_dir / "outcomes.sqlite"

    @property
    def log_file(self) -> Path:
        """Saved conversations."""
        return self.data_dir / "log.sqlite"

    @property
    def history_file(self) -> Path:
        """What was typed into the chat."""
        return self.state_dir / "history"

    @property
    def templates_dir(self) -> Path:
        """The user's templates, one file each."""
        return self.config_dir / "templates"

    @property
    def daemon_log(self) -> Path:
        return self.state_dir / "daemon.log"

    @property
    def crash_log(self) -> Path:
        return self.state_dir / "crash.log"

    @property
    def machine_file(self) -> Path:
        """What this machine taught us, such as kernels that it cannot run."""
        return self.state_dir / "machine.json"

    @property
    def verified_file(self) -> Path:
        """Which model files were found to have the right sha256."""
        return self.state_dir / "verified.json"


def find_paths(env: Mapping[str, str]) -> Paths:
    """Choose the directories from the environment; creates nothing.

    TIERCHAT_HOME puts all of them below one directory. Otherwise the platform's own places are
    used, and the runtime directory only if it is ours alone. Raises UnsafePath without a home.
    """
    home = env.get("TIERCHAT_HOME")
    if home:
        root = Path(os.path.abspath(os.path.expanduser(home)))
        return Paths(
            config_dir=root / "config",
            data_dir=root / "data",
            state_dir=root / "state",
            cache_dir=root / "cache",
            runtime_dir=_short_enough(root / "run"),
        )
    from platformdirs import PlatformDirs

    dirs = PlatformDirs("tierchat", appauthor=False)
    try:
        return Paths(
            config_dir=Path(dirs.user_config_dir),
            data_dir=Path(dirs.user_data_dir),
            state_dir=Path(dirs.user_state_dir),
            cache_dir=Path(dirs.user_cache_dir),
            runtime_dir=_runtime_dir(env.get("XDG_RUNTIME_DIR")),
        )
    except RuntimeError as error:
        # A user id without HOME and without a line in the password file, as in some containers.
        raise UnsafePath("there is no home directory: HOME is not set", _HINT) from error


def make_private(directory: Path) -> None:
    """Create a directory for us alone (0700), missing parents too; an existing one must be ours.

    Raises UnsafePath when it cannot be made or written, when it or a link in its place belongs
    to someone else, or when it is a directory of the system.
    """
    try:
        _make_missing(directory)
        owners = {directory.lstat().st_uid, directory.stat().st_uid} - {os.getuid()}
        if owners:
            raise UnsafePath(
                f"{directory} belongs to user {owners.pop()}, not to you", f"remove it, or {_HINT}"
            )
        if stat.S_IMODE(directory.stat().st_mode) & 0o777 != 0o700:
            _close_to_others(directory)
    except OSError as error:
        raise UnsafePath(f"cannot write {directory}: {error.strerror or error}", _HINT) from error
    # The mode says yes on a file system that is mounted read-only.
    if not os.access(directory, os.W_OK | os.X_OK):
        raise UnsafePath(f"cannot write {directory}: it is read-only", _HINT)


def _make_missing(directory: Path) -> None:
    # `mkdir(parents=True)` would make the parents for everyone to read.
    missing = [parent for parent in directory.parents if not parent.exists()]
    for parent in (*reversed(missing), directory):
        parent.mkdir(mode=0o700, exist_ok=True)


def _close_to_others(directory: Path) -> None:
    real = directory.resolve()
    if real.parent == real.parent.parent or real.stat().st_mode & stat.S_ISVTX:
        # Such as /tmp: closing it to others would break the machine.
        raise UnsafePath(
            f"{directory} is a directory of the system", "set TIERCHAT_HOME to another directory"
        )
    directory.chmod(0o700)


def _runtime_dir(xdg: str | None) -> Path:
    if xdg and _is_ours_alone(Path(xdg)):
        return _short_enough(Path(xdg) / "tierchat")
    return _temporary() / f"tierchat-{os.getuid()}"


def _is_ours_alone(directory: Path) -> bool:
    try:
        found = directory.stat()
    except OSError:
        return False
    is_ours = found.st_uid == os.getuid() and not found.st_mode & 0o077
    return directory.is_absolute() and stat.S_ISDIR(found.st_mode) and is_ours


def _short_enough(runtime_dir: Path) -> Path:
    """Fall back to a short name where a Unix socket's path would not fit."""
    if len(os.fsencode(runtime_dir / "daemon.sock")) <= _MAX_SOCKET_BYTES:
        return runtime_dir
    import hashlib

    digest = hashlib.sha256(os.fsencode(runtime_dir)).hexdigest()[:8]
    return _temporary() / f"tierchat-{os.getuid()}-{digest}"


def _temporary() -> Path:
    # Every command imports this module; few need a temporary directory.
    import tempfile

    return Path(tempfile.gettempdir())
