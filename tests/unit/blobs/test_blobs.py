"""Both stores keep the same promises."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from lamina.blobs import BlobDamaged, BlobMissing, Blobs, LocalBlobs, MemoryBlobs

CONTENT = b"some package" * 1000
NAME = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture(params=["local", "memory"])
def blobs(request: pytest.FixtureRequest, tmp_path: Path) -> Blobs:
    return LocalBlobs(tmp_path / "blobs") if request.param == "local" else MemoryBlobs()


def test_what_was_put_can_be_read(blobs: Blobs) -> None:
    assert blobs.put(NAME, memoryview(CONTENT))
    assert blobs.read(NAME) == CONTENT
    assert blobs.size(NAME) == len(CONTENT)
    with blobs.open(NAME) as stream:
        assert stream.read() == CONTENT


def test_a_file_can_be_put(blobs: Blobs, tmp_path: Path) -> None:
    source = tmp_path / "upload"
    source.write_bytes(CONTENT)
    blobs.put(NAME, source)
    assert blobs.read(NAME) == CONTENT


def test_an_empty_blob_can_be_put(blobs: Blobs) -> None:
    name = hashlib.sha256(b"").hexdigest()
    blobs.put(name, b"")
    assert blobs.read(name) == b""


def test_putting_again_writes_nothing(blobs: Blobs) -> None:
    blobs.put(NAME, CONTENT)
    assert not blobs.put(NAME, CONTENT)


def test_deleting_forgets(blobs: Blobs) -> None:
    blobs.put(NAME, CONTENT)
    assert blobs.delete(NAME)
    assert not blobs.delete(NAME)
    assert not blobs.has(NAME)
    assert blobs.names() == []


def test_names_lists_what_is_there(blobs: Blobs) -> None:
    blobs.put(NAME, CONTENT)
    assert blobs.names() == [NAME]
    assert blobs.has(NAME)


@pytest.mark.parametrize("content", [CONTENT, b""])
def test_a_blob_can_be_looked_at(blobs: Blobs, content: bytes) -> None:
    name = hashlib.sha256(content).hexdigest()
    blobs.put(name, content)
    with blobs.view(name) as view:
        assert view == content
        assert view.readonly


def test_what_is_missing_or_damaged_cannot_be_looked_at(blobs: Blobs) -> None:
    with pytest.raises(BlobMissing), blobs.view(NAME):
        pass
    blobs.put(NAME, b"something else")
    with pytest.raises(BlobDamaged), blobs.view(NAME):
        pass


@pytest.mark.parametrize("question", ["read", "size", "open"])
def test_a_missing_blob_is_said_to_be_missing(blobs: Blobs, question: str) -> None:
    with pytest.raises(BlobMissing):
        getattr(blobs, question)(NAME)


@pytest.mark.parametrize("name", ["", "..", "../" + NAME, NAME.upper(), NAME + "\n", NAME[:-1]])
def test_a_name_that_is_no_hash_is_refused(blobs: Blobs, name: str) -> None:
    with pytest.raises(ValueError, match="not the name of a blob"):
        blobs.put(name, CONTENT)


def test_bytes_under_a_wrong_name_are_damaged(blobs: Blobs) -> None:
    blobs.put(NAME, b"something else")
    with pytest.raises(BlobDamaged):
        blobs.read(NAME)
