"""Tars with any headers that a test likes."""

from __future__ import annotations

import io
import tarfile
import threading
from pathlib import Path

from lamina.images._allowance import Allowance
from lamina.images._limits import ImageLimits
from lamina.images._unpack import Unpacked, unpack


def tar(*members: tuple[str, bytes, str | bytes | None], form: int = tarfile.GNU_FORMAT, mode: int = 0o644) -> bytes:
    """Members are (name, type, content or link target)."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=form) as archive:
        for name, kind, content in members:
            item = tarfile.TarInfo(name)
            item.type, item.mode = kind, mode
            if isinstance(content, str):
                item.linkname = content
            data = content if isinstance(content, bytes) else b""
            item.size = len(data)
            archive.addfile(item, io.BytesIO(data))
    return buffer.getvalue()


def unpack_all(data: bytes, target: Path, *, limits: ImageLimits | None = None, piece: int = 700) -> Unpacked:
    """Unpack, with the bytes coming in odd pieces."""
    pieces = (data[at : at + piece] for at in range(0, len(data), piece))
    return unpack(pieces, target, Allowance(limits or ImageLimits(), threading.Event()))
