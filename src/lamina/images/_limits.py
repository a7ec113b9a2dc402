"""How large, how strange and how slow an image and its registry may be."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageLimits:
    """Limits of one image; AWS's quota where AWS has one.

    ``unpacked`` is Lambda's 10 GB for all uncompressed layers together, in bytes of their tar streams. ``nodes``
    bounds everything that gets a name on the disk. ``layers`` is what container engines allow. ``depth`` is the number
    of parts of a path. ``packed_pieces`` bounds the gzip members of one layer: each costs time even when it is empty.

    ``connect_seconds`` and ``read_seconds`` bound one connection attempt and one silence. ``resolve_seconds`` is the
    time for a manifest and its config, which a caller waits for. Blobs get ``blob_seconds``, in which they are unpacked
    too, and what their bytes take at ``slowest`` bytes a second.
    """

    manifest: int = 4 * 1024 * 1024
    config: int = 8 * 1024 * 1024
    unpacked: int = 10 * 1024**3
    nodes: int = 2_000_000
    layers: int = 127
    depth: int = 200
    name_bytes: int = 255
    path_bytes: int = 4096
    header_bytes: int = 1024 * 1024
    packed_pieces: int = 1_000_000
    connect_seconds: float = 5.0
    read_seconds: float = 20.0
    resolve_seconds: float = 30.0
    blob_seconds: float = 300.0
    slowest: int = 250_000

    def seconds_for(self, size: int) -> float:
        """The longest that ``size`` bytes of blobs may take."""
        return self.blob_seconds + size / self.slowest
