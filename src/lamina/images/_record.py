"""What is kept of images and layers beside the folders: small JSON files that are on the disk before they count."""

from __future__ import annotations

import os
import re
import secrets
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import orjson

from lamina.disk import flush_folder
from lamina.images._manifest import ImageConfig, Layer, Manifest

_FORMAT = 1  # of the unpacked layers and of these files; a record of another format is as good as none
_NAME = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerRecord:
    """An unpacked layer: the bytes of its tar, and whether its top hides every layer below."""

    size: int
    opaque: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageRecord:
    """An image whose layers were all there when the record was written."""

    manifest: Manifest
    config: ImageConfig


class Records:
    """JSON objects by digest, a file each in ``folder``, which one process owns."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir(mode=0o700, exist_ok=True)
        for leftover in folder.glob(".*"):
            leftover.unlink()

    def get(self, digest: str) -> dict[str, Any] | None:
        """The members that were put there, or None."""
        try:
            members = orjson.loads(self._path(digest).read_bytes())
        except (FileNotFoundError, orjson.JSONDecodeError):
            return None
        if not isinstance(members, dict) or members.pop("format", None) != _FORMAT:
            return None
        return members

    def put(self, digest: str, members: dict[str, Any]) -> None:
        """Write the record, atomically and for good."""
        temporary = self._folder / f".{secrets.token_hex(8)}"
        try:
            with temporary.open("wb") as file:
                file.write(orjson.dumps({"format": _FORMAT, **members}))
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(self._path(digest))
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
        flush_folder(self._folder)

    def remove(self, digest: str) -> None:
        """Forget it."""
        self._path(digest).unlink(missing_ok=True)

    def digests(self) -> set[str]:
        """The digests (``sha256:…``) of all records."""
        return {f"sha256:{path.stem}" for path in self._folder.iterdir() if _NAME.fullmatch(path.stem)}

    def _path(self, digest: str) -> Path:
        return self._folder / f"{name_of(digest)}.json"


def name_of(digest: str) -> str:
    """The name of a digest's file or folder. Raises ``ValueError`` for what is no ``sha256:…``."""
    name = digest.removeprefix("sha256:")
    if not _NAME.fullmatch(name) or name == digest:
        raise ValueError(f"not a digest: {digest!r}")
    return name


def digests_in(folder: Path) -> Iterator[str]:
    """The digests that folders in ``folder`` are named after."""
    return (f"sha256:{path.name}" for path in folder.iterdir() if _NAME.fullmatch(path.name))


def dump_image(record: ImageRecord) -> dict[str, Any]:
    """The members of an image's record."""
    return asdict(record)


def load_image(members: dict[str, Any] | None) -> ImageRecord | None:
    """The record with these members; None for none, or for one that is no such record."""
    if members is None:
        return None
    try:
        manifest, config = members["manifest"], members["config"]
        layers = tuple(Layer(**layer) for layer in manifest.pop("layers"))
        for name in ("diff_ids", "entrypoint", "command"):
            config[name] = tuple(config[name])
        return ImageRecord(manifest=Manifest(layers=layers, **manifest), config=ImageConfig(**config))
    except (KeyError, TypeError):
        return None


def load_layer(members: dict[str, Any] | None) -> LayerRecord | None:
    """The same for a layer."""
    try:
        return None if members is None else LayerRecord(**members)
    except TypeError:
        return None
