"""Packages whose zips lie encrypted on the disk, and whose trees lie in memory alone."""

from __future__ import annotations

import hashlib
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import pytest

from lamina.blobs import BlobDamaged
from lamina.packages import Packages
from tests.unit.packages.zips import make_zip

DATA = make_zip({"index.py": b"x = 1\n", "lib.so": b"\x7fELF"})
DIGEST = hashlib.sha256(DATA).hexdigest()


def name_of(digest: str) -> str:
    return hashlib.sha256(f"{digest} arn:aws:kms:us-east-1:000000000000:key/k".encode()).hexdigest()


class Mirrored:
    """Blobs that are not on the disk as they came, and whose names are not the SHA-256 of anything in them."""

    def __init__(self, root: Path) -> None:
        self._root = root
        root.mkdir(exist_ok=True)

    def put(self, name: str, content: object) -> bool:
        data = bytes(content)  # type: ignore[call-overload]
        self._path(name).write_bytes((hashlib.sha256(data).digest() + data)[::-1])
        return True

    def has(self, name: str) -> bool:
        return self._path(name).exists()

    def open(self, name: str) -> BinaryIO:
        raise NotImplementedError

    def read(self, name: str) -> bytes:
        plain = self._path(name).read_bytes()[::-1]
        if hashlib.sha256(plain[32:]).digest() != plain[:32]:
            raise BlobDamaged(name)
        return plain[32:]

    @contextmanager
    def view(self, name: str) -> Iterator[memoryview]:
        with memoryview(self.read(name)) as content:
            yield content

    def size(self, name: str) -> int:
        return self._path(name).stat().st_size - 32

    def delete(self, name: str) -> bool:
        self._path(name).unlink(missing_ok=True)
        return True

    def names(self) -> list[str]:
        return sorted(path.name for path in self._root.iterdir())

    def _path(self, name: str) -> Path:
        return self._root / name


@pytest.fixture
def start(tmp_path: Path) -> Callable[[], Packages]:
    return lambda: Packages(
        tmp_path / "memory", Mirrored(tmp_path / "blobs"), volatile=True, grace_seconds=0, settle_seconds=3600
    )


def test_a_package_has_the_name_it_is_given(start: Callable[[], Packages]) -> None:
    packages = start()
    package = packages.stage(DATA, name=name_of)
    assert (package.name, package.digest) == (name_of(DIGEST), DIGEST)
    assert packages.tree(package.name).name == package.name
    assert packages.stage(DATA, name=name_of) == package
    assert packages.package(package.name) == package
    assert packages.files(package.name).keys() == {"index.py", "lib.so"}


def test_nothing_survives_a_restart_but_the_zip(start: Callable[[], Packages], tmp_path: Path) -> None:
    package = start().stage(DATA, name=name_of)
    packages = start()
    left = [path for path in (tmp_path / "memory").rglob("*") if not path.is_dir()]
    assert left == []
    assert packages.package(package.name) is None
    assert packages.sizes() == {package.name: len(DATA)}


def test_the_end_leaves_nothing_in_memory(start: Callable[[], Packages], tmp_path: Path) -> None:
    packages = start()
    packages.stage(DATA, name=name_of)
    packages.close()
    assert not (tmp_path / "memory").exists()


def test_a_tree_is_made_again_from_the_zip(start: Callable[[], Packages]) -> None:
    package = start().stage(DATA, name=name_of)
    packages = start()
    assert (packages.tree(package.name) / "index.py").read_bytes() == b"x = 1\n"
    assert packages.package(package.name) == package


def test_a_damaged_zip_is_not_unpacked(start: Callable[[], Packages], tmp_path: Path) -> None:
    package = start().stage(DATA, name=name_of)
    path = tmp_path / "blobs" / package.name
    path.write_bytes(b"?" + path.read_bytes()[1:])
    with pytest.raises(BlobDamaged):
        start().tree(package.name)


def test_collect_removes_the_zip_of_an_earlier_run(start: Callable[[], Packages], tmp_path: Path) -> None:
    package = start().stage(DATA, name=name_of)
    assert start().collect(set()) == [package.name]
    assert list((tmp_path / "blobs").iterdir()) == []


def test_two_names_for_the_same_zip_are_two_packages(start: Callable[[], Packages]) -> None:
    packages = start()
    one = packages.stage(DATA, name=name_of)
    two = packages.stage(DATA, name=lambda digest: name_of(name_of(digest)))
    assert packages.collect({two.name}) == [one.name]
    assert (packages.tree(two.name) / "index.py").exists()


@pytest.mark.parametrize("name", ["", "..", "../" + DIGEST, DIGEST.upper()])
def test_a_name_that_could_lead_elsewhere_is_refused(start: Callable[[], Packages], name: str) -> None:
    with pytest.raises(ValueError, match="not the name of a package"):
        start().stage(DATA, name=lambda _: name, keep_zip=False)


def test_only_the_owner_may_enter(start: Callable[[], Packages], tmp_path: Path) -> None:
    (tmp_path / "memory").mkdir(mode=0o777)
    start()
    assert stat.S_IMODE((tmp_path / "memory").stat().st_mode) == 0o700


def test_a_link_in_the_place_of_the_folder_is_not_followed(start: Callable[[], Packages], tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "kept").touch()
    (tmp_path / "memory").symlink_to(elsewhere)
    with pytest.raises(OSError, match="symbolic link"):
        start()
    assert [path.name for path in elsewhere.iterdir()] == ["kept"]
