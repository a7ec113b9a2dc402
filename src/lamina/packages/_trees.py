"""The folders of unpacked packages: a tree appears under its digest when it is complete, and not before."""

from __future__ import annotations

import re
import secrets
import shutil
from pathlib import Path

from lamina.packages._layout import Layout
from lamina.packages._unpack import unpack

_DIGEST = re.compile(r"[0-9a-f]{64}")


class Trees:
    """``trees/<digest>`` under ``root``, and ``making/`` for what is not finished, which is emptied here."""

    def __init__(self, root: Path) -> None:
        self._trees = root / "trees"
        self._making = root / "making"
        if self._making.exists():
            shutil.rmtree(self._making)
        for folder in (self._trees, self._making):
            folder.mkdir(mode=0o700, exist_ok=True)

    def path(self, digest: str) -> Path:
        """Where the tree is or would be."""
        return self._trees / digest

    def make(self, digest: str, data: memoryview, layout: Layout) -> None:
        """Unpack into a new folder and give it its name. Raises ``BadZip`` and leaves nothing then."""
        new = self.unfinished()
        try:
            unpack(data, layout, new)
            new.rename(self.path(digest))
        except BaseException:
            shutil.rmtree(new)
            raise

    def remove(self, digest: str) -> None:
        """Take the tree away at once, then delete it."""
        gone = self.unfinished()
        try:
            self.path(digest).rename(gone)
        except FileNotFoundError:
            return
        shutil.rmtree(gone)

    def unfinished(self) -> Path:
        """A new path on the same file system, removed at the next start if it is still there."""
        return self._making / secrets.token_hex(8)

    def digests(self) -> set[str]:
        """The digests of all trees."""
        return {path.name for path in self._trees.iterdir() if _DIGEST.fullmatch(path.name)}
