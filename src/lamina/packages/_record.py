"""What is known of a package, beside its tree: a small JSON file that survives restarts."""

from __future__ import annotations

import os
import secrets
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import orjson

from lamina.blobs import is_name
from lamina.disk import flush_folder
from lamina.packages._native import NativeCode

_FORMAT = 1  # of the trees; a record of another format is as good as none


@dataclass(frozen=True, slots=True, kw_only=True)
class Package:
    """A deployment package that is stored and unpacked.

    ``name`` is what the store calls it, ``digest`` the hex SHA-256 of the zip, which is the name unless it was staged
    under another. ``code_sha256`` is the digest in base64 as the API shows it, ``code_size`` the zip's bytes,
    ``unpacked_size`` the bytes of its files, ``files`` their number, ``python_bytes`` the bytes of its ``.py`` files.
    ``native_code`` is what runs on one kind of processor only; None when an earlier version of Lamina did not look.
    """

    name: str
    digest: str
    code_sha256: str
    code_size: int
    unpacked_size: int
    files: int
    python_bytes: int
    native_code: tuple[NativeCode, ...] | None

    @property
    def native(self) -> Mapping[str, tuple[str, ...]] | None:
        """The first few files with machine code by their architecture: ``x86_64``, ``arm64`` or ``other``."""
        return None if self.native_code is None else {each.architecture: each.paths for each in self.native_code}


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
    """The records of all packages, one file each in ``folder``, by the packages' names."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._known: dict[str, Record] = {}
        folder.mkdir(mode=0o700, exist_ok=True)
        for leftover in folder.glob(".*"):
            leftover.unlink()

    def get(self, name: str) -> Record | None:
        """The record of a package whose tree was complete when the record was written."""
        if name not in self._known and (record := _read(self._path(name))) is not None:
            self._known[name] = record
        return self._known.get(name)

    def put(self, record: Record, *, durably: bool = False) -> None:
        """Write the record, atomically; ``durably`` if it must not be lost when the machine crashes."""
        name = record.package.name
        temporary = self._folder / f".{secrets.token_hex(8)}"
        try:
            with temporary.open("wb") as file:
                file.write(orjson.dumps({"format": _FORMAT} | asdict(record)))
                file.flush()
                if durably:
                    os.fsync(file.fileno())
            temporary.replace(self._path(name))
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
        if durably:
            flush_folder(self._folder)
        self._known[name] = record

    def remove(self, name: str) -> None:
        """Forget the package."""
        self._path(name).unlink(missing_ok=True)
        self._known.pop(name, None)

    def names(self) -> set[str]:
        """The names of all packages that have a record."""
        return {path.stem for path in self._folder.iterdir() if path.suffix == ".json" and is_name(path.stem)}

    def _path(self, name: str) -> Path:
        return self._folder / f"{name}.json"


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
        return Record(package=_package(members["package"]), boot=members["boot"], bytecode=tuple(members["bytecode"]))
    except (FileNotFoundError, orjson.JSONDecodeError, AttributeError, KeyError, TypeError):
        return None  # torn by a power cut, or of another format: the tree is made again


def _package(members: dict[str, Any]) -> Package:
    """A package from its record; one of an earlier version has no ``name`` and no ``native_code``."""
    native = members.pop("native_code", None)
    found = None if native is None else tuple(NativeCode(**each | {"paths": tuple(each["paths"])}) for each in native)
    return Package(**{"name": members["digest"]} | members, native_code=found)
