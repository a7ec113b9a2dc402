"""Whole trees of images, for machines where layers cannot be stacked: one each, made once, shared by all sandboxes."""

from __future__ import annotations

import shutil
from collections.abc import Sequence, Set
from pathlib import Path

from lamina.disk import Turns, flush_file_system, flush_folder
from lamina.images._merge import merge
from lamina.images._record import name_of


class MergedTrees:
    """The trees below ``folder``, by digest. Every method blocks.

    A tree is made under a temporary name, flushed and renamed: what has its name is complete, whatever crashed.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._making = folder / "making"
        if self._making.exists():
            shutil.rmtree(self._making)
        self._making.mkdir(mode=0o700, parents=True)
        self._turns = Turns()

    def of(self, digest: str, layers: Sequence[Path]) -> Path:
        """The tree of an image with these layers, bottom to top. Raises ``OSError``; nothing is left then."""
        tree = self._folder / name_of(digest)
        with self._turns.of(digest):
            if not tree.is_dir():
                making = self._making / tree.name
                merge(layers, making)
                flush_file_system(making)
                making.rename(tree)
                flush_folder(self._folder)
        return tree

    def collect(self, kept: Set[str]) -> None:
        """Remove the trees of all other digests."""
        names = {name_of(digest) for digest in kept} | {self._making.name}
        for tree in self._folder.iterdir():
            if tree.name not in names:
                # Out of the way first, so that a crash leaves no half of it under its name.
                shutil.rmtree(tree.rename(self._making / tree.name))
