"""All packages of a node as one store: those in the clear, and those that are encrypted under KMS keys."""

from __future__ import annotations

import hashlib
import logging
import os
from collections.abc import Iterator, Set
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import BinaryIO

from lamina.deploy import Bytes, Sealing
from lamina.kms import SealedBlobs
from lamina.packages import Package, Packages

_log = logging.getLogger(__name__)


class CodeStore:
    """Finds for each package the store that it is in. Every method blocks.

    ``sealed`` are packages whose zips are in ``blobs`` and whose trees are in memory; its names are of its own.
    """

    def __init__(self, plain: Packages, sealed: Packages, blobs: SealedBlobs) -> None:
        self._plain = plain
        self._sealed = sealed
        self._blobs = blobs

    def stage(self, data: Bytes, *, largest: int, sealing: Sealing | None = None, keep_zip: bool = True) -> Package:
        """See ``lamina.deploy.Packages.stage``."""
        if sealing is None:
            return self._plain.stage(data, largest=largest, keep_zip=keep_zip)
        with self._blobs.sealing(sealing.key_arn, sealing.user) as name_of:
            return self._sealed.stage(data, largest=largest, name=name_of)

    def tree(self, name: str, sealing: Sealing | None = None) -> Path:
        """The read-only tree. With ``sealing`` the key is asked, whether the tree is there already or not.

        Raises ``BlobMissing``, ``BlobDamaged`` and ServiceErrors of the key.
        """
        with nullcontext() if sealing is None else self._blobs.unlocked(name, sealing.user):
            return self._home(name).tree(name)

    @contextmanager
    def opened(self, name: str, sealing: Sealing | None) -> Iterator[BinaryIO]:
        """The zip as it came, for the time of a block, on behalf of whom ``sealing`` names.

        Raises ``BlobMissing`` and ServiceErrors of the key.
        """
        with nullcontext() if sealing is None else self._blobs.unlocked(name, sealing.user), self.open(name) as package:
            yield package

    def open(self, name: str) -> BinaryIO:
        """The zip as it came; the key is asked on behalf of the account."""
        return self._home(name).open(name)

    def missing_bytecode(self, name: str, tag: str) -> int:
        """See ``Packages.missing_bytecode``. Encrypted packages are not compiled: nothing of them goes to the disk."""
        return 0 if self._blobs.has(name) else self._plain.missing_bytecode(name, tag)

    def inherit_bytecode(self, name: str, tag: str, ancestor: str) -> int:
        """See ``Packages.inherit_bytecode``; an encrypted package has none to give."""
        if self._blobs.has(ancestor):
            return self._plain.missing_bytecode(name, tag)
        return self._plain.inherit_bytecode(name, tag, ancestor)

    def add_bytecode(self, name: str, tag: str, directory: Path) -> int:
        """See ``Packages.add_bytecode``."""
        return self._plain.add_bytecode(name, tag, directory)

    def collect(self, in_use: Set[str]) -> list[str]:
        """See ``Packages.collect``."""
        return self._plain.collect(in_use) + self._sealed.collect(in_use)

    def close(self) -> None:
        """Settle what is not yet."""
        self._plain.close()
        self._sealed.close()

    def _home(self, name: str) -> Packages:
        return self._sealed if self._blobs.has(name) else self._plain


def memory_folder(data: Path) -> Path:
    """Where the trees of encrypted packages are: in memory, one folder for each data folder and user."""
    name = hashlib.sha256(bytes(data)).hexdigest()[:16]
    for folder in ("/dev/shm", os.environ.get("XDG_RUNTIME_DIR", "")):  # noqa: S108
        if folder and os.access(folder, os.W_OK):
            return Path(folder) / f"lamina-{os.geteuid()}-{name}"
    _log.warning("no folder in memory: the unpacked files of encrypted packages will lie in %s", data)
    return data / "unsealed"
