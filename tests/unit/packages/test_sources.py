"""Zips from other places than a request: mapped files, with limits of their own, kept or not."""

from __future__ import annotations

import mmap
import os
import shutil
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from lamina.blobs import BlobMissing, LocalBlobs
from lamina.errors import InvalidParameterValueException, RequestEntityTooLargeException
from lamina.packages import Packages
from tests.unit.packages.zips import make_zip, patched

CENTRAL, LOCAL = b"PK\1\2", b"PK\3\4"
LARGE = {"big": os.urandom(2 << 20) + bytes(2 << 20)} | {f"d{n % 9}/{n}": os.urandom(n * 7) for n in range(400)}


@contextmanager
def mapped(path: Path) -> Iterator[mmap.mmap]:
    """As a download is: leaving the block fails while anybody still looks at the pages."""
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as pages:
        yield pages


@pytest.mark.parametrize("method", [0, 8])
def test_a_mapped_file_is_unpacked(packages: Packages, tmp_path: Path, method: int) -> None:
    data = make_zip(LARGE, method=method)
    (tmp_path / "download").write_bytes(data)
    with mapped(tmp_path / "download") as pages:
        package = packages.stage(pages)
    tree = packages.tree(package.name)
    assert {name: (tree / name).read_bytes() for name in LARGE} == LARGE
    with packages.open(package.name) as stream:
        assert stream.read() == data


@pytest.mark.parametrize("method", [0, 8])
@pytest.mark.parametrize("content", [b"content" * 10, os.urandom(3 << 20)], ids=["small", "large"])
def test_a_mapped_file_that_is_refused_can_be_closed(
    packages: Packages, tmp_path: Path, method: int, content: bytes
) -> None:
    data = make_zip({"f": content, "g": b"x"}, method=method)
    wrong = patched(patched(data, LOCAL, 14, b"\1\2\3\4"), CENTRAL, 16, b"\1\2\3\4")
    (tmp_path / "download").write_bytes(wrong)
    with pytest.raises(InvalidParameterValueException), mapped(tmp_path / "download") as pages:
        packages.stage(pages)


def test_a_mapped_file_can_be_closed_when_the_disk_is_full(
    packages: Packages, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(file: int, data: bytes) -> int:
        raise OSError(28, "No space left on device")

    (tmp_path / "download").write_bytes(make_zip({"f": os.urandom(3 << 20)}, method=0))
    monkeypatch.setattr(os, "write", full)
    with pytest.raises(OSError, match="No space left"), mapped(tmp_path / "download") as pages:
        packages.stage(pages)
    assert list((tmp_path / "packages/making").iterdir()) == []


@pytest.mark.parametrize("bad", ["big", "d0/0", "d8/395"])
def test_one_bad_file_among_many_leaves_nothing(
    packages: Packages, blobs: LocalBlobs, tmp_path: Path, bad: str
) -> None:
    data = make_zip(LARGE)
    at = data.index(CENTRAL)
    local, central = data.index(bad.encode()) - 30, data.index(bad.encode(), at) - 46
    wrong = bytearray(data)
    struct.pack_into("<L", wrong, local + 14, 0x01020304)
    struct.pack_into("<L", wrong, central + 16, 0x01020304)
    with pytest.raises(InvalidParameterValueException):
        packages.stage(bytes(wrong))
    assert blobs.names() == []
    assert [list((tmp_path / "packages" / folder).iterdir()) for folder in ("trees", "making", "records")] == [[]] * 3


def test_each_source_has_its_own_limit(packages: Packages) -> None:
    data = make_zip({"f": b"x"})
    with pytest.raises(
        RequestEntityTooLargeException, match=f"^Zipped size must be smaller than {len(data) - 1} bytes$"
    ):
        packages.stage(data, largest=len(data) - 1)
    assert packages.stage(data, largest=len(data)).code_size == len(data)


def test_a_source_may_have_a_larger_limit_than_a_request(packages: Packages) -> None:
    data = make_zip({"f": bytes(60_000_000)}, method=0)
    assert packages.stage(data, largest=262_144_000).unpacked_size == 60_000_000


def test_a_zip_that_is_not_kept_leaves_its_tree(packages: Packages, blobs: LocalBlobs) -> None:
    data = make_zip({"f": b"here"})
    package = packages.stage(data, keep_zip=False)
    assert (packages.tree(package.name) / "f").read_bytes() == b"here"
    assert blobs.names() == []
    assert packages.stage(data, keep_zip=False) == package
    assert packages.sizes() == {package.name: 4}


def test_a_tree_without_a_zip_is_missing_when_it_is_lost(packages: Packages) -> None:
    data = make_zip({"f": b"here"})
    tree = packages.tree(packages.stage(data, keep_zip=False).name)
    shutil.rmtree(tree)
    with pytest.raises(BlobMissing):
        packages.tree(tree.name)
    packages.stage(data, keep_zip=False)
    assert (packages.tree(tree.name) / "f").read_bytes() == b"here"


def test_a_zip_that_was_not_kept_is_kept_when_another_asks_for_it(packages: Packages, blobs: LocalBlobs) -> None:
    data = make_zip({"f": b"here"})
    package = packages.stage(data, keep_zip=False)
    packages.stage(data)
    assert blobs.read(package.name) == data
