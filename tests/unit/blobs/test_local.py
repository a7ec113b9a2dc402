from __future__ import annotations

import hashlib
import os
import stat
from pathlib import Path

import pytest

from lamina.blobs import BlobDamaged, LocalBlobs

CONTENT = b"some package" * 1000
NAME = hashlib.sha256(CONTENT).hexdigest()


def test_blobs_survive_a_restart(tmp_path: Path) -> None:
    LocalBlobs(tmp_path).put(NAME, CONTENT)
    assert LocalBlobs(tmp_path).read(NAME) == CONTENT


def test_what_a_crash_left_is_removed_at_start(tmp_path: Path) -> None:
    (tmp_path / ".incoming-0123").write_bytes(b"half")
    assert LocalBlobs(tmp_path).names() == []
    assert list(tmp_path.iterdir()) == []


def test_a_truncated_blob_is_noticed(tmp_path: Path) -> None:
    blobs = LocalBlobs(tmp_path)
    blobs.put(NAME, CONTENT)
    os.truncate(blobs.path(NAME), 100)
    with pytest.raises(BlobDamaged, match="100 bytes"):
        blobs.read(NAME)


def test_a_truncated_blob_is_put_again(tmp_path: Path) -> None:
    blobs = LocalBlobs(tmp_path)
    blobs.put(NAME, CONTENT)
    os.truncate(blobs.path(NAME), 100)
    assert blobs.put(NAME, CONTENT)
    assert blobs.read(NAME) == CONTENT


def test_a_put_that_fails_leaves_nothing(tmp_path: Path) -> None:
    blobs = LocalBlobs(tmp_path / "blobs")
    with pytest.raises(IsADirectoryError):
        blobs.put(NAME, tmp_path)
    assert list((tmp_path / "blobs").iterdir()) == []


def test_foreign_files_are_not_blobs(tmp_path: Path) -> None:
    blobs = LocalBlobs(tmp_path)
    (tmp_path / "lost+found").mkdir()
    assert blobs.names() == []


def test_only_the_owner_can_read(tmp_path: Path) -> None:
    blobs = LocalBlobs(tmp_path / "blobs")
    blobs.put(NAME, CONTENT)
    assert stat.S_IMODE(blobs.path(NAME).stat().st_mode) == 0o600
    assert stat.S_IMODE((tmp_path / "blobs").stat().st_mode) == 0o700
