"""Packages: content-addressed, read-only code trees, each checked, stored and unpacked once."""

from __future__ import annotations

import hashlib
import logging
import shutil
import time
from base64 import b64encode
from collections.abc import Callable, Mapping, Set
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from mmap import mmap
from pathlib import Path
from typing import BinaryIO

from lamina.blobs import BlobDamaged, BlobMissing, Blobs, is_name
from lamina.disk import Turns, boot_id, flush_file_system, make_empty
from lamina.errors import InvalidParameterValueException, RequestEntityTooLargeException
from lamina.packages._bytecode import check_tag, inherit_bytecode, place_bytecode
from lamina.packages._files import FileFacts, facts_of
from lamina.packages._layout import Layout, read_layout
from lamina.packages._limits import PackageLimits
from lamina.packages._native import NativeCode
from lamina.packages._record import Package, Record, Records, compiled, settled, unsettled
from lamina.packages._refusals import refusals_answered
from lamina.packages._settler import Settler
from lamina.packages._trees import Trees

_log = logging.getLogger("lamina.packages")

_LARGE_ZIP = 1 << 20  # from here on flushing the blob takes much longer than starting a thread


class Packages:
    """All packages of a node. Every method blocks, and may be called from several threads at once.

    A tree is made under a temporary name and renamed when it is complete, then its record is written: after a crash
    of the process a tree with a record is complete. After a crash of the machine its files may be empty although
    their names are there; so a record names the boot in which its tree was written until ``settle`` has flushed the
    disk, and a tree that was not settled before another boot is made again, from the blob that is always flushed.

    ``grace_seconds`` is how long after ``stage`` or ``tree`` a package is safe from ``collect`` although nothing that
    is committed names it: it must be longer than the way from ``stage`` to the commit. ``settle_seconds`` is how long
    after the first change the disk is flushed. One process owns ``root``, and only its user may enter it.

    A ``volatile`` root is a folder in memory for trees that must not lie on a disk, while ``blobs`` keep the zips in a
    form of their own, such as encrypted. It is emptied at every start, and what is asked for is unpacked anew; the end
    removes it.
    """

    def __init__(
        self,
        root: Path,
        blobs: Blobs,
        *,
        limits: PackageLimits | None = None,
        grace_seconds: float = 900.0,
        settle_seconds: float = 5.0,
        volatile: bool = False,
    ) -> None:
        if volatile:
            make_empty(root)
        root.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._root = root
        self._volatile = volatile
        self._blobs = blobs
        self._limits = limits or PackageLimits()
        self._grace = grace_seconds
        self._boot = boot_id()
        self._trees = Trees(root)
        self._records = Records(root / "records")
        self._turns = Turns()
        self._settler = Settler(self.settle, settle_seconds)
        self._wanted: dict[str, float] = {}

    def stage(
        self,
        data: bytes | memoryview | mmap,
        *,
        largest: int | None = None,
        name: Callable[[str], str] | None = None,
        keep_zip: bool = True,
    ) -> Package:
        """Check, hash, store and unpack a zip; when this returns, a crash of the machine does not lose it.

        Bytes that are here already are only hashed. ``largest`` is the limit of the zip's bytes, which depends on where
        it comes from. ``name`` makes the package's name of its hex SHA-256, which is the name otherwise. Without
        ``keep_zip`` the zip is not kept: a tree that is lost is then ``BlobMissing``, until the zip is staged again.

        A mapped file must not be truncated before this returns. Raises ``RequestEntityTooLargeException`` for a zip
        above the limit, and ``InvalidParameterValueException`` for one that is empty, damaged, hostile or too large
        unpacked (API notes 5.8, 6.18, 17C); the exact reason is its ``__cause__``.
        """
        largest = self._limits.zipped if largest is None else largest
        if len(data) > largest:
            raise RequestEntityTooLargeException(f"Zipped size must be smaller than {largest} bytes")
        if not len(data):
            raise InvalidParameterValueException("Uploaded file must be a non-empty zip")
        with memoryview(data) as view:
            digest = hashlib.sha256(view).hexdigest()
            return self._stage(view, digest, _checked(name(digest)) if name else digest, keep_zip)

    def tree(self, name: str) -> Path:
        """The package's tree, unpacked again when it is missing. Nobody may write to it.

        Raises ``BlobMissing`` for a package that is not here and ``BlobDamaged`` when the stored zip cannot be trusted.
        """
        with self._turns.of(name):
            if self._complete(name) is None:
                self._restore(name)
            self._want(name)
            return self._trees.path(name)

    def package(self, name: str) -> Package | None:
        """What is known of a package, its tree untouched; None when it is not here, or was not since a crash."""
        with self._turns.of(name):
            record = self._records.get(name)
            return None if record is None else record.package

    def sizes(self) -> dict[str, int]:
        """The bytes that each package takes by its name: the zip and, as far as it is known, the files in it."""
        sizes = dict.fromkeys(self._records.names(), 0)
        for name in self._blobs.names():
            with suppress(BlobMissing, BlobDamaged):  # collected meanwhile, or of no known size
                sizes[name] = self._blobs.size(name)
        for name in sizes:
            if (package := self.package(name)) is not None:
                sizes[name] += package.unpacked_size
        return sizes

    def files(self, name: str) -> Mapping[str, FileFacts]:
        """Each file and link in the stored zip by its path, so that two packages can be compared without their trees.

        Raises ``BlobMissing`` and ``BlobDamaged``.
        """
        with self._blobs.view(name) as data:
            return facts_of(data, self._limits)

    def open(self, name: str) -> BinaryIO:
        """The zip as it was uploaded, as a stream. Raises ``BlobMissing``."""
        return self._blobs.open(name)

    def collect(self, in_use: Set[str]) -> list[str]:
        """Remove every package that is not in ``in_use`` and has not been staged or asked for lately.

        ``in_use`` has the names of packages in committed state and of those in environments that still run: removing a
        tree empties it under them too. The names that were removed are returned; one that the disk does not let go is
        logged, and tried again the next time.
        """
        here = self._records.names() | self._trees.names() | set(self._blobs.names())
        return [name for name in sorted(here - in_use) if self._remove(name)]

    def missing_bytecode(self, name: str, tag: str) -> int:
        """The bytes of Python source that were not compiled for ``tag``, such as ``cpython-312``; 0 for none."""
        check_tag(tag)
        with self._turns.of(name):
            record = self._complete(name)
            return 0 if record is None or tag in record.bytecode else record.package.python_bytes

    def inherit_bytecode(self, name: str, tag: str, ancestor: str) -> int:
        """Take over the bytecode of every source that the package ``ancestor`` has too; the bytes that are left.

        So a new version of a large package, with a line changed, is compiled in no time. Call ``add_bytecode`` after
        it for what is left; ``ancestor`` should belong to whoever the package belongs to.
        """
        check_tag(tag)
        with self._turns.of(name):
            record = self._complete(name) or self._restore(name)
            if record.boot is None:
                self._records.put(unsettled(record, self._boot), durably=True)
            return inherit_bytecode(self._trees, name, ancestor, tag)

    def add_bytecode(self, name: str, tag: str, directory: Path) -> int:
        """Put what the compile job has written to ``directory`` into the tree; the number of files is returned.

        ``directory`` has ``<folder>/__pycache__/<module>.<tag>.pyc`` for ``<folder>/<module>.py``; what is not there
        is left uncompiled, and ``tag`` counts as done. Raises ``BadBytecode`` when a file there is anything but
        plausible bytecode, and ``BlobMissing`` for a package that is not here.
        """
        check_tag(tag)
        with self._turns.of(name):
            record = self._complete(name) or self._restore(name)
            if record.boot is None:
                self._records.put(unsettled(record, self._boot), durably=True)
            placed = place_bytecode(directory, self._trees, name, tag, self._limits)
            self._records.put(compiled(record, tag, self._boot))
            self._settler.add(name)
            return placed

    def settle(self) -> None:
        """Flush the disk, and remember that the trees written until now are on it."""
        names = self._settler.take()
        if names:
            flush_file_system(self._root)
        for name in names:
            with self._turns.of(name):
                record = self._records.get(name)
                if record is not None and not self._settler.has(name):
                    self._records.put(settled(record))

    def close(self) -> None:
        """Settle what is not yet; no timer is left, and nothing in memory."""
        self.settle()
        if self._volatile:
            shutil.rmtree(self._root, ignore_errors=True)

    def _want(self, name: str) -> None:
        self._wanted[name] = time.monotonic()

    def _complete(self, name: str) -> Record | None:
        """The record of a tree that can be trusted."""
        record = self._records.get(name)
        if record is None or record.boot not in (None, self._boot) or not self._trees.path(name).is_dir():
            return None
        return record

    def _stage(self, data: memoryview, digest: str, name: str, keep_zip: bool) -> Package:
        with self._turns.of(name):
            record = self._complete(name)
            if record is None:
                record = self._add(name, digest, data, keep_zip)
            elif keep_zip and not self._blobs.has(name):
                self._blobs.put(name, data)
            self._want(name)
            return record.package

    def _add(self, name: str, digest: str, data: memoryview, keep_zip: bool) -> Record:
        with refusals_answered(self._limits):
            layout = read_layout(data, self._limits)
            self._trees.remove(name)
            native = self._store_and_unpack(name, data, layout) if keep_zip else self._trees.make(name, data, layout)
        return self._remember(name, digest, len(data), layout, native)

    def _restore(self, name: str) -> Record:
        with self._blobs.view(name) as data:
            layout = read_layout(data, self._limits)
            self._trees.remove(name)
            native = self._trees.make(name, data, layout)
            return self._remember(name, hashlib.sha256(data).hexdigest(), len(data), layout, native)

    def _store_and_unpack(self, name: str, data: memoryview, layout: Layout) -> tuple[NativeCode, ...]:
        if len(data) < _LARGE_ZIP:
            native = self._trees.make(name, data, layout)
            self._blobs.put(name, data)
            return native
        with ThreadPoolExecutor(1) as beside:
            storing = beside.submit(self._blobs.put, name, data)
            try:
                native = self._trees.make(name, data, layout)
            except BaseException:
                if storing.result():
                    self._blobs.delete(name)
                raise
            storing.result()
        return native

    def _remember(
        self, name: str, digest: str, code_size: int, layout: Layout, native: tuple[NativeCode, ...]
    ) -> Record:
        package = Package(
            name=name,
            digest=digest,
            code_sha256=b64encode(bytes.fromhex(digest)).decode(),
            code_size=code_size,
            unpacked_size=layout.size,
            files=layout.count,
            python_bytes=layout.python_bytes,
            native_code=native,
        )
        record = Record(package=package, boot=self._boot)
        self._records.put(record)
        self._settler.add(name)
        return record

    def _remove(self, name: str) -> bool:
        with self._turns.of(name):
            if time.monotonic() - self._wanted.get(name, float("-inf")) < self._grace:
                return False
            self._wanted.pop(name, None)
            try:
                self._records.remove(name)
                self._blobs.delete(name)
                self._trees.remove(name)
            except OSError:
                _log.exception("package %s could not be removed", name[:12])
                return False
            return True


def _checked(name: str) -> str:
    """``name`` if it is one, so that no name can lead out of the store."""
    if not is_name(name):
        raise ValueError(f"not the name of a package: {name!r}")
    return name
