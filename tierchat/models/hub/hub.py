"""The Hugging Face hub: the description of its files, and their bytes from any offset on.

Does not know where files are stored or whether their bytes are right; it sends each request once
and never retries. The only seam to `huggingface_hub` and `httpx`: their errors end here.
"""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tierchat import __version__
from tierchat.errors import ModelMissing, NetworkError, TierchatError, UsageError
from tierchat.models.hub.names import HubFile, validate_revision

if TYPE_CHECKING:
    import httpx

_ENDPOINT = "https://huggingface.co"
_CONNECT_TIMEOUT_S = 10.0
_READ_TIMEOUT_S = 30.0
_MAX_REDIRECTS = 5
# The values of an environment variable that huggingface_hub reads as yes.
_TRUE = frozenset(["1", "ON", "YES", "TRUE"])
_SHA256 = re.compile(r"[0-9a-f]{64}")
_CONTENT_RANGE = re.compile(r"bytes (\d{1,18})-\d{1,18}/(\d{1,18})")


class PassingFault(NetworkError):
    """A failure of the network or the hub that may not happen at the next try."""

    def __init__(self, message: str, retry_after_s: float = 0) -> None:
        super().__init__(message, "try again later: what has arrived is kept")
        self.retry_after_s = retry_after_s


class RangeRefused(PassingFault):
    """The file on the hub ends before the requested offset."""


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


class Hub:
    """The hub at HF_ENDPOINT, used with the token of HF_TOKEN or of `hf auth login`."""

    def __init__(self, env: Mapping[str, str]) -> None:
        self._env = env
        self._endpoint = (env.get("HF_ENDPOINT") or _ENDPOINT).rstrip("/")
        if not re.match("https?://[^/]", self._endpoint):
            raise UsageError(
                f"HF_ENDPOINT is {self._endpoint!r}", f"set it to an address like {_ENDPOINT}"
            )

    def describe(self, repo: str, revision: str, file: str) -> Published:
        """Ask for a file's size, sha256 and commit.

        Raises PassingFault, NetworkError or ModelMissing.
        """
        with self._hub_errors(repo, revision, file):
            from huggingface_hub import get_hf_file_metadata

            metadata = get_hf_file_metadata(
                self._url(repo, revision, file),
                timeout=_CONNECT_TIMEOUT_S,
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
            info = api.model_info(repo, revision=revision, timeout=_READ_TIMEOUT_S)
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
        with self._opened(file, offset) as response:
            self._refuse(response, file, offset)
            blocks = response.iter_raw()
            if response.status_code == 206:
                match = _CONTENT_RANGE.fullmatch(response.headers.get("content-range", ""))
                start, total = (int(match[1]), int(match[2])) if match else (None, None)
                yield Body(start, total, blocks)
            else:
                length = response.headers.get("content-length", "")
                yield Body(0, int(length) if length.isdecimal() else None, blocks)

    @contextlib.contextmanager
    def _opened(self, file: HubFile, offset: int) -> Iterator[httpx.Response]:
        import httpx

        timeout = httpx.Timeout(_READ_TIMEOUT_S, connect=_CONNECT_TIMEOUT_S)
        headers = {**self._headers(), "accept-encoding": "identity"}
        if offset:
            headers["range"] = f"bytes={offset}-"
        with _network_errors(file), httpx.Client(timeout=timeout) as client:
            url = httpx.URL(self._url(file.repo, file.revision, file.file))
            for _ in range(_MAX_REDIRECTS + 1):
                if not self._is_home(url):
                    # Never sent again: a foreign host that redirects back to the hub could choose
                    # the address that gets the token.
                    headers.pop("authorization", None)
                with client.stream("GET", url, headers=headers) as response:
                    if not response.has_redirect_location:
                        yield response
                        return
                    url = _redirected(url, response.headers["location"])
            raise NetworkError(
                f"the hub redirects more than {_MAX_REDIRECTS} times for {file.file}"
            )

    def _refuse(self, response: httpx.Response, file: HubFile, offset: int) -> None:
        """Raise the error for a response that does not contain the bytes."""
        if response.status_code in (200, 206):
            return
        if response.status_code == 416 and offset:
            raise RangeRefused(f"{file.file} on the hub ends before byte {offset:,}")
        if not self._is_home(response.url) and response.status_code < 500:
            raise NetworkError(
                f"{response.url.host} refuses {file.file} (HTTP {response.status_code})",
                "try again: the hub signs a new address for each download",
            )
        raise self._refusal(
            response.status_code, response.headers, file.repo, file.revision, file.file
        )

    def _refusal(
        self, status: int, headers: Mapping[str, str], repo: str, revision: str, file: str | None
    ) -> TierchatError:
        page = f"{self._endpoint}/{repo}"
        if status in (408, 429) or status >= 500:
            after = headers.get("retry-after", "")
            wait_s = float(after) if after.isdecimal() and len(after) < 9 else 0.0
            return PassingFault(f"the hub cannot serve {repo} now (HTTP {status})", wait_s)
        if status == 401:
            why = "HF_TOKEN is refused" if self._token() else "it is private, gated or missing"
            return NetworkError(
                f"the hub refuses access to {repo}: {why} (HTTP 401)",
                f"see {page}, and set HF_TOKEN to a token from {self._endpoint}/settings/tokens",
            )
        if status == 403:
            return NetworkError(
                f"the hub refuses access to {repo} (HTTP 403)",
                f"accept the licence at {page}, and set HF_TOKEN to a token that may read it",
            )
        if status == 404:
            return ModelMissing(
                f"the hub has no {_missing(headers, repo, revision, file)}", f"see {page}"
            )
        return NetworkError(f"the hub answers HTTP {status} for {repo}", f"see {page}")

    def _token(self) -> str | None:
        if self._env.get("HF_TOKEN"):
            return self._env["HF_TOKEN"].strip()
        if is_switched_on(self._env, "HF_HUB_DISABLE_IMPLICIT_TOKEN"):
            return None
        from huggingface_hub import get_token

        return get_token()

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

    def _is_home(self, url: httpx.URL) -> bool:
        import httpx

        return _origin(url) == _origin(httpx.URL(self._endpoint))

    @contextlib.contextmanager
    def _hub_errors(self, repo: str, revision: str, file: str | None) -> Iterator[None]:
        _import_hub()
        from huggingface_hub import close_session
        from huggingface_hub.errors import HfHubHTTPError, HTTPError  # type: ignore[attr-defined]

        try:
            yield
        except HfHubHTTPError as error:
            response = error.response
            raise self._refusal(
                response.status_code, response.headers, repo, revision, file
            ) from error
        except (HTTPError, OSError) as error:
            raise PassingFault(f"cannot reach {self._endpoint}: {_say(error)}") from error
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise NetworkError(
                f"{self._endpoint} does not answer like a hub: {_say(error)}",
                "check HF_ENDPOINT",
            ) from error
        finally:
            # The session would keep its connections until Python ends.
            close_session()


def _import_hub() -> None:
    from huggingface_hub import constants

    # With telemetry, the library also asks huggingface.co, whatever the endpoint, which program
    # runs it, and each request lists the other libraries that are installed.
    constants.HF_HUB_DISABLE_TELEMETRY = True


@contextlib.contextmanager
def _network_errors(file: HubFile) -> Iterator[None]:
    import httpx

    try:
        yield
    except httpx.TransportError as error:
        raise PassingFault(f"the connection failed for {file.file}: {_say(error)}") from error
    except (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError) as error:
        raise NetworkError(f"cannot fetch {file.file}: {_say(error)}") from error


def _redirected(url: httpx.URL, location: str) -> httpx.URL:
    target = url.join(location)
    if target.scheme not in ("http", "https") or not target.host:
        raise NetworkError(f"the hub redirects to {ascii(location)[:80]}, which is no web address")
    if url.scheme == "https" and target.scheme == "http":
        raise NetworkError(f"the hub redirects from https to http, at {target.host}")
    return target


def _origin(url: httpx.URL) -> tuple[str, str, int]:
    return url.scheme, url.host, url.port or {"http": 80, "https": 443}.get(url.scheme, 0)


def _missing(headers: Mapping[str, str], repo: str, revision: str, file: str | None) -> str:
    match headers.get("x-error-code"):
        case "RevisionNotFound":
            return f"revision {revision} of {repo}"
        case "RepoNotFound":
            return f"repo {repo}"
        case _:
            return f"{file} in {repo} at {revision}" if file else f"repo {repo}"


def _say(error: Exception) -> str:
    return str(error).strip().split("\n")[0] or type(error).__name__
