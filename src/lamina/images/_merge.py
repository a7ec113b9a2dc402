"""One plain tree from all layers of an image, for machines where overlayfs is not allowed."""

from __future__ import annotations

import errno
import os
import shutil
import stat
from collections.abc import Iterable
from pathlib import Path

from lamina.images._tree import FOLDER
from lamina.images._whiteouts import is_opaque, is_whiteout

_CANNOT_LINK = {errno.EXDEV, errno.EMLINK, errno.EPERM}


def merge(layers: Iterable[Path], into: Path) -> None:
    """Make ``into``, which must not exist, from unpacked ``layers``, bottom to top, as overlayfs would show them.

    Files are hard links to those of the layers where the file system allows it, else copies: nobody may write to the
    tree. Raises ``OSError`` and leaves nothing then. Blocks.
    """
    into.mkdir()
    try:
        for layer in layers:
            _merge_tops(layer, into)
    except BaseException:
        shutil.rmtree(into)
        raise


def _merge_tops(layer: Path, into: Path) -> None:
    source = os.open(layer, FOLDER)
    try:
        target = os.open(into, FOLDER)
        try:
            _merge_folder(source, target)
        finally:
            os.close(target)
    finally:
        os.close(source)


def _merge_folder(source: int, target: int) -> None:
    if is_opaque(source):
        for name in os.listdir(target):
            _remove(name, target)
    os.fchmod(target, stat.S_IMODE(os.fstat(source).st_mode))
    with os.scandir(source) as entries:
        for entry in entries:
            facts = entry.stat(follow_symlinks=False)
            if stat.S_ISDIR(facts.st_mode):
                _merge_into(entry.name, source, target)
                continue
            _remove(entry.name, target)
            if not is_whiteout(facts):
                _put(entry.name, source, target)


def _merge_into(name: str, source: int, target: int) -> None:
    if not _is_folder(name, target):
        _remove(name, target)
        os.mkdir(name, dir_fd=target)
    below = os.open(name, FOLDER, dir_fd=source)
    try:
        here = os.open(name, FOLDER, dir_fd=target)
        try:
            _merge_folder(below, here)
        finally:
            os.close(here)
    finally:
        os.close(below)


def _put(name: str, source: int, target: int) -> None:
    try:
        os.link(name, name, src_dir_fd=source, dst_dir_fd=target, follow_symlinks=False)
    except OSError as error:
        if error.errno not in _CANNOT_LINK:
            raise
        shutil.copy2(f"/proc/self/fd/{source}/{name}", f"/proc/self/fd/{target}/{name}", follow_symlinks=False)


def _is_folder(name: str, folder: int) -> bool:
    try:
        return stat.S_ISDIR(os.stat(name, dir_fd=folder, follow_symlinks=False).st_mode)
    except FileNotFoundError:
        return False


def _remove(name: str, folder: int) -> None:
    if _is_folder(name, folder):
        shutil.rmtree(name, dir_fd=folder)
        return
    try:
        os.unlink(name, dir_fd=folder)
    except FileNotFoundError:
        return
