"""What is kept, made again and removed."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event

import pytest

from lamina.blobs import BlobDamaged, BlobMissing, LocalBlobs
from lamina.errors import InvalidParameterValueException
from lamina.packages import Packages, _store
from tests.unit.packages.zips import make_zip

DATA = make_zip({"index.py": b"x = 1\n"})
OTHER = make_zip({"index.py": b"x = 2\n"})
DIGEST = hashlib.sha256(DATA).hexdigest()


@pytest.fixture
def unpacked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The digests that were read to be unpacked, as often as it happened."""
    digests: list[str] = []
    read_layout = _store.read_layout

    def counted(data: memoryview, limits: object) -> object:
        digests.append(hashlib.sha256(data).hexdigest())
        return read_layout(data, limits)  # type: ignore[arg-type]

    monkeypatch.setattr(_store, "read_layout", counted)
    return digests


@pytest.fixture
def reopen(tmp_path: Path) -> Callable[[], Packages]:
    return lambda: Packages(tmp_path / "packages", LocalBlobs(tmp_path / "blobs"), settle_seconds=3600)


def after_a_reboot(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_store, "boot_id", lambda: "another boot")


def test_the_same_bytes_are_unpacked_once(packages: Packages, unpacked: list[str]) -> None:
    assert packages.stage(DATA) == packages.stage(DATA)
    assert unpacked == [DIGEST]


def test_the_same_bytes_from_many_threads_are_unpacked_once(packages: Packages, unpacked: list[str]) -> None:
    with ThreadPoolExecutor(8) as threads:
        results = list(threads.map(packages.stage, [DATA, OTHER] * 16))
    assert len(set(results)) == 2
    assert len(unpacked) == 2


def test_the_same_bytes_after_a_restart_are_not_unpacked(
    packages: Packages, reopen: Callable[[], Packages], unpacked: list[str]
) -> None:
    package = packages.stage(DATA)
    unpacked.clear()
    assert reopen().stage(DATA) == package
    assert unpacked == []


def test_a_missing_tree_is_made_again(packages: Packages) -> None:
    tree = packages.tree(packages.stage(DATA).digest)
    shutil.rmtree(tree)
    assert (packages.tree(DIGEST) / "index.py").read_bytes() == b"x = 1\n"


def test_a_missing_tree_is_made_again_by_stage(packages: Packages) -> None:
    tree = packages.tree(packages.stage(DATA).digest)
    shutil.rmtree(tree)
    packages.stage(DATA)
    assert (tree / "index.py").exists()


def test_a_missing_blob_is_stored_again(packages: Packages, blobs: LocalBlobs) -> None:
    packages.stage(DATA)
    blobs.delete(DIGEST)
    packages.stage(DATA)
    assert blobs.read(DIGEST) == DATA


def test_a_tree_that_was_not_settled_is_made_again_after_a_reboot(
    packages: Packages, reopen: Callable[[], Packages], monkeypatch: pytest.MonkeyPatch
) -> None:
    torn = packages.tree(packages.stage(DATA).digest) / "index.py"
    torn.write_bytes(b"")
    after_a_reboot(monkeypatch)
    assert (reopen().tree(DIGEST) / "index.py").read_bytes() == b"x = 1\n"


def test_a_settled_tree_is_trusted_after_a_reboot(
    packages: Packages, reopen: Callable[[], Packages], monkeypatch: pytest.MonkeyPatch, unpacked: list[str]
) -> None:
    packages.stage(DATA)
    packages.settle()
    unpacked.clear()
    after_a_reboot(monkeypatch)
    reopen().tree(DIGEST)
    assert unpacked == []


def test_a_tree_settles_by_itself(tmp_path: Path, blobs: LocalBlobs, monkeypatch: pytest.MonkeyPatch) -> None:
    flushed = Event()
    monkeypatch.setattr(_store, "flush_file_system", lambda _: flushed.set())
    packages = Packages(tmp_path / "packages", blobs, settle_seconds=0.01)
    packages.stage(DATA)
    assert flushed.wait(10)
    packages.close()


@pytest.mark.parametrize("record", [b"", b"{", b"[]", b'{"format":0}', b'{"format":1,"package":{},"boot":null}'])
def test_a_torn_record_is_no_record(
    packages: Packages, reopen: Callable[[], Packages], tmp_path: Path, record: bytes
) -> None:
    tree = packages.tree(packages.stage(DATA).digest)
    (tmp_path / "packages/records" / f"{DIGEST}.json").write_bytes(record)
    (tree / "index.py").unlink()
    assert (reopen().tree(DIGEST) / "index.py").exists()


def test_what_a_crash_left_is_removed_at_start(
    packages: Packages, reopen: Callable[[], Packages], tmp_path: Path
) -> None:
    half = tmp_path / "packages/making/0123/lib"
    half.mkdir(parents=True)
    reopen()
    assert list((tmp_path / "packages/making").iterdir()) == []


def test_a_tree_without_a_record_is_made_again(
    packages: Packages, reopen: Callable[[], Packages], tmp_path: Path
) -> None:
    (tmp_path / "packages/trees" / DIGEST / "half").mkdir(parents=True)
    tree = reopen().tree(reopen().stage(DATA).digest)
    assert [path.name for path in tree.iterdir()] == ["index.py"]


def test_a_package_that_is_not_here_is_missing(packages: Packages) -> None:
    with pytest.raises(BlobMissing):
        packages.tree(DIGEST)
    with pytest.raises(BlobMissing):
        packages.open(DIGEST)


def test_a_damaged_blob_is_not_unpacked(packages: Packages, blobs: LocalBlobs) -> None:
    shutil.rmtree(packages.tree(packages.stage(DATA).digest))
    blobs.path(DIGEST).write_bytes(OTHER)
    with pytest.raises(BlobDamaged):
        packages.tree(DIGEST)


def test_a_refused_package_is_not_stored(packages: Packages, blobs: LocalBlobs) -> None:
    large = make_zip({"f": bytes(range(256)) * 8192}, method=0)
    with pytest.raises(InvalidParameterValueException):
        packages.stage(large[:1000] + b"?" + large[1001:])
    assert blobs.names() == []


def test_a_disk_that_refuses_the_blob_leaves_no_package(
    packages: Packages, blobs: LocalBlobs, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(name: str, content: object) -> bool:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(blobs, "put", full)
        with pytest.raises(OSError, match="No space left"):
            packages.stage(DATA)
    with pytest.raises(BlobMissing):
        packages.tree(DIGEST)


def test_a_disk_that_refuses_the_record_leaves_no_part_of_it(
    packages: Packages, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(path: Path, target: Path) -> Path:
        raise OSError(28, "No space left on device")

    packages.stage(DATA)
    record = next(tmp_path.rglob(f"records/{DIGEST}.json"))
    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", full)
        with pytest.raises(OSError, match="No space left"):
            packages.settle()
    assert list(record.parent.iterdir()) == [record]


def collector(tmp_path: Path, grace_seconds: float) -> Packages:
    return Packages(
        tmp_path / "packages", LocalBlobs(tmp_path / "blobs"), grace_seconds=grace_seconds, settle_seconds=3600
    )


def test_collect_removes_what_nobody_uses(tmp_path: Path) -> None:
    packages = collector(tmp_path, 0)
    kept, gone = packages.stage(DATA).digest, packages.stage(OTHER).digest
    tree = packages.tree(gone)
    assert packages.collect({kept}) == [gone]
    assert not tree.exists()
    assert packages.tree(kept).exists()
    with pytest.raises(BlobMissing):
        packages.open(gone)


def test_collect_leaves_alone_what_was_staged_lately(tmp_path: Path) -> None:
    packages = collector(tmp_path, 60)
    packages.stage(DATA)
    assert packages.collect(set()) == []


def test_collect_removes_what_an_earlier_run_staged(tmp_path: Path) -> None:
    collector(tmp_path, 60).stage(DATA)
    assert collector(tmp_path, 60).collect(set()) == [DIGEST]


def test_collect_removes_parts_that_a_crash_left(tmp_path: Path) -> None:
    packages = collector(tmp_path, 0)
    (tmp_path / "packages/trees" / ("a" * 64)).mkdir()
    (tmp_path / "packages/trees/lost+found").mkdir()
    LocalBlobs(tmp_path / "blobs").put(DIGEST, DATA)
    assert packages.collect(set()) == sorted([DIGEST, "a" * 64])
    assert LocalBlobs(tmp_path / "blobs").names() == []


def test_collect_and_stage_at_once_leave_whole_packages(tmp_path: Path) -> None:
    packages = collector(tmp_path, 0)
    with ThreadPoolExecutor(4) as threads:
        collections = [threads.submit(packages.collect, frozenset()) for _ in range(20)]
        stages = [threads.submit(packages.stage, DATA) for _ in range(50)]
    assert all(future.exception() is None for future in [*collections, *stages])
    packages.stage(DATA)
    assert (packages.tree(DIGEST) / "index.py").exists()
