"""Where tierchat keeps its files: config, data, state and the daemon's socket.

Does not read or write files; it only makes directories private.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tierchat.errors import UnsafePath

# sun_path holds 108 bytes on Linux and 104 on macOS, the last of them a NUL.
_MAX_SOCKET_BYTES = 103
_HINT = "set TIERCHAT_HOME to a directory you own"


@dataclass(frozen=True)
class Paths:
    """The directories of one user, and the files in them."""

    config_dir: Path
    data_dir: Path
    state_dir: Path
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
        """Locked by the running daemon until it ends."""
        return self.state_dir / "daemon.lock"

    @property
    def start_lock(self) -> Path:
        """Locked by the process that is starting a daemon."""
        return self.state_dir / "start.lock"

    @property
    def writer_lock(self) -> Path:
        """Locked by the daemon that writes the conversations of this data directory."""
        return self.data_dir / "daemon.lock"

    @property
    def home_id(self) -> str:
        """The directories of this home in a form that fits a header: equal for equal homes."""
        places = (self.config_dir, self.data_dir, self.state_dir)
        return os.fsencode("\0".join(os.path.realpath(place) for place in places)).hex()

    @property
    def gates_dir(self) -> Path:
        """Learned gates, one file per cascade."""
        return self.data_dir / "gates"

    @property
    def teach_file(self) -> Path:
        """Which cascades teach themselves."""
        return self.data_dir / "teach.json"

    @property
    def approvals_file(self) -> Path:
        """Which tools may be called without a question."""
        return self.data_dir / "approvals.json"

    @property
    def calls_log(self) -> Path:
        """Every call of a tool, one JSON object a line."""
        return self.state_dir / "tool-calls.jsonl"

    @property
    def lessons_dir(self) -> Path:
        """Which cascades are taught now, and how far their lessons are."""
        return self.data_dir / "lessons"

    def lesson_lock(self, cascade: str) -> Path:
        """Locked by the process that teaches a cascade."""
        return self.lessons_dir / f"{cascade}.lock"

    def lesson_state(self, cascade: str) -> Path:
        """How far the lesson of a cascade is."""
        return self.lessons_dir / f"{cascade}.json"

    def unused_gate(self, cascade: str) -> Path:
        """A gate that a lesson made and that is not worth its use."""
        return self.lessons_dir / f"{cascade}.gate.json"

    @property
    def models_dir(self) -> Path:
        """Downloaded model files."""
        return self.data_dir / "models"

    @property
    def added_models_file(self) -> Path:
        """Models that `add` registered; tierchat writes this file, never the user's own."""
        return self.data_dir / "models.toml"

    @property
    def cascade_file(self) -> Path:
        """The name of the cascade that `pull` chose."""
        return self.data_dir / "cascade"

    @property
    def outcomes_file(self) -> Path:
        """The tiers' answers to the prompts of `train` and `eval`."""
        return self.data_dir / "outcomes.sqlite"

    @property
    def log_file(self) -> Path:
        """Saved conversations."""
        return self.data_dir / "log.sqlite"

    @property
    def key_file(self) -> Path:
        """The key that clients of the endpoint show over TCP."""
        return self.data_dir / "serve.key"

    @property
    def history_file(self) -> Path:
        """What was typed into the chat."""
        return self.state_dir / "history"

    @property
    def templates_dir(self) -> Path:
        """The user's templates, one file per template."""
        return self.config_dir / "templates"

    @property
    def daemon_log(self) -> Path:
        return self.state_dir / "daemon.log"

    @property
    def crash_log(self) -> Path:
        return self.state_dir / "crash.log"

    @property
    def machine_file(self) -> Path:
        """Quirks of this machine, such as kernels that it cannot run."""
        return self.state_dir / "machine.json"

    @property
    def speeds_file(self) -> Path:
        """How fast each model was on this machine."""
        return self.state_dir / "speeds.json"

    @property
    def verified_file(self) -> Path:
        """The hashes of model files that were checked."""
        return self.state_dir / "verified.json"


def find_paths(env: Mapping[str, str]) -> Paths:
    """Choose the directories from the environment; creates nothing.

    TIERCHAT_HOME puts all of them below one directory. Otherwise they are the platform's own. The
    socket lies in the home, too: a home has one daemon, whatever else the environment says. Raises
    UnsafePath without a home directory.
    """
    home = env.get("TIERCHAT_HOME")
    if home:
        root = Path(os.path.abspath(os.path.expanduser(home)))
        return Paths(
            config_dir=root / "config",
            data_dir=root / "data",
            state_dir=root / "state",
            runtime_dir=_runtime_dir(root),
        )
    from platformdirs import PlatformDirs

    dirs = PlatformDirs("tierchat", appauthor=False)
    try:
        return Paths(
            config_dir=Path(dirs.user_config_dir),
            data_dir=Path(dirs.user_data_dir),
            state_dir=Path(dirs.user_state_dir),
            runtime_dir=_runtime_dir(Path(dirs.user_state_dir)),
        )
    except RuntimeError as error:
        # A user id without HOME and without a line in the password file, as in some containers.
        raise UnsafePath("there is no home directory: HOME is not set", _HINT) from error


def make_private(directory: Path) -> None:
    """Make a directory that only this user can enter (0700), and its missing parents.

    Raises UnsafePath when the directory cannot be made or written, when it or a link in its place
    belongs to another user, or when it is a directory of the system.
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
    # The mode does not show that a file system is mounted read-only.
    if not os.access(directory, os.W_OK | os.X_OK):
        raise UnsafePath(f"cannot write {directory}: it is read-only", _HINT)


def _make_missing(directory: Path) -> None:
    # `mkdir(parents=True)` would make parents that every user can read.
    missing = [parent for parent in directory.parents if not parent.exists()]
    for parent in (*reversed(missing), directory):
        parent.mkdir(mode=0o700, exist_ok=True)


def _close_to_others(directory: Path) -> None:
    real = directory.resolve()
    if real.parent == real.parent.parent or real.stat().st_mode & stat.S_ISVTX:
        # For example /tmp: closing it to others would break the machine.
        raise UnsafePath(
            f"{directory} is a directory of the system", "set TIERCHAT_HOME to another directory"
        )
    directory.chmod(0o700)


def _runtime_dir(home: Path) -> Path:
    """Return the directory of the socket: in the home, or a short one if its path is too long.

    Links are followed, so that one home has one socket under all of its names. The short one is in
    /tmp, not in TMPDIR, which may differ from one command to the next.
    """
    directory = Path(os.path.realpath(home)) / "run"
    if len(os.fsencode(directory / "daemon.sock")) <= _MAX_SOCKET_BYTES:
        return directory
    import hashlib

    digest = hashlib.sha256(os.fsencode(directory)).hexdigest()[:16]
    return Path("/tmp") / f"tierchat-{os.getuid()}-{digest}"


def shown(path: Path) -> str:
    """Return a path as text that can be sent and printed, whatever bytes it is made of."""
    return os.fsencode(path).decode("utf-8", "backslashreplace")
