"""Packages: content-addressed, read-only code trees, each checked, stored and unpacked once."""

from __future__ import annotations

import hashlib
import time
from base64 import b64encode
from collections.abc import Set
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import BinaryIO

from lamina.blobs import Blobs
from lamina.errors import InvalidParameterValueException, RequestEntityTooLargeException
from lamina.packages._bytecode import check_tag, inherit_bytecode, place_bytecode
from lamina.packages._disk import boot_id, flush_file_system
from lamina.packages._layout import Layout, read_layout
from lamina.packages._limits import PackageLimits
from lamina.packages._record import Package, Record, Records, compiled, settled, unsettled
from lamina.packages._refusals import refusals_answered
from lamina.packages._settler import Settler
from lamina.packages._trees import Trees
from lamina.packages._turns import Turns

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
    """

    def __init__(
        self,
        root: Path,
        blobs: Blobs,
        *,
        limits: PackageLimits | None = None,
        grace_seconds: float = 900.0,
        settle_seconds: float = 5.0,
    ) -> None:
        root.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._root = root
        self._blobs = blobs
        self._limits = limits or PackageLimits()
        self._grace = grace_seconds
        self._boot = boot_id()
        self._trees = Trees(root)
        self._records = Records(root / "records")
        self._turns = Turns()
        self._settler = Settler(self.settle, settle_seconds)
        self._wanted: dict[str, float] = {}

    def stage(self, data: bytes | memoryview) -> Package:
        """Check, hash, store and unpack a zip; when this returns, a crash of the machine does not lose it.

        Bytes that are here already are only hashed. Raises ``RequestEntityTooLargeException`` for a zip above the
        limit, and ``InvalidParameterValueException`` for one that is empty, damaged, hostile or too large unpacked
        (API notes 5.8, 6.18, 17C); the exact reason is its ``__cause__``.
        """
        if len(data) > self._limits.zipped:
            raise RequestEntityTooLargeException(f"Zipped size must be smaller than {self._limits.zipped} bytes")
        if not data:
            raise InvalidParameterValueException("Uploaded file must be a non-empty zip")
        digest = hashlib.sha256(data).hexdigest()
        with self._turns.of(digest):
            record = self._complete(digest)
            if record is None or not self._blobs.has(digest):
                record = self._add(digest, memoryview(data))
            self._want(digest)
            return record.package

    def tree(self, digest: str) -> Path:
        """The package's tree, unpacked again when it is missing. Nobody may write to it.

        Raises ``BlobMissing`` for a package that is not here and ``BlobDamaged`` when the stored zip cannot be trusted.
        """
        with self._turns.of(digest):
            if self._complete(digest) is None:
                self._restore(digest)
            self._want(digest)
            return self._trees.path(digest)

    def open(self, digest: str) -> BinaryIO:
        """The zip as it was uploaded, as a stream. Raises ``BlobMissing``."""
        return self._blobs.open(digest)

    def collect(self, in_use: Set[str]) -> list[str]:
        """Remove every package that is not in ``in_use`` and has not been staged or asked for lately.

        ``in_use`` has the digests that committed state names and those of environments that still run: removing a
        tree empties it under them too. The digests that were removed are returned.
        """
        here = self._records.digests() | self._trees.digests() | set(self._blobs.names())
        return [digest for digest in sorted(here - in_use) if self._remove(digest)]

    def missing_bytecode(self, digest: str, tag: str) -> int:
        """The bytes of Python source that were not compiled for ``tag``, such as ``cpython-312``; 0 for none."""
        check_tag(tag)
        with self._turns.of(digest):
            record = self._complete(digest)
            return 0 if record is None or tag in record.bytecode else record.package.python_bytes

    def inherit_bytecode(self, digest: str, tag: str, ancestor: str) -> int:
        """Take over the bytecode of every source that the package ``ancestor`` has too; the bytes that are left.

        So a new version of a large package, with a line changed, is compiled in no time. Call ``add_bytecode`` after
        it for what is left; ``ancestor`` should belong to whoever the package belongs to.
        """
        check_tag(tag)
        with self._turns.of(digest):
            record = self._complete(digest) or self._restore(digest)
            if record.boot is None:
                self._records.put(unsettled(record, self._boot), durably=True)
            return inherit_bytecode(self._trees, digest, ancestor, tag)

    def add_bytecode(self, digest: str, tag: str, directory: Path) -> int:
        """Put what the compile job has written to ``directory`` into the tree; the number of files is returned.

        ``directory`` has ``<folder>/__pycache__/<module>.<tag>.pyc`` for ``<folder>/<module>.py``; what is not there
        is left uncompiled, and ``tag`` counts as done. Raises ``BadBytecode`` when a file there is anything but
        plausible bytecode, and ``BlobMissing`` for a package that is not here.
        """
        check_tag(tag)
        with self._turns.of(digest):
            record = self._complete(digest) or self._restore(digest)
            if record.boot is None:
                self._records.put(unsettled(record, self._boot), durably=True)
            placed = place_bytecode(directory, self._trees, digest, tag, self._limits)
            self._records.put(compiled(record, tag, self._boot))
            self._settler.add(digest)
            return placed

    def settle(self) -> None:
        """Flush the disk, and remember that the trees written until now are on it."""
        digests = self._settler.take()
        if digests:
            flush_file_system(self._root)
        for digest in digests:
            with self._turns.of(digest):
                record = self._records.get(digest)
                if record is not None and not self._settler.has(digest):
                    self._records.put(settled(record))

    def close(self) -> None:
        """Settle what is not yet; no timer is left."""
        self.settle()

    def _want(self, digest: str) -> None:
        self._wanted[digest] = time.monotonic()

    def _complete(self, digest: str) -> Record | None:
        """The record of a tree that can be trusted."""
        record = self._records.get(digest)
        if record is None or record.boot not in (None, self._boot) or not self._trees.path(digest).is_dir():
            return None
        return record

    def _add(self, digest: str, data: memoryview) -> Record:
        with refusals_answered(self._limits):
            layout = read_layout(data, self._limits)
            self._trees.remove(digest)
            self._store_and_unpack(digest, data, layout)
        return self._remember(digest, len(data), layout)

    def _restore(self, digest: str) -> Record:
        data = memoryview(self._blobs.read(digest))
        layout = read_layout(data, self._limits)
        self._trees.remove(digest)
        self._trees.make(digest, data, layout)
        return self._remember(digest, len(data), layout)

    def _store_and_unpack(self, digest: str, data: memoryview, layout: Layout) -> None:
        if len(data) < _LARGE_ZIP:
            self._trees.make(digest, data, layout)
            self._blobs.put(digest, data)
            return
        with ThreadPoolExecutor(1) as beside:
            storing = beside.submit(self._blobs.put, digest, data)
            try:
                self._trees.make(digest, data, layout)
            except BaseException:
                if storing.result():
                    self._blobs.delete(digest)
                raise
            storing.result()

    def _remember(self, digest: str, code_size: int, layout: Layout) -> Record:
        package = Package(
            digest=digest,
            code_sha256=b64encode(bytes.fromhex(digest)).decode(),
            code_size=code_size,
            unpacked_size=layout.size,
            files=layout.count,
            python_bytes=layout.python_bytes,
        )
        record = Record(package=package, boot=self._boot)
        self._records.put(record)
        self._settler.add(digest)
        return record

    def _remove(self, digest: str) -> bool:
        with self._turns.of(digest):
            if time.monotonic() - self._wanted.get(digest, float("-inf")) < self._grace:
                return False
            self._wanted.pop(digest, None)
            self._records.remove(digest)
            self._blobs.delete(digest)
            self._trees.remove(digest)
            return True
