"""Taking bytecode that a sandboxed job has made, and that may be anything, into a tree."""

from __future__ import annotations

import errno
import os
import re
import stat
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from lamina.packages._limits import PackageLimits
from lamina.packages._trees import Trees
from lamina.packages._unpack import FOLDER_MODE

_TAG = re.compile(r"[a-z0-9]{1,16}-[a-z0-9]{1,16}")
_CACHE = b"__pycache__"
_HEADER = 16
_UNCHECKED_HASH = (1).to_bytes(4, "little")  # PEP 552: the source's hash is in the header and never compared
_TAG_WITHOUT_HASHES = "cpython-36"
_LARGEST_GROWTH = 64
_SMALLEST_BOUND = 65_536
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


class BadBytecode(Exception):
    """A file where bytecode was expected is something else; the message names it."""


def check_tag(tag: str) -> None:
    """Refuse what cannot be an interpreter's cache tag, such as ``cpython-312``. Raises ``ValueError``."""
    if not _TAG.fullmatch(tag):
        raise ValueError(f"not an interpreter tag: {tag!r}")


def place_bytecode(directory: Path, trees: Trees, digest: str, tag: str, limits: PackageLimits) -> int:
    """Copy the bytecode of each source of the tree; how many files were placed.

    The walk goes through the tree, which is ours, and looks up the same paths in ``directory``, which is not: what
    else is there is not looked at. Bytecode that came with the package stays. Raises ``BadBytecode``.
    """
    made = os.open(directory, _FOLDER)
    placed = total = 0
    try:
        for parts, sources, folder in _source_folders(trees.path(digest)):
            cache = _open_beneath(made, (*parts, _CACHE))
            if cache is None:
                continue
            try:
                for bytecode, name in _read_cache(cache, sources, tag, limits):
                    total += len(bytecode)
                    if total > limits.bytecode_total:
                        raise BadBytecode(f"more than {limits.bytecode_total} bytes of bytecode")
                    placed += _place(bytecode, name, folder, trees.unfinished())
            finally:
                os.close(cache)
    finally:
        os.close(made)
    return placed


def inherit_bytecode(trees: Trees, digest: str, ancestor: str, tag: str) -> int:
    """Link the bytecode of each source that the tree of ``ancestor`` has too; the bytes of the sources without any.

    The same means: at the same path, which is in the bytecode, and with the same content.
    """
    if tag == _TAG_WITHOUT_HASHES:
        return sum(sum(sources.values()) for _, sources, _ in _source_folders(trees.path(digest)))
    missing = 0
    for parts, sources, folder in _source_folders(trees.path(digest)):
        old = Path(os.fsdecode(os.path.join(os.fsencode(trees.path(ancestor)), *parts)))  # noqa: PTH118
        for source, size in sources.items():
            bytecode = old / "__pycache__" / f"{os.fsdecode(source).removesuffix('.py')}.{tag}.pyc"
            if not (_same(folder, source, old / os.fsdecode(source), size) and _link(bytecode, folder)):
                missing += size
    return missing


def _same(folder: int, source: bytes, old: Path, size: int) -> bool:
    try:
        if old.stat(follow_symlinks=False).st_size != size:
            return False
        with os.fdopen(os.open(source, _FILE, dir_fd=folder), "rb") as new:
            return new.read() == old.read_bytes()
    except OSError:
        return False


def _link(bytecode: Path, folder: int) -> bool:
    """Whether the source has bytecode now: that of its ancestor, or some that came with the package."""
    cache = _cache_of(folder)
    if cache is None:
        return False
    try:
        os.link(bytecode, bytecode.name, dst_dir_fd=cache, follow_symlinks=False)
    except FileExistsError:
        return True
    except OSError:
        return False
    finally:
        os.close(cache)
    return True


def _source_folders(tree: Path) -> Iterator[tuple[tuple[bytes, ...], dict[bytes, int], int]]:
    """Each folder with Python sources: its path in parts, the sources' sizes by name, and its descriptor."""
    top = os.fsencode(tree)
    for here, folders, names, descriptor in os.fwalk(top, follow_symlinks=False):
        if _CACHE in folders:
            folders.remove(_CACHE)
        facts = {
            name: os.stat(name, dir_fd=descriptor, follow_symlinks=False) for name in names if name.endswith(b".py")
        }
        sources = {name: fact.st_size for name, fact in facts.items() if stat.S_ISREG(fact.st_mode)}
        if sources:
            yield tuple(here[len(top) :].split(b"/")[1:]), sources, descriptor


def _open_beneath(top: int, parts: tuple[bytes, ...]) -> int | None:
    """The folder at ``parts`` under ``top`` with no link on the way, or None."""
    here = os.dup(top)
    for part in parts:
        above = here
        try:
            here = os.open(part, _FOLDER, dir_fd=above)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise BadBytecode(f"{part!r}: {error.strerror}") from error
        finally:
            os.close(above)
    return here


def _read_cache(
    cache: int, sources: dict[bytes, int], tag: str, limits: PackageLimits
) -> Iterator[tuple[bytes, bytes]]:
    for source, size in sources.items():
        name = b"%s.%s.pyc" % (source.removesuffix(b".py"), tag.encode())
        most = min(limits.bytecode_file, max(_SMALLEST_BOUND, _LARGEST_GROWTH * size))
        try:
            file = os.open(name, _FILE, dir_fd=cache)
        except OSError as error:
            if error.errno in (errno.ENOENT, errno.ENAMETOOLONG):
                continue
            raise BadBytecode(f"{name!r}: {error.strerror}") from error
        try:
            yield _checked(file, name, tag, most), name
        finally:
            os.close(file)


def _checked(file: int, name: bytes, tag: str, most: int) -> bytes:
    facts = os.fstat(file)
    if not stat.S_ISREG(facts.st_mode) or facts.st_nlink != 1:
        raise BadBytecode(f"{name!r}: not a file of its own")
    bytecode = os.read(file, most + 1)
    if not _HEADER <= len(bytecode) <= most:
        raise BadBytecode(f"{name!r}: {len(bytecode)} bytes or more, {_HEADER} to {most} are plausible")
    if bytecode[2:4] != b"\r\n" or (tag != _TAG_WITHOUT_HASHES and bytecode[4:8] != _UNCHECKED_HASH):
        raise BadBytecode(f"{name!r}: the header is not that of unchecked bytecode")
    return bytecode


def _cache_of(folder: int) -> int | None:
    """The folder's ``__pycache__``, made if need be; None if the package has a file or a link of that name."""
    with suppress(FileExistsError):
        os.mkdir(_CACHE, dir_fd=folder)
        os.chmod(_CACHE, FOLDER_MODE, dir_fd=folder)
    try:
        return os.open(_CACHE, _FOLDER, dir_fd=folder)
    except OSError as error:
        if error.errno not in (errno.ENOTDIR, errno.ELOOP):
            raise
        return None


def _place(bytecode: bytes, name: bytes, folder: int, temporary: Path) -> bool:
    """Give the bytecode its name in the cache of ``folder`` in one step; false if the package had brought its own."""
    cache = _cache_of(folder)
    if cache is None:
        return False
    try:
        temporary.write_bytes(bytecode)
        temporary.chmod(0o644)
        os.link(temporary, name, dst_dir_fd=cache)
        return True
    except FileExistsError:
        return False
    finally:
        temporary.unlink(missing_ok=True)
        os.close(cache)
