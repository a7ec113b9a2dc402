"""What a good zip becomes."""

from __future__ import annotations

import base64
import hashlib
import io
import os
import stat
import zipfile
from pathlib import Path

import pytest

from lamina.blobs import LocalBlobs
from lamina.packages import Packages
from tests.unit.packages.zips import make_zip


def staged(packages: Packages, data: bytes) -> Path:
    return packages.tree(packages.stage(data).digest)


def test_a_package_is_described(packages: Packages) -> None:
    data = make_zip({"index.py": b"x = 1\n", "lib/data.txt": b"four"})
    package = packages.stage(data)
    assert package.digest == hashlib.sha256(data).hexdigest()
    assert package.code_sha256 == base64.b64encode(hashlib.sha256(data).digest()).decode()
    assert (package.code_size, package.unpacked_size) == (len(data), 10)
    assert (package.files, package.python_bytes) == (2, 6)


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_files_are_unpacked(packages: Packages, method: int) -> None:
    big = os.urandom(3_000_000) + bytes(3_000_000)
    tree = staged(packages, make_zip({"a/b/c.txt": b"deep", "empty": b"", "big": big}, method=method))
    assert (tree / "a/b/c.txt").read_bytes() == b"deep"
    assert (tree / "empty").read_bytes() == b""
    assert (tree / "big").read_bytes() == big


def test_the_zip_can_be_read_back(packages: Packages) -> None:
    data = make_zip({"index.py": b""})
    with packages.open(packages.stage(data).digest) as stream:
        assert stream.read() == data


def test_a_memoryview_is_as_good_as_bytes(packages: Packages) -> None:
    data = make_zip({"index.py": b""})
    assert packages.stage(memoryview(data)) == packages.stage(data)


def test_a_large_package_is_stored_and_unpacked(packages: Packages, blobs: LocalBlobs) -> None:
    content = os.urandom(2 << 20)
    data = make_zip({"blob": content})
    assert (staged(packages, data) / "blob").read_bytes() == content
    assert blobs.read(hashlib.sha256(data).hexdigest()) == data


@pytest.mark.parametrize(
    ("mode", "expected"),
    [(0o644, 0o644), (0o600, 0o644), (0o755, 0o755), (0o700, 0o755), (0o6777, 0o755), (0o1666, 0o644), (0, 0o644)],
)
def test_modes_keep_the_execute_bit_alone(packages: Packages, mode: int, expected: int) -> None:
    tree = staged(packages, make_zip({"f": b""}, modes={"f": stat.S_IFREG | mode}))
    assert stat.S_IMODE((tree / "f").stat().st_mode) == expected


def test_modes_do_not_depend_on_the_umask(packages: Packages) -> None:
    before = os.umask(0o077)
    try:
        tree = staged(packages, make_zip({"d/f": b""}))
    finally:
        os.umask(before)
    assert [stat.S_IMODE(path.stat().st_mode) for path in (tree, tree / "d", tree / "d/f")] == [0o755, 0o755, 0o644]


def test_times_are_those_of_the_zip(packages: Packages) -> None:
    tree = staged(packages, make_zip({"f": b""}, date=(2024, 2, 29, 12, 34, 56)))
    assert (tree / "f").stat().st_mtime == 1709210096


def test_a_time_that_is_none_becomes_1980(packages: Packages) -> None:
    tree = staged(packages, make_zip({"f": b""}, date=(1980, 0, 0, 0, 0, 0)))
    assert (tree / "f").stat().st_mtime == 315532800


def test_empty_folders_are_kept(packages: Packages) -> None:
    tree = staged(packages, make_zip({"f": b"", "empty/": b"", "a/./b//": b""}))
    assert (tree / "empty").is_dir()
    assert (tree / "a/b").is_dir()


def test_names_with_dots_for_the_folder_itself_are_cleaned(packages: Packages) -> None:
    tree = staged(packages, make_zip({"./": b"", "./a//f": b"here"}))
    assert (tree / "a/f").read_bytes() == b"here"


def test_upper_and_lower_case_differ(packages: Packages) -> None:
    tree = staged(packages, make_zip({"F": b"upper", "f": b"lower"}))
    assert ((tree / "F").read_bytes(), (tree / "f").read_bytes()) == (b"upper", b"lower")


@pytest.mark.parametrize("name", ["grüße.py", "日本/語.txt", "a b", "-rf", "...", "..a", "back\\slash", "C:colon"])
def test_unusual_names_are_kept(packages: Packages, name: str) -> None:
    assert (staged(packages, make_zip({name: b"here"})) / name).read_bytes() == b"here"


def test_relative_links_are_kept(packages: Packages) -> None:
    tree = staged(packages, make_zip({"lib/real.so.1": b"elf"}, links={"lib/real.so": "real.so.1", "x": "lib/../lib"}))
    assert (tree / "lib/real.so").readlink() == Path("real.so.1")
    assert (tree / "x/real.so").read_bytes() == b"elf"


def test_a_zip_written_as_a_stream_is_unpacked(packages: Packages) -> None:
    class Pipe(io.RawIOBase):
        written = b""

        def writable(self) -> bool:
            return True

        def write(self, data: object) -> int:
            self.written += bytes(data)  # type: ignore[call-overload]
            return len(bytes(data))  # type: ignore[call-overload]

    pipe = Pipe()
    with zipfile.ZipFile(pipe, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.txt", b"streamed" * 100)
        archive.writestr("b.txt", b"too")
    assert (staged(packages, pipe.written) / "a.txt").read_bytes() == b"streamed" * 100


def test_a_comment_is_allowed(packages: Packages) -> None:
    buffer = io.BytesIO(make_zip({"f": b"here"}))
    with zipfile.ZipFile(buffer, "a") as archive:
        archive.comment = b"made by hand PK\5\6"
    assert (staged(packages, buffer.getvalue()) / "f").read_bytes() == b"here"
