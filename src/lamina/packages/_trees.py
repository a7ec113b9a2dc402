"""The folders of unpacked packages: a tree appears under its name when it is complete, and not before."""

from __future__ import annotations

import secrets
import shutil
from pathlib import Path

from lamina.blobs import is_name
from lamina.packages._layout import Layout
from lamina.packages._native import NativeCode
from lamina.packages._unpack import unpack


class Trees:
    """``trees/<name>`` under ``root``, and ``making/`` for what is not finished, which is emptied here."""

    def __init__(self, root: Path) -> None:
        self._trees = root / "trees"
        self._making = root / "making"
        if self._making.exists():
            shutil.rmtree(self._making)
        for folder in (self._trees, self._making):
            folder.mkdir(mode=0o700, exist_ok=True)

    def path(self, name: str) -> Path:
        """Where the tree is or would be."""
        return self._trees / name

    def make(self, name: str, data: memoryview, layout: Layout) -> tuple[NativeCode, ...]:
        """Unpack into a new folder and give it its name; the machine code in it is returned.

        Raises ``BadZip`` and leaves nothing then.
        """
        new = self.unfinished()
        try:
            native = unpack(data, layout, new)
            new.rename(self.path(name))
        except BaseException:
            shutil.rmtree(new, ignore_errors=True)
            raise
        return native

    def remove(self, name: str) -> None:
        """Take the tree away at once, then delete it."""
        gone = self.unfinished()
        try:
            self.path(name).rename(gone)
        except FileNotFoundError:
            return
        shutil.rmtree(gone)

    def unfinished(self) -> Path:
        """A new path on the same file system, removed at the next start if it is still there."""
        return self._making / secrets.token_hex(8)

    def names(self) -> set[str]:
        """The names of all trees."""
        return {path.name for path in self._trees.iterdir() if is_name(path.name)}
