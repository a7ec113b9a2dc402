"""The unpacked layers on the disk: each is there under its tar's digest when it is complete, and not before."""

from __future__ import annotations

import secrets
import shutil
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Set
from contextlib import closing, contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import BinaryIO

from lamina.disk import Turns, flush_file_system, flush_folder
from lamina.images._allowance import Allowance
from lamina.images._decompress import tar_pieces
from lamina.images._faults import Bad
from lamina.images._manifest import Layer
from lamina.images._record import LayerRecord, Records, digests_in, load_layer, name_of
from lamina.images._unpack import unpack

Download = Callable[[Layer, BinaryIO], None]


class Layers:
    """``layers/<digest>`` under ``root``, their records, and ``making/`` for what is not finished.

    A layer is unpacked under a temporary name and flushed to the disk; then it gets its name, then its record. So a
    record, whatever crashed, means a complete layer, and what has none is removed at the start.
    """

    def __init__(self, root: Path) -> None:
        self._folder = root / "layers"
        self._making = root / "making"
        if self._making.exists():
            shutil.rmtree(self._making)
        for folder in (self._folder, self._making):
            folder.mkdir(mode=0o700, exist_ok=True)
        self._records = Records(root / "layer-records")
        self._turns = Turns()
        self._lock = threading.Lock()
        self._pins: Counter[str] = Counter()
        self._remove_halves()

    def path(self, diff_id: str) -> Path:
        """Where the layer is or would be."""
        return self._folder / name_of(diff_id)

    def find(self, diff_id: str) -> LayerRecord | None:
        """The record of a layer that is there."""
        record = load_layer(self._records.get(diff_id))
        return record if record is not None and self.path(diff_id).is_dir() else None

    @contextmanager
    def pinned(self, diff_ids: Iterable[str]) -> Iterator[None]:
        """Keep these layers from ``remove`` for the block, whether they are there already or not."""
        pins = Counter(diff_ids)
        with self._lock:
            self._pins += pins
        try:
            yield
        finally:
            with self._lock:
                self._pins -= pins

    def add(self, diff_id: str, layer: Layer, origin: str, download: Download, allowance: Allowance) -> None:
        """Have the layer here: download and unpack it, unless somebody has, or does so now from the same ``origin``.

        Another origin does not wait: it could be kept waiting by a registry that only pretends to have the layer.
        Raises ``Bad`` when the layer is not what ``diff_id`` says, what ``download`` raises, and ``OSError``.
        """
        with self._turns.of(f"{origin} {diff_id}"):
            if (record := self.find(diff_id)) is not None:
                allowance.take_bytes(record.size)
                return
            with self._unfinished() as blob, self._unfinished() as tree:
                with blob.open("w+b") as file:
                    download(layer, file)
                    blob.unlink()  # its bytes stay until the file is closed
                    file.seek(0)
                    record = _unpack(file, layer, diff_id, tree, allowance)
                flush_file_system(tree)
                self._publish(diff_id, tree, record)

    def remove(self, keep: Set[str]) -> None:
        """Remove every layer that is neither in ``keep`` nor pinned. Nobody may use it any more."""
        for diff_id in {*digests_in(self._folder), *self._records.digests()} - keep:
            with self._unfinished() as gone, self._lock:
                if not self._pins[diff_id]:
                    self._take_away(diff_id, gone)

    def _publish(self, diff_id: str, tree: Path, record: LayerRecord) -> None:
        with self._lock:
            if self.find(diff_id) is not None:
                return  # another registry was faster
            with self._unfinished() as gone:
                self._take_away(diff_id, gone)
            tree.rename(self.path(diff_id))
            flush_folder(self._folder)
            self._records.put(diff_id, asdict(record))

    def _take_away(self, diff_id: str, gone: Path) -> None:
        self._records.remove(diff_id)
        if self.path(diff_id).exists():
            self.path(diff_id).rename(gone)

    def _remove_halves(self) -> None:
        recorded = {diff_id for diff_id in self._records.digests() if self.find(diff_id) is not None}
        self.remove(recorded)

    @contextmanager
    def _unfinished(self) -> Iterator[Path]:
        """A new path on the same file system; what is there after the block is removed."""
        path = self._making / secrets.token_hex(8)
        try:
            yield path
        finally:
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink(missing_ok=True)


def _unpack(file: BinaryIO, layer: Layer, diff_id: str, tree: Path, allowance: Allowance) -> LayerRecord:
    with closing(tar_pieces(file, layer.compression, allowance.limits)) as pieces:
        unpacked = unpack(pieces, tree, allowance)
    if unpacked.diff_id != diff_id:
        raise Bad(f"the layer {diff_id} has the tar {unpacked.diff_id}")
    return LayerRecord(size=unpacked.size, opaque=unpacked.opaque)
