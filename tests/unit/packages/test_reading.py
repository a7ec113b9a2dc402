"""What can be asked of packages without their trees."""

from __future__ import annotations

import hashlib
import shutil
import zlib
from pathlib import Path

import pytest

from lamina.blobs import BlobDamaged, BlobMissing, LocalBlobs
from lamina.packages import FileFacts, Packages
from tests.unit.packages.zips import make_zip

DATA = make_zip({"index.py": b"x = 1\n", "d/": b"", "d/run": b"#!"}, modes={"d/run": 0o100755}, links={"l": "d/run"})
OTHER = make_zip({"index.py": b"x = 2\n"})


def test_a_package_is_found_by_its_name(packages: Packages) -> None:
    package = packages.stage(DATA)
    shutil.rmtree(packages.tree(package.name))
    assert packages.package(package.name) == package


def test_a_package_that_is_not_here_is_none(packages: Packages) -> None:
    assert packages.package("a" * 64) is None


def test_sizes_are_those_of_zip_and_files(packages: Packages) -> None:
    one, two = packages.stage(DATA), packages.stage(OTHER)
    assert packages.sizes() == {one.name: len(DATA) + 13, two.name: len(OTHER) + 6}


def test_the_size_of_a_zip_without_a_record_is_its_own(packages: Packages, blobs: LocalBlobs) -> None:
    name = hashlib.sha256(OTHER).hexdigest()
    blobs.put(name, OTHER)
    assert packages.sizes() == {name: len(OTHER)}


@pytest.mark.parametrize("error", [BlobMissing, BlobDamaged])
def test_one_zip_that_cannot_be_measured_does_not_hide_the_others(
    packages: Packages, blobs: LocalBlobs, monkeypatch: pytest.MonkeyPatch, error: type[Exception]
) -> None:
    one, two = packages.stage(DATA), packages.stage(OTHER)
    size = blobs.size

    def measured(name: str) -> int:
        if name == one.name:
            raise error(name)
        return size(name)

    monkeypatch.setattr(blobs, "size", measured)
    assert packages.sizes() == {one.name: 13, two.name: len(OTHER) + 6}


def test_files_are_told_apart(packages: Packages) -> None:
    assert packages.files(packages.stage(DATA).name) == {
        "index.py": FileFacts(6, zlib.crc32(b"x = 1\n"), executable=False, link=False),
        "d/run": FileFacts(2, zlib.crc32(b"#!"), executable=True, link=False),
        "l": FileFacts(5, zlib.crc32(b"d/run"), executable=True, link=True),
    }


def test_files_of_a_package_that_is_missing_or_damaged(packages: Packages, blobs: LocalBlobs) -> None:
    name = packages.stage(DATA).name
    blobs.path(name).write_bytes(OTHER)
    with pytest.raises(BlobDamaged):
        packages.files(name)
    blobs.delete(name)
    with pytest.raises(BlobMissing):
        packages.files(name)


def test_collect_copes_with_many(tmp_path: Path) -> None:
    blobs = LocalBlobs(tmp_path / "blobs")
    packages = Packages(tmp_path / "packages", blobs, grace_seconds=0, settle_seconds=3600)
    names = [packages.stage(make_zip({"f": b"%d" % number})).name for number in range(100)]
    in_use = set(names[:50]) | {hashlib.sha256(b"%d" % number).hexdigest() for number in range(100_000)}
    assert packages.collect(in_use) == sorted(names[50:])
    assert packages.sizes().keys() == set(names[:50])
    packages.close()


def test_collect_leaves_foreign_files_alone(tmp_path: Path) -> None:
    packages = Packages(tmp_path / "packages", LocalBlobs(tmp_path / "blobs"), grace_seconds=0)
    foreign = tmp_path / "packages/records/notes.json"
    foreign.write_bytes(b"{}")
    assert packages.collect(set()) == []
    assert foreign.exists()


def test_collect_goes_on_when_one_cannot_be_removed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    blobs = LocalBlobs(tmp_path / "blobs")
    packages = Packages(tmp_path / "packages", blobs, grace_seconds=0, settle_seconds=3600)
    stuck, gone = sorted([packages.stage(DATA).name, packages.stage(OTHER).name])
    delete = blobs.delete

    def refuse(name: str) -> bool:
        if name == stuck:
            raise OSError(5, "Input/output error")
        return delete(name)

    with monkeypatch.context() as patch:
        patch.setattr(blobs, "delete", refuse)
        assert packages.collect(set()) == [gone]
    assert packages.collect(set()) == [stuck]
    packages.close()
