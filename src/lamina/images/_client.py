"""The pull side of the OCI distribution protocol: manifests, and blobs that are proved while they arrive."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import BinaryIO, TypeVar
from urllib.parse import urljoin, urlsplit

from lamina.images._authorization import Authorization
from lamina.images._connections import Connections, Response
from lamina.images._faults import Bad, Denied, Missing, Unreachable
from lamina.images._limits import ImageLimits
from lamina.images._manifest import ACCEPT, Layer
from lamina.images._registries import Registry, is_loopback

_T = TypeVar("_T")
_WAITS = (0.1, 0.5, 2.0)  # seconds before each further attempt
_LONGEST_WAIT = 30.0
_MOST_REDIRECTS = 5
_REDIRECTS = {301, 302, 303, 307, 308}
_AGAIN = {408, 425, 429, 500, 502, 503, 504}
_PIECE = 1 << 17
_PROGRESS = 1 << 20  # bytes after which a broken transfer counts as a new one
_LARGEST_TOKEN = 1 << 20


class Client:
    """One repository of one registry, for one operation of at most ``seconds``. Blocks; threads may share it."""

    def __init__(self, registry: Registry, repository: str, limits: ImageLimits, seconds: float) -> None:
        self._base = registry.base
        self._path = f"{registry.base}/v2/{registry.repository(repository)}"
        self._limits = limits
        self._connections = Connections(registry, limits, seconds)
        self._authorization = Authorization(registry, registry.repository(repository), self._fetch_token)

    def manifest(self, reference: str) -> tuple[bytes, str, str]:
        """The manifest at a tag or digest: its bytes, its digest (``sha256:…``) and its media type.

        Raises ``Missing``, ``Denied``, ``Bad`` when it is not what its digest says, and ``Unreachable``.
        """
        url = f"{self._path}/manifests/{reference}"
        data, headers = self._persist(lambda: self._read(url, {"Accept": ACCEPT}, self._limits.manifest))
        digest = f"sha256:{hashlib.sha256(data).hexdigest()}"
        named = reference if ":" in reference else headers.get("Docker-Content-Digest", digest)
        if named.startswith("sha256:") and named != digest:
            raise Bad(f"the manifest {named} has the digest {digest}")
        return data, digest, headers.get("Content-Type", "").partition(";")[0].strip().lower()

    def blob(self, digest: str, size: int) -> bytes:
        """A small blob. Raises as ``manifest`` does."""
        data, _ = self._persist(lambda: self._read(f"{self._path}/blobs/{digest}", {}, size))
        _check_blob(digest, size, data_size=len(data), data_hash=hashlib.sha256(data).hexdigest())
        return data

    def download(self, layer: Layer, file: BinaryIO) -> None:
        """Write a layer's blob to an empty file; a broken transfer goes on where it broke. Raises as the others."""
        transfer = _Transfer(layer, file, self._limits)
        failures = 0
        while not transfer.complete:
            start = transfer.received
            try:
                self._transfer(transfer)
            except Unreachable as fault:
                failures = 0 if transfer.received - start >= _PROGRESS else failures + 1
                if fault.retry_after is None or failures > len(_WAITS):
                    raise
                self._pause(fault, _WAITS[max(failures, 1) - 1])
        transfer.finish()

    def close(self) -> None:
        """End every request, whoever waits for it."""
        self._connections.close()

    def _transfer(self, transfer: _Transfer) -> None:
        with self._open(f"{self._path}/blobs/{transfer.digest}", transfer.headers()) as response:
            transfer.start(response.status, response.headers.get("Content-Range", ""))
            while piece := response.read(_PIECE):
                transfer.add(piece)
        if not transfer.complete:
            raise Unreachable(f"the blob {transfer.digest} ended after {transfer.received} of {transfer.size} bytes")

    def _persist(self, step: Callable[[], _T]) -> _T:
        """Do ``step`` again while asking again may help."""
        for wait in _WAITS:
            try:
                return step()
            except Unreachable as fault:
                if fault.retry_after is None:
                    raise
                self._pause(fault, wait)
        return step()

    def _pause(self, fault: Unreachable, wait: float) -> None:
        self._connections.pause(min(max(wait, fault.retry_after or 0), _LONGEST_WAIT))

    def _read(self, url: str, headers: dict[str, str], most: int) -> tuple[bytes, dict[str, str]]:
        with self._open(url, headers) as response:
            data = response.body(most)
            return data, {name.title(): value for name, value in response.headers.items()}

    @contextmanager
    def _open(self, url: str, headers: dict[str, str]) -> Iterator[Response]:
        """A successful response to a request with authorization, which is renewed once."""
        used = self._authorization.headers
        with self._follow(url, {**headers, **used}) as response:
            if response.status != 401:
                yield _checked(response)
                return
            challenges = response.headers.getlist("WWW-Authenticate")
            foreign = not _same_origin(response.url, self._base)
        if foreign:
            raise Denied("a server that the registry sends to wants credentials")
        if self._authorization.headers is used:  # else another thread has renewed it meanwhile
            self._authorization.answer(challenges)
        with self._follow(url, {**headers, **self._authorization.headers}) as response:
            yield _checked(response)

    @contextmanager
    def _follow(self, url: str, headers: dict[str, str]) -> Iterator[Response]:
        """A response behind all redirects. The authorization stays with the host that it was made for."""
        headers = {"Accept-Encoding": "identity", "User-Agent": "lamina", **headers}
        for _ in range(_MOST_REDIRECTS + 1):
            with self._connections.get(url, headers) as response:
                location = response.headers.get("Location") if response.status in _REDIRECTS else None
                if location is None:
                    yield response
                    return
            target = _redirected(url, location)
            if not _same_origin(url, target):
                headers.pop("Authorization", None)
            url = target
        raise Unreachable("too many redirects", None)

    def _fetch_token(self, url: str, headers: dict[str, str]) -> bytes:
        with self._follow(url, headers) as response:
            if response.status in (400, 401, 403, 404):
                raise Denied(f"the token server answers {response.status}")
            return _checked(response).body(_LARGEST_TOKEN)


class _Transfer:
    """One blob on its way into a file."""

    def __init__(self, layer: Layer, file: BinaryIO, limits: ImageLimits) -> None:
        self.digest = layer.digest
        self.size = layer.size
        self._limits = limits
        self._started = time.monotonic()
        self.received = 0
        self._file = file
        self._hash = hashlib.sha256()

    @property
    def complete(self) -> bool:
        return self.received == self.size

    def headers(self) -> dict[str, str]:
        return {"Range": f"bytes={self.received}-"} if self.received else {}

    def start(self, status: int, content_range: str) -> None:
        """Go on where the response does: at the asked place, or at the start if the server knows no ranges."""
        if status == 206 and content_range.startswith(f"bytes {self.received}-"):
            return
        if status != 200:
            raise Unreachable(f"the blob {self.digest} came with {status} {content_range[:100]!r}", None)
        self.received = 0
        self._file.seek(0)
        self._file.truncate()
        self._hash = hashlib.sha256()

    def add(self, piece: bytes) -> None:
        """Hash and write what has come. Raises ``Bad`` when it is too much, ``Unreachable`` when it is too slow."""
        self.received += len(piece)
        if time.monotonic() - self._started > self._limits.seconds_for(self.received):
            raise Unreachable(f"the blob {self.digest} comes too slowly", None)
        if self.received > self.size:
            raise Bad(f"the blob {self.digest} is longer than its {self.size} bytes")
        self._hash.update(piece)
        self._file.write(piece)

    def finish(self) -> None:
        self._file.flush()
        _check_blob(self.digest, self.size, data_size=self.received, data_hash=self._hash.hexdigest())


def _check_blob(digest: str, size: int, *, data_size: int, data_hash: str) -> None:
    if data_size != size or f"sha256:{data_hash}" != digest:
        raise Bad(f"the blob {digest} of {size} bytes has {data_size} bytes with the SHA-256 {data_hash}")


def _checked(response: Response) -> Response:
    """The response, if it is a success."""
    status = response.status
    if status in (200, 206):
        return response
    message = f"{urlsplit(response.url).netloc} answers {status}"
    if status == 404:
        raise Missing(message)
    if status in (401, 403):
        raise Denied(message)
    if status in _AGAIN:
        raise Unreachable(message, _retry_after(response.headers.get("Retry-After", "")))
    raise Unreachable(message, None)


def _retry_after(value: str) -> float:
    return float(value) if value.isdecimal() and len(value) < 6 else 0.0


def _redirected(url: str, location: str) -> str:
    """Where a redirect leads. Raises ``Unreachable`` for one from https into the clear."""
    target = urljoin(url, location)
    parts = urlsplit(target)
    secure = parts.scheme == "https"
    plain = parts.scheme == "http" and (url.startswith("http:") or is_loopback(parts.hostname))
    if not parts.hostname or not (secure or plain) or parts.username is not None:
        raise Unreachable(f"a redirect from {urlsplit(url).netloc} to {parts.scheme}://{parts.hostname}", None)
    return target


def _same_origin(one: str, other: str) -> bool:
    return urlsplit(one)[:2] == urlsplit(other)[:2]
