"""The tar inside a blob, in pieces."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Generator
from typing import TYPE_CHECKING, BinaryIO, cast

from isal import isal_zlib

from lamina.images._faults import Bad
from lamina.images._limits import ImageLimits

if TYPE_CHECKING:
    from isal.isal_zlib import Decompress

_PACKED_PIECE = 1 << 16  # small, because what is left of it is copied at the end of each gzip member
_PIECE = 1 << 20
_GZIP = 16 + isal_zlib.MAX_WBITS
_ZSTD = "zstd"
_GzipError = cast("type[Exception]", isal_zlib.error)


def can_read(compression: str) -> bool:
    """Whether this machine can: for zstd it takes the program of that name."""
    return compression != "zstd" or shutil.which(_ZSTD) is not None


def tar_pieces(file: BinaryIO, compression: str, limits: ImageLimits) -> Generator[bytes, None, None]:
    """The uncompressed bytes of ``file`` from where it stands. Raises ``Bad`` for a damaged stream.

    Whoever stops before the end closes the iterator, which ends the decompressor.
    """
    if compression == "gzip":
        return _gzip(file, limits)
    if compression == "zstd":
        return _zstd(file)
    return (piece for piece in iter(lambda: file.read(_PIECE), b""))


def _gzip(file: BinaryIO, limits: ImageLimits) -> Generator[bytes, None, None]:
    """All gzip members of the file, one after the other: some builders make one for each file of the tar."""
    ahead = file.read(_PACKED_PIECE)
    for _ in range(limits.packed_pieces):
        stream = isal_zlib.decompressobj(_GZIP)
        while not stream.eof:
            piece = _inflate(stream, ahead)
            ahead = stream.unconsumed_tail or (b"" if stream.eof else file.read(_PACKED_PIECE))
            if piece:
                yield piece
            elif not ahead and not stream.eof:
                raise Bad("the gzip stream ends early")
        ahead = stream.unused_data or file.read(_PACKED_PIECE)
        if not ahead:
            return
    raise Bad(f"more than {limits.packed_pieces} gzip members")


def _inflate(stream: Decompress, packed: bytes) -> bytes:
    try:
        return stream.decompress(packed, _PIECE)
    except _GzipError as error:
        raise Bad(f"the gzip stream is damaged: {error}") from error


def _zstd(file: BinaryIO) -> Generator[bytes, None, None]:
    """Without a shell, a terminal or our environment; nothing is duplicated but the descriptors named (vfork)."""
    program = shutil.which(_ZSTD)
    if program is None:
        raise Bad("the program zstd is missing")
    with subprocess.Popen(
        [program, "--decompress", "--stdout", "--quiet", "--no-progress"],
        stdin=file,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        cwd="/",
        env={"PATH": os.defpath},
        start_new_session=True,
    ) as process:
        output = process.stdout
        assert output is not None
        try:
            yield from iter(lambda: output.read(_PIECE), b"")
            if process.wait() != 0:
                raise Bad("the zstd stream is damaged")
        finally:
            process.kill()
