"""Reading manifests and configs: JSON of strangers in, frozen records out."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from lamina.images._faults import Bad, Unsupported
from lamina.images._limits import ImageLimits

_DOCKER = "application/vnd.docker.distribution.manifest.v2+json"
_OCI = "application/vnd.oci.image.manifest.v1+json"
_LISTS = ("application/vnd.docker.distribution.manifest.list.v2+json", "application/vnd.oci.image.index.v1+json")
ACCEPT = ", ".join((_DOCKER, _OCI, *_LISTS))  # lists too, else a registry may choose one of their images for us
_CONFIGS = {"application/vnd.docker.container.image.v1+json", "application/vnd.oci.image.config.v1+json"}
_LAYERS = {
    "application/vnd.docker.image.rootfs.diff.tar": "",
    "application/vnd.docker.image.rootfs.diff.tar.gzip": "gzip",
    "application/vnd.docker.image.rootfs.diff.tar.zstd": "zstd",
    "application/vnd.oci.image.layer.v1.tar": "",
    "application/vnd.oci.image.layer.v1.tar+gzip": "gzip",
    "application/vnd.oci.image.layer.v1.tar+zstd": "zstd",
}
_ARCHITECTURES = {"amd64": "x86_64", "arm64": "arm64"}
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Layer:
    """A layer as the manifest has it: ``digest`` and ``size`` of the blob; ``compression`` is "", gzip or zstd."""

    digest: str
    size: int
    compression: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """An image's manifest: its config's blob, and its layers from bottom to top."""

    digest: str
    config_digest: str
    config_size: int
    layers: tuple[Layer, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageConfig:
    """What an image says about running it; ``architecture`` in the API's words, ``diff_ids`` for the layers' tars."""

    architecture: str
    diff_ids: tuple[str, ...]
    entrypoint: tuple[str, ...]
    command: tuple[str, ...]
    environment: Mapping[str, str]
    working_directory: str
    user: str


def read_manifest(data: bytes, digest: str, content_type: str, limits: ImageLimits) -> Manifest:
    """Read a manifest; a list of images for several platforms is none. Raises ``Unsupported`` and ``Bad``."""
    if content_type not in (_DOCKER, _OCI):
        raise Unsupported(digest, f"a manifest of the type {content_type!r}")
    members = _object(data, "manifest")
    if members.get("mediaType", content_type) != content_type or "manifests" in members:
        raise Unsupported(digest, f"a manifest of the type {members.get('mediaType')!r} that came as {content_type}")
    if members.get("schemaVersion") != 2:
        raise Unsupported(digest, f"a manifest of the version {members.get('schemaVersion')!r}")
    kind, config, config_size = _descriptor(members.get("config"), "the config")
    if kind not in _CONFIGS:
        raise Unsupported(digest, f"a config of the type {kind!r}")
    if config_size > limits.config:
        raise Bad(f"a config of {config_size} bytes")
    layers = members.get("layers")
    if not isinstance(layers, list) or not 0 < len(layers) <= limits.layers:
        raise Bad(f"no layers, or more than {limits.layers}")
    read = tuple(_layer(item, digest) for item in layers)
    if sum(layer.size for layer in read) > limits.unpacked:
        raise Bad(f"more than {limits.unpacked} bytes of layers")
    return Manifest(digest=digest, config_digest=config, config_size=config_size, layers=read)


def read_config(data: bytes, manifest: Manifest) -> ImageConfig:
    """Read the config of ``manifest``. Raises ``Bad``."""
    members = _object(data, "config")
    architecture = members.get("architecture")
    if members.get("os") != "linux" or architecture not in _ARCHITECTURES:
        raise Bad(f"an image for {members.get('os')!r} on {architecture!r}")
    root = members.get("rootfs")
    diff_ids = _strings(root.get("diff_ids") if isinstance(root, dict) else None, "diff_ids")
    if len(diff_ids) != len(manifest.layers) or not all(map(_DIGEST.fullmatch, diff_ids)):
        raise Bad(f"{len(diff_ids)} diff_ids for {len(manifest.layers)} layers, or malformed ones")
    config = members.get("config") or {}
    if not isinstance(config, dict):
        raise Bad("the member config of the config is no object")
    return ImageConfig(
        architecture=_ARCHITECTURES[architecture],
        diff_ids=diff_ids,
        entrypoint=_strings(config.get("Entrypoint"), "Entrypoint"),
        command=_strings(config.get("Cmd"), "Cmd"),
        environment=_environment(config.get("Env")),
        working_directory=_string(config.get("WorkingDir"), "WorkingDir"),
        user=_string(config.get("User"), "User"),
    )


def _object(data: bytes, what: str) -> dict[str, Any]:
    try:
        members = orjson.loads(data)
    except orjson.JSONDecodeError as error:
        raise Bad(f"the {what} is not JSON: {error}") from error
    if not isinstance(members, dict):
        raise Bad(f"the {what} is no JSON object")
    return members


def _layer(item: object, manifest: str) -> Layer:
    kind, digest, size = _descriptor(item, "a layer")
    if kind not in _LAYERS:
        raise Unsupported(manifest, f"a layer of the type {kind!r}")
    return Layer(digest=digest, size=size, compression=_LAYERS[kind])


def _descriptor(item: object, what: str) -> tuple[str, str, int]:
    """Media type, digest and size."""
    if not isinstance(item, dict):
        raise Bad(f"{what} has no descriptor")
    kind, digest, size = item.get("mediaType"), item.get("digest"), item.get("size")
    if not isinstance(kind, str) or not isinstance(digest, str) or not _DIGEST.fullmatch(digest):
        raise Bad(f"{what} has no media type or no SHA-256 digest")
    if not isinstance(size, int) or isinstance(size, bool) or size < 0:
        raise Bad(f"{what} has the size {size!r}")
    return kind, digest, size


def _strings(value: object, name: str) -> tuple[str, ...]:
    if value is None:
        return ()
    if not isinstance(value, list):
        raise Bad(f"{name} is no list")
    return tuple(_string(item, name) for item in value)


def _string(value: object, name: str) -> str:
    if value is None:
        return ""
    if not isinstance(value, str) or "\0" in value:
        raise Bad(f"{name} is no string, or has a NUL in it")
    return value


def _environment(value: object) -> Mapping[str, str]:
    pairs = (item.partition("=") for item in _strings(value, "Env"))
    return {name: text for name, equals, text in pairs if name and equals}
