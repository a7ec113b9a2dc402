"""Bytecode from the job, good and hostile."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from lamina.blobs import BlobMissing, LocalBlobs
from lamina.packages import BadBytecode, PackageLimits, Packages, _compile_job, _store
from tests.unit.packages.zips import make_zip

TAG = str(sys.implementation.cache_tag)
HEADER = importlib.util.MAGIC_NUMBER + b"\1\0\0\0" + bytes(8)
DATA = make_zip({"index.py": b"x = 1\n", "pkg/mod.py": b"y = 2\n", "data.txt": b""})


@pytest.fixture
def digest(packages: Packages) -> str:
    return packages.stage(DATA).digest


@pytest.fixture
def made(tmp_path: Path) -> Path:
    made = tmp_path / "made"
    for folder in (made / "__pycache__", made / "pkg/__pycache__"):
        folder.mkdir(parents=True)
    (made / f"__pycache__/index.{TAG}.pyc").write_bytes(HEADER + b"index")
    (made / f"pkg/__pycache__/mod.{TAG}.pyc").write_bytes(HEADER + b"mod")
    return made


def test_bytecode_is_placed(packages: Packages, digest: str, made: Path) -> None:
    assert packages.add_bytecode(digest, TAG, made) == 2
    placed = packages.tree(digest) / f"pkg/__pycache__/mod.{TAG}.pyc"
    assert placed.read_bytes() == HEADER + b"mod"
    assert placed.stat().st_mode & 0o777 == 0o644


def test_a_source_whose_name_leaves_no_room_is_passed_over(packages: Packages, made: Path) -> None:
    digest = packages.stage(make_zip({"index.py": b"", "n" * 252 + ".py": b""})).digest
    assert packages.add_bytecode(digest, TAG, made) == 1


def test_a_tree_with_new_bytecode_is_not_trusted_after_a_reboot(
    packages: Packages, digest: str, made: Path, tmp_path: Path, blobs: LocalBlobs, monkeypatch: pytest.MonkeyPatch
) -> None:
    packages.settle()
    packages.add_bytecode(digest, TAG, made)
    monkeypatch.setattr(_store, "boot_id", lambda: "another boot")
    assert Packages(tmp_path / "packages", blobs, settle_seconds=3600).tree(digest).exists()
    assert list(packages.tree(digest).rglob("*.pyc")) == []


def test_bytecode_is_missing_until_it_is_added(packages: Packages, digest: str, made: Path) -> None:
    assert packages.missing_bytecode(digest, TAG)
    packages.add_bytecode(digest, TAG, made)
    assert not packages.missing_bytecode(digest, TAG)
    assert packages.missing_bytecode(digest, "cpython-399")


def test_bytecode_stays_after_a_restart(
    packages: Packages, digest: str, made: Path, tmp_path: Path, blobs: LocalBlobs
) -> None:
    packages.add_bytecode(digest, TAG, made)
    again = Packages(tmp_path / "packages", blobs)
    assert not again.missing_bytecode(digest, TAG)


def test_bytecode_is_missing_after_the_tree_was_made_again(packages: Packages, digest: str, made: Path) -> None:
    packages.add_bytecode(digest, TAG, made)
    packages.tree(digest).rename(made.parent / "away")
    packages.tree(digest)
    assert packages.missing_bytecode(digest, TAG)


def test_a_package_without_sources_misses_nothing(packages: Packages) -> None:
    assert not packages.missing_bytecode(packages.stage(make_zip({"index.js": b""})).digest, TAG)


def test_a_job_that_compiled_nothing_counts_as_done(packages: Packages, digest: str, tmp_path: Path) -> None:
    (tmp_path / "nothing").mkdir()
    assert packages.add_bytecode(digest, TAG, tmp_path / "nothing") == 0
    assert not packages.missing_bytecode(digest, TAG)


def test_bytecode_that_came_with_the_package_stays(packages: Packages, made: Path) -> None:
    name = f"__pycache__/index.{TAG}.pyc"
    digest = packages.stage(make_zip({"index.py": b"", name: b"its own"})).digest
    assert packages.add_bytecode(digest, TAG, made) == 0
    assert (packages.tree(digest) / name).read_bytes() == b"its own"


@pytest.mark.parametrize("files", [{"__pycache__": b"a file"}, {"elsewhere/f": b""}], ids=["file", "link"])
def test_a_package_whose_cache_is_no_folder_is_left_alone(
    packages: Packages, made: Path, files: dict[str, bytes]
) -> None:
    links = {} if "__pycache__" in files else {"__pycache__": "elsewhere"}
    digest = packages.stage(make_zip({"index.py": b""} | files, links=links)).digest
    assert packages.add_bytecode(digest, TAG, made) == 0
    assert not (packages.tree(digest) / f"elsewhere/index.{TAG}.pyc").exists()


def test_files_without_a_source_are_not_taken(packages: Packages, digest: str, made: Path) -> None:
    (made / f"__pycache__/evil.{TAG}.pyc").write_bytes(HEADER)
    (made / "loose.pyc").write_bytes(HEADER)
    packages.add_bytecode(digest, TAG, made)
    assert sorted(path.name for path in packages.tree(digest).rglob("*.pyc")) == [f"index.{TAG}.pyc", f"mod.{TAG}.pyc"]


def as_link(path: Path) -> None:
    path.symlink_to("/etc/passwd")


def as_pipe(path: Path) -> None:
    os.mkfifo(path)


def as_hard_link(path: Path) -> None:
    other = path.with_suffix(".other")
    other.write_bytes(HEADER)
    path.hardlink_to(other)


@pytest.mark.parametrize(
    "make",
    [
        as_link,
        as_pipe,
        as_hard_link,
        Path.mkdir,
        lambda path: path.write_bytes(b""),
        lambda path: path.write_bytes(bytes(100)),
        lambda path: path.write_bytes(importlib.util.MAGIC_NUMBER + bytes(100)),
        lambda path: path.write_bytes(HEADER + bytes(100_000)),
    ],
    ids=["link", "pipe", "hard link", "folder", "empty", "no header", "checked", "too large"],
)
def test_what_is_not_plausible_is_refused(
    packages: Packages, digest: str, made: Path, make: Callable[[Path], object]
) -> None:
    path = made / f"__pycache__/index.{TAG}.pyc"
    path.unlink()
    make(path)
    with pytest.raises(BadBytecode, match="index"):
        packages.add_bytecode(digest, TAG, made)
    assert packages.missing_bytecode(digest, TAG)


def test_a_link_on_the_way_is_refused(packages: Packages, digest: str, made: Path, tmp_path: Path) -> None:
    (made / "pkg").rename(tmp_path / "elsewhere")
    (made / "pkg").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(BadBytecode, match="pkg"):
        packages.add_bytecode(digest, TAG, made)


def test_too_much_bytecode_is_refused(tmp_path: Path, blobs: LocalBlobs, made: Path) -> None:
    packages = Packages(tmp_path / "packages", blobs, limits=PackageLimits(bytecode_total=30), settle_seconds=3600)
    with pytest.raises(BadBytecode, match="more than 30 bytes"):
        packages.add_bytecode(packages.stage(DATA).digest, TAG, made)


@pytest.mark.parametrize("tag", ["", "..", "../x-1", "cpython-312/..", "cpython"])
def test_a_tag_that_is_none_is_refused(packages: Packages, digest: str, tag: str) -> None:
    with pytest.raises(ValueError, match="interpreter tag"):
        packages.missing_bytecode(digest, tag)


def test_bytecode_of_no_package_is_refused(packages: Packages, made: Path) -> None:
    with pytest.raises(BlobMissing):
        packages.add_bytecode("0" * 64, TAG, made)


def test_compiled_bytecode_is_used_without_looking_at_the_source(
    packages: Packages, digest: str, tmp_path: Path
) -> None:
    tree, output = packages.tree(digest), tmp_path / "output"
    subprocess.run([sys.executable, "-I", _compile_job.__file__, tree, output], check=True)
    packages.add_bytecode(digest, TAG, output)
    source = tree / "pkg/mod.py"
    source.write_text("y = 'changed'\n")
    shown = subprocess.run(
        [sys.executable, "-c", "import pkg.mod; print(pkg.mod.y, pkg.mod.__cached__)"],
        cwd=tree,
        check=True,
        capture_output=True,
        text=True,
        env={"PYTHONDONTWRITEBYTECODE": "1"},
    ).stdout
    assert shown.split() == ["2", str(tree / f"pkg/__pycache__/mod.{TAG}.pyc")]


def test_what_is_the_same_is_inherited(packages: Packages, digest: str, made: Path) -> None:
    packages.add_bytecode(digest, TAG, made)
    changed = packages.stage(make_zip({"index.py": b"x = 9\n", "pkg/mod.py": b"y = 2\n"})).digest
    assert packages.inherit_bytecode(changed, TAG, digest) == len(b"x = 9\n")
    here = packages.tree(changed)
    assert [path.name for path in here.rglob("*.pyc")] == [f"mod.{TAG}.pyc"]
    assert (here / f"pkg/__pycache__/mod.{TAG}.pyc").read_bytes() == HEADER + b"mod"


def test_the_same_source_at_another_path_is_not_inherited(packages: Packages, digest: str, made: Path) -> None:
    packages.add_bytecode(digest, TAG, made)
    moved = packages.stage(make_zip({"other/mod.py": b"y = 2\n"})).digest
    assert packages.inherit_bytecode(moved, TAG, digest) == len(b"y = 2\n")


def test_an_ancestor_that_is_gone_leaves_all_to_the_job(packages: Packages, digest: str) -> None:
    assert packages.inherit_bytecode(digest, TAG, "0" * 64) == len(b"x = 1\ny = 2\n")


def test_inherited_bytecode_outlives_its_ancestor(packages: Packages, digest: str, made: Path) -> None:
    packages.add_bytecode(digest, TAG, made)
    child = packages.stage(make_zip({"pkg/mod.py": b"y = 2\n"})).digest
    assert packages.inherit_bytecode(child, TAG, digest) == 0
    shutil.rmtree(packages.tree(digest))
    assert (packages.tree(child) / f"pkg/__pycache__/mod.{TAG}.pyc").read_bytes() == HEADER + b"mod"
