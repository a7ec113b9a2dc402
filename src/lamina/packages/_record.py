"""What is known of a package, beside its tree: a small JSON file that survives restarts."""

from __future__ import annotations

import os
import secrets
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import orjson

from lamina.packages._disk import flush_folder

_FORMAT = 1  # of the trees; a record of another format is as good as none


@dataclass(frozen=True, slots=True, kw_only=True)
class Package:
    """A deployment package that is stored and unpacked.

    ``digest`` is the hex SHA-256 of the zip, ``code_sha256`` the same in base64 as the API shows it, ``code_size``
    the zip's bytes, ``unpacked_size`` the bytes of its files, ``files`` their number, ``python_bytes`` the bytes of
    its ``.py`` files.
    """

    digest: str
    code_sha256: str
    code_size: int
    unpacked_size: int
    files: int
    python_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """A package and the state of its tree.

    ``boot`` is None when the tree is known to be on the disk; else the boot of the machine in which it was written,
    and after another boot it cannot be trusted. ``bytecode`` has the interpreter tags that are done.
    """

    package: Package
    boot: str | None
    bytecode: tuple[str, ...] = ()


class Records:
    """The records of all packages, one file each in ``folder``."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._known: dict[str, Record] = {}
        folder.mkdir(mode=0o700, exist_ok=True)
        for leftover in folder.glob(".*"):
            leftover.unlink()

    def get(self, digest: str) -> Record | None:
        """The record of a package whose tree was complete when the record was written."""
        if digest not in self._known and (record := _read(self._path(digest))) is not None:
            self._known[digest] = record
        return self._known.get(digest)

    def put(self, record: Record, *, durably: bool = False) -> None:
        """Write the record, atomically; ``durably`` if it must not be lost when the machine crashes."""
        digest = record.package.digest
        temporary = self._folder / f".{secrets.token_hex(8)}"
        with temporary.open("wb") as file:
            file.write(orjson.dumps({"format": _FORMAT} | asdict(record)))
            file.flush()
            if durably:
                os.fsync(file.fileno())
        temporary.replace(self._path(digest))
        if durably:
            flush_folder(self._folder)
        self._known[digest] = record

    def remove(self, digest: str) -> None:
        """Forget the package."""
        self._path(digest).unlink(missing_ok=True)
        self._known.pop(digest, None)

    def digests(self) -> set[str]:
        """The digests of all packages that have a record."""
        return {path.stem for path in self._folder.iterdir() if path.name.endswith(".json")}

    def _path(self, digest: str) -> Path:
        return self._folder / f"{digest}.json"


def settled(record: Record) -> Record:
    """The record once its tree is on the disk."""
    return replace(record, boot=None)


def unsettled(record: Record, boot: str) -> Record:
    """The record of a tree that is about to change in this ``boot``."""
    return replace(record, boot=boot)


def compiled(record: Record, tag: str, boot: str) -> Record:
    """The record once the bytecode for ``tag`` is in the tree, written in this ``boot``."""
    return replace(record, boot=boot, bytecode=tuple(sorted({*record.bytecode, tag})))


def _read(path: Path) -> Record | None:
    try:
        members = orjson.loads(path.read_bytes())
        if members.pop("format") != _FORMAT:
            return None
        package = Package(**members.pop("package"))
        return Record(package=package, boot=members["boot"], bytecode=tuple(members["bytecode"]))
    except (FileNotFoundError, orjson.JSONDecodeError, KeyError, TypeError):
        return None  # torn by a power cut, or of another format: the tree is made again
