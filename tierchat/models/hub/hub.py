"""The Hugging Face hub: the description of its files, and their bytes from any offset on.

Does not know where files are stored or whether their bytes are right; it sends each request once
and never retries. The only seam to `huggingface_hub`: its errors end here.
"""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from tierchat import __version__
from tierchat.errors import NetworkError, UsageError
from tierchat.models.hub.connections import CONNECT_TIMEOUT_S, READ_TIMEOUT_S, Connections
from tierchat.models.hub.names import HubFile, validate_revision
from tierchat.models.hub.network import NetworkSettings
from tierchat.models.hub.refusals import RangeRefused, Refusals, first_line

if TYPE_CHECKING:
    from tierchat.models.hub.connections import Response

_ENDPOINT = "https://huggingface.co"
# The values of an environment variable that huggingface_hub reads as yes.
_TRUE = frozenset(["1", "ON", "YES", "TRUE"])
OFFLINE_VARIABLES = ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_CONTENT_RANGE = re.compile(r"bytes (\d{1,18})-\d{1,18}/(\d{1,18})")


@dataclass(frozen=True)
class Published:
    """The hub's description of one file; small files that git itself stores have no `sha256`."""

    repo: str
    commit: str
    file: str
    size_bytes: int
    sha256: str | None


@dataclass(frozen=True)
class Body:
    """A response being received: the offset of its first byte, and the size of the whole file.

    `start` is None where the hub gives no valid offset.
    """

    start: int | None
    total_bytes: int | None
    blocks: Iterator[bytes]


def is_switched_on(env: Mapping[str, str], *names: str) -> bool:
    """Whether the first of these environment variables that has a value means yes."""
    return next((env[name] for name in names if env.get(name)), "").upper() in _TRUE


def is_offline(env: Mapping[str, str]) -> bool:
    """Whether the environment forbids to use the network."""
    return is_switched_on(env, *OFFLINE_VARIABLES)


class Hub:
    """The hub at HF_ENDPOINT, used with the token of HF_TOKEN or of `hf auth login`."""

    def __init__(self, env: Mapping[str, str]) -> None:
        self._env = env
        self._endpoint = _endpoint(env)
        self._connections = Connections(NetworkSettings(env), self._endpoint)

    def describe(self, repo: str, revision: str, file: str) -> Published:
        """Ask for a file's size, sha256 and commit.

        Raises PassingFault, NetworkError or ModelMissing.
        """
        with self._hub_errors(repo, revision, file):
            from huggingface_hub import get_hf_file_metadata

            metadata = get_hf_file_metadata(
                self._url(repo, revision, file),
                timeout=CONNECT_TIMEOUT_S,
                headers=self._headers(),
                token=False,
                endpoint=self._endpoint,
            )
            commit, size_bytes, etag = (
                metadata.commit_hash or revision,
                metadata.size,
                metadata.etag or "",
            )
            validate_revision(commit)
        if size_bytes is None or size_bytes < 1:
            raise NetworkError(f"the hub gives no size for {repo}/{file}")
        sha256 = etag.lower() if _SHA256.fullmatch(etag.lower()) else None
        return Published(repo, commit, file, size_bytes, sha256)

    def list_files(self, repo: str, revision: str) -> list[str]:
        """List all files of a repo; their names are not checked.

        Raises PassingFault, NetworkError or ModelMissing.
        """
        with self._hub_errors(repo, revision, None):
            from huggingface_hub import HfApi

            api = HfApi(self._endpoint, token=self._token() or False, library_name="tierchat")
            info = api.model_info(repo, revision=revision, timeout=READ_TIMEOUT_S)
            return [str(sibling.rfilename) for sibling in info.siblings or []]

    def cached(self, file: HubFile) -> list[Path]:
        """Find a file of this revision, or of the same sha256, in the Hugging Face cache."""
        _import_hub()
        from huggingface_hub import constants, try_to_load_from_cache

        cache = self._env.get("HF_HUB_CACHE") or constants.HF_HUB_CACHE
        directory = Path(os.path.expanduser(cache))
        found = try_to_load_from_cache(file.repo, file.file, directory, file.revision)
        # Blobs are named by their hash, so any commit may have brought this one.
        folder = directory / f"models--{file.repo.replace('/', '--')}"
        blob = folder / "blobs" / (file.sha256 or "-").lower()
        if isinstance(found, str):
            return [Path(found)]
        return [blob] if blob.is_file() else []

    @contextlib.contextmanager
    def body(self, file: HubFile, offset: int) -> Iterator[Body]:
        """Request a file's bytes from an offset on; `start` is where the hub's response begins.

        Raises RangeRefused, NetworkError, ModelMissing, and PassingFault, also while blocks are
        read.
        """
        headers = {**self._headers(), "accept-encoding": "identity"}
        if offset:
            headers["range"] = f"bytes={offset}-"
        url = self._url(file.repo, file.revision, file.file)
        with self._connections.stream(url, headers, file.file) as response:
            self._refuse(response, file, offset)
            blocks = response.iter_raw()
            if response.status_code == 206:
                match = _CONTENT_RANGE.fullmatch(response.headers.get("content-range", ""))
                start, total = (int(match[1]), int(match[2])) if match else (None, None)
                yield Body(start, total, blocks)
            else:
                length = response.headers.get("content-length", "")
                yield Body(0, int(length) if length.isdecimal() else None, blocks)

    def _refuse(self, response: Response, file: HubFile, offset: int) -> None:
        """Raise the error for a response that does not contain the bytes."""
        if response.status_code in (200, 206):
            return
        if response.status_code == 416 and offset:
            raise RangeRefused(f"{file.file} on the hub ends before byte {offset:,}")
        if not self._connections.is_home(response.url) and response.status_code < 500:
            raise NetworkError(
                f"{response.url.host} refuses {file.file} (HTTP {response.status_code})",
                "try again: the hub signs a new address for each download",
            )
        raise self._refusals.of_status(
            response.status_code, response.headers, file.repo, file.revision, file.file
        )

    @property
    def _refusals(self) -> Refusals:
        return Refusals(self._endpoint, has_token=bool(self._token()))

    def _token(self) -> str | None:
        if self._env.get("HF_TOKEN"):
            return _sound_token(self._env["HF_TOKEN"].strip(), "HF_TOKEN")
        if is_switched_on(self._env, "HF_HUB_DISABLE_IMPLICIT_TOKEN"):
            return None
        from huggingface_hub import get_token

        return _sound_token(get_token() or "", "the token of `hf auth login`")

    def _headers(self) -> dict[str, str]:
        from huggingface_hub.utils import build_hf_headers  # type: ignore[attr-defined]

        _import_hub()
        token = self._token() or False
        headers = build_hf_headers(
            token=token, library_name="tierchat", library_version=__version__
        )
        return {name.lower(): value for name, value in headers.items()}

    def _url(self, repo: str, revision: str, file: str) -> str:
        from huggingface_hub import hf_hub_url

        return hf_hub_url(repo, file, revision=revision, endpoint=self._endpoint)

    @contextlib.contextmanager
    def _hub_errors(self, repo: str, revision: str, file: str | None) -> Iterator[None]:
        """Let `huggingface_hub` ask with our proxies and certificates, and map its errors."""
        _import_hub()
        from huggingface_hub import close_session, set_client_factory
        from huggingface_hub.errors import HfHubHTTPError

        with self._connections.for_library(self._endpoint) as client:
            set_client_factory(lambda: client)
            try:
                yield
            except HfHubHTTPError as error:
                status, headers = error.response.status_code, error.response.headers
                raise self._refusals.of_status(status, headers, repo, revision, file) from error
            except (ValueError, TypeError, KeyError, AttributeError) as error:
                raise NetworkError(
                    f"{self._endpoint} does not answer like a hub: {first_line(error)}",
                    "check HF_ENDPOINT",
                ) from error
            finally:
                # The session would keep its connections until Python ends.
                close_session()


def _endpoint(env: Mapping[str, str]) -> str:
    """Return the address of the hub; raises UsageError for one that is no web address."""
    endpoint = (env.get("HF_ENDPOINT") or _ENDPOINT).strip().rstrip("/")
    try:
        parts = urlsplit(endpoint)
        is_sound = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        is_sound = False
    if not is_sound or not endpoint.isprintable() or " " in endpoint:
        raise UsageError(
            f"HF_ENDPOINT is {endpoint!a}, which is no web address",
            f"set it to an address like {_ENDPOINT}, or unset it",
        )
    return endpoint


def _sound_token(token: str, source: str) -> str | None:
    """Refuse a token that cannot stand in a header; raises NetworkError without showing it."""
    bad = next((i for i, char in enumerate(token) if not "!" <= char <= "~"), None)
    if bad is not None:
        raise NetworkError(
            f"{source} is no token: character {bad + 1} of {len(token)} is {token[bad]!a}",
            "copy the token again, as one word without quotes, blanks or line breaks",
        )
    return token or None


def _import_hub() -> None:
    from huggingface_hub import constants

    # With telemetry, the library also asks huggingface.co, whatever the endpoint, which program
    # runs it, and each request lists the other libraries that are installed.
    constants.HF_HUB_DISABLE_TELEMETRY = True
