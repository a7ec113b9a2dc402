"""A real registry on loopback, Debian's ``docker-registry``, and images pushed to it that the tests make themselves."""

from __future__ import annotations

import base64
import gzip
import hashlib
import io
import json
import re
import shutil
import subprocess
import tarfile
import threading
import urllib.parse
import urllib.request
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.error import HTTPError

import pytest

PROGRAM = shutil.which("docker-registry")
needs_registry = pytest.mark.skipif(PROGRAM is None, reason="the program docker-registry is missing")
USER, PASSWORD = "user", "secret"
# bcrypt, the only kind that the registry reads, of PASSWORD
_HTPASSWD = f"{USER}:$2y$05$abcdefghijklmnopqrstuuOQiyCxlgf/oeuTqixKmWdcYUh4Hjl0a\n"
MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
CONFIG = "application/vnd.docker.container.image.v1+json"
GZIP_LAYER = "application/vnd.docker.image.rootfs.diff.tar.gzip"


@dataclass(frozen=True)
class Link:
    """A symbolic link in a layer."""

    target: str


Content = bytes | Link | None
"""A file, a link, or None for a folder."""


class Registry:
    """One running registry. ``host`` is ``127.0.0.1:port``; ``headers`` go with each request of ``push``."""

    def __init__(self, folder: Path, auth: Mapping[str, Any] | None = None) -> None:
        assert PROGRAM is not None
        folder.mkdir(parents=True)
        config = folder / "config.json"  # JSON is YAML
        config.write_text(json.dumps(_config(folder, auth)))
        self.folder = folder
        self.headers: dict[str, str] = {}
        self._process = subprocess.Popen(
            [PROGRAM, "serve", config], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        self.host = f"127.0.0.1:{self._wait()}"
        self._draining = threading.Thread(target=self._drain, daemon=True)
        self._draining.start()

    @property
    def url(self) -> str:
        return f"http://{self.host}"

    def stop(self) -> None:
        self._process.kill()
        self._process.wait()
        self._draining.join()
        self._process.stdout.close()

    def _wait(self) -> int:
        """The port it has taken, which it says when it listens."""
        said = []
        for line in self._process.stdout:
            said.append(line)
            if found := re.search(r"listening on 127\.0\.0\.1:(\d+)", line):
                return int(found[1])
        self._process.wait()
        raise AssertionError("".join(said))

    def _drain(self) -> None:
        for _ in self._process.stdout:
            pass


def _config(folder: Path, auth: Mapping[str, Any] | None) -> dict[str, Any]:
    if auth == {"htpasswd": {}}:
        (folder / "htpasswd").write_text(_HTPASSWD)
        auth = {"htpasswd": {"realm": "tests", "path": str(folder / "htpasswd")}}
    return {
        "version": "0.1",
        "log": {"level": "info", "accesslog": {"disabled": True}},
        "storage": {"filesystem": {"rootdirectory": str(folder / "storage")}, "delete": {"enabled": True}},
        "http": {"addr": "127.0.0.1:0", "secret": "tests"},
        **({"auth": auth} if auth else {}),
    }


def basic(user: str = USER, password: str = PASSWORD) -> dict[str, str]:
    """The header for basic authentication."""
    return {"Authorization": "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()}


def layer(members: Mapping[str, Content], modes: Mapping[str, int] | None = None) -> bytes:
    """The tar of a layer. A path that ends with ``/`` is a folder."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for path, content in members.items():
            item = tarfile.TarInfo(path.rstrip("/"))
            item.mode = (modes or {}).get(path, 0o755 if content is None else 0o644)
            if isinstance(content, Link):
                item.type, item.linkname = tarfile.SYMTYPE, content.target
            elif content is None:
                item.type = tarfile.DIRTYPE
            else:
                item.size = len(content)
            archive.addfile(item, io.BytesIO(content) if isinstance(content, bytes) else None)
    return buffer.getvalue()


def digest_of(data: bytes) -> str:
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


@dataclass(frozen=True)
class Made:
    """An image as bytes: blobs by digest, and its manifest."""

    blobs: Mapping[str, bytes]
    manifest: bytes
    media_type: str = MANIFEST

    @property
    def digest(self) -> str:
        return digest_of(self.manifest)


def make_image(
    layers: Sequence[Mapping[str, Content] | bytes],
    config: Mapping[str, Any] | None = None,
    *,
    architecture: str = "amd64",
    pack: Any = lambda tar: gzip.compress(tar, 1, mtime=0),
    layer_type: str = GZIP_LAYER,
    media_type: str = MANIFEST,
    config_type: str = CONFIG,
) -> Made:
    """An image of ``layers``, bottom to top, each a mapping or a tar; ``config`` are members such as ``Cmd``."""
    tars = [each if isinstance(each, bytes) else layer(each) for each in layers]
    packed = [pack(tar) for tar in tars]
    described = {
        "architecture": architecture,
        "os": "linux",
        "config": dict(config or {}),
        "rootfs": {"type": "layers", "diff_ids": [digest_of(tar) for tar in tars]},
    }
    data = json.dumps(described).encode()
    manifest = {
        "schemaVersion": 2,
        "mediaType": media_type,
        "config": {"mediaType": config_type, "size": len(data), "digest": digest_of(data)},
        "layers": [{"mediaType": layer_type, "size": len(each), "digest": digest_of(each)} for each in packed],
    }
    blobs = {digest_of(each): each for each in [*packed, data]}
    return Made(blobs, json.dumps(manifest).encode(), media_type)


def push(
    registry: Registry,
    repository: str,
    tag: str,
    layers: Sequence[Mapping[str, Content] | bytes],
    config: Mapping[str, Any] | None = None,
    **how: Any,
) -> str:
    """Make an image and push it; the digest of its manifest. ``how`` is for ``make_image``."""
    made = make_image(layers, config, **how)
    push_made(registry, repository, tag, made)
    return made.digest


def push_made(registry: Registry, repository: str, tag: str, made: Made) -> None:
    """Push an image by plain HTTP: each blob, then the manifest."""
    base = f"{registry.url}/v2/{repository}"
    for digest, data in made.blobs.items():
        _, headers = send(registry, "POST", f"{base}/blobs/uploads/")
        location = urllib.parse.urljoin(base, headers["Location"])
        send(registry, "PUT", f"{location}{'&' if '?' in location else '?'}digest={digest}", data)
    put_manifest(registry, repository, tag, made.manifest, made.media_type)


def put_manifest(registry: Registry, repository: str, tag: str, data: bytes, media_type: str) -> None:
    """Have a tag mean this manifest."""
    send(registry, "PUT", f"{registry.url}/v2/{repository}/manifests/{tag}", data, {"Content-Type": media_type})


def delete_manifest(registry: Registry, repository: str, digest: str) -> None:
    """Remove an image from the registry; its blobs stay."""
    send(registry, "DELETE", f"{registry.url}/v2/{repository}/manifests/{digest}")


def send(
    registry: Registry, method: str, url: str, data: bytes | None = None, headers: Mapping[str, str] | None = None
) -> tuple[bytes, Mapping[str, str]]:
    """One request; the body and headers of a success."""
    all_headers = {"Content-Type": "application/octet-stream", **registry.headers, **(headers or {})}
    request = urllib.request.Request(url, data, all_headers, method=method)
    try:
        with urllib.request.urlopen(request, timeout=30) as response:
            return response.read(), response.headers
    except HTTPError as error:
        with error:
            raise AssertionError(f"{method} {url}: {error.code} {error.read()!r}") from None
