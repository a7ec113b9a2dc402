"""Zips that are refused. Each leaves nothing behind."""

from __future__ import annotations

import io
import os
import stat
import struct
import zipfile
from pathlib import Path

import pytest

from lamina.blobs import LocalBlobs
from lamina.errors import InvalidParameterValueException, RequestEntityTooLargeException
from lamina.packages import BadZip, PackageLimits, Packages
from tests.unit.packages.zips import add, end_record, make_zip, patched, raw_zip

COULD_NOT_UNZIP = "Could not unzip uploaded file. Please check your file, then try to upload again."
CENTRAL, LOCAL, END = b"PK\1\2", b"PK\3\4", b"PK\5\6"


def leftovers(root: Path) -> list[Path]:
    return [path for path in root.rglob("*") if not path.is_dir() or path.parent.name in ("trees", "making")]


def assert_refused(packages: Packages, data: bytes, root: Path, reason: str) -> None:
    with pytest.raises(InvalidParameterValueException) as refusal:
        packages.stage(data)
    assert refusal.value.message == COULD_NOT_UNZIP
    assert isinstance(refusal.value.__cause__, BadZip)
    assert reason in str(refusal.value.__cause__)
    assert leftovers(root) == []


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        (b"/etc/passwd", "absolute"),
        (b"../up", "climbs"),
        (b"a/../../up", "climbs"),
        (b"a/..", "climbs"),
        (b"..\\up", "climbs"),
        (b"a\\..\\..\\up", "climbs"),
        (b"\\root", "absolute"),
        (b"C:\\boot.ini", "absolute"),
        (b"a\0b", "NUL"),
        (b"", "empty name"),
        (b".", "a dot"),
        (b"a/.", "a dot"),
        (b"n" * 256, "255"),
        (b"/".join([b"n" * 250] * 17), "too long"),
        (b"/".join([b"n"] * 200), "too deep"),
    ],
)
def test_names_that_lead_elsewhere(packages: Packages, tmp_path: Path, name: bytes, reason: str) -> None:
    assert_refused(packages, raw_zip((name, b"x")), tmp_path, reason)


def test_a_name_that_is_not_the_utf8_it_claims(packages: Packages, tmp_path: Path) -> None:
    data = raw_zip((b"caf\xe9", b"x"))
    flagged = patched(patched(data, CENTRAL, 8, b"\0\x08"), LOCAL, 6, b"\0\x08")
    assert_refused(packages, flagged, tmp_path, "not UTF-8")


@pytest.mark.parametrize(
    ("names", "reason"),
    [
        ((b"f", b"f"), "twice"),
        ((b"f", b"./f"), "twice"),
        ((b"a", b"a/b"), "a file and a folder"),
        ((b"a/b", b"a"), "a file and a folder"),
        ((b"a", b"a//"), "a folder with content"),
    ],
)
def test_two_members_in_one_place(packages: Packages, tmp_path: Path, names: tuple[bytes, bytes], reason: str) -> None:
    assert_refused(packages, raw_zip(*((name, b"x") for name in names)), tmp_path, reason)


@pytest.mark.parametrize(
    ("links", "reason"),
    [
        ({"l": "/etc"}, "absolute"),
        ({"l": ".."}, "leaves the tree"),
        ({"a/l": "../.."}, "leaves the tree"),
        ({"a/l": "../../a"}, "leaves the tree"),
        ({"a/b/one": "..", "two": "a/b/one/../.."}, "leaves the tree"),
        ({"l": "l"}, "chain"),
        ({"l": "m", "m": "l"}, "chain"),
        ({"l": "here", "here": "/etc"}, "absolute"),
        ({"l": ""}, "empty name"),
        ({"l": "a\0b"}, "NUL"),
        ({"l": "n" * 5000}, "5000 bytes"),
    ],
)
def test_links_that_leave_the_tree(packages: Packages, tmp_path: Path, links: dict[str, str], reason: str) -> None:
    assert_refused(packages, make_zip({"f": b""}, links=links), tmp_path, reason)


def test_a_member_behind_a_link(packages: Packages, tmp_path: Path) -> None:
    data = make_zip({"d/f": b"", "l/f": b"through"}, links={"l": "d"})
    assert_refused(packages, data, tmp_path, "behind")


def test_links_that_take_too_long_to_follow(packages: Packages, tmp_path: Path) -> None:
    links = {f"l{i}": "a/../" * 800 + "end" for i in range(2000)}
    assert_refused(packages, make_zip({}, links=links), tmp_path, "steps")


@pytest.mark.parametrize("kind", [stat.S_IFCHR, stat.S_IFBLK, stat.S_IFIFO, stat.S_IFSOCK])
def test_special_files(packages: Packages, tmp_path: Path, kind: int) -> None:
    assert_refused(packages, make_zip({"f": b""}, modes={"f": kind | 0o666}), tmp_path, "device, pipe or socket")


def test_a_folder_named_as_a_file(packages: Packages, tmp_path: Path) -> None:
    assert_refused(packages, make_zip({"d": b""}, modes={"d": stat.S_IFDIR | 0o755}), tmp_path, "folder")


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_other_compression(packages: Packages, tmp_path: Path, method: int) -> None:
    assert_refused(packages, make_zip({"f": b"x" * 100}, method=method), tmp_path, "compression method")


@pytest.mark.parametrize("flag", [0x01, 0x40])
def test_encryption(packages: Packages, tmp_path: Path, flag: int) -> None:
    data = patched(make_zip({"f": b"x"}), CENTRAL, 8, bytes([flag]))
    assert_refused(packages, data, tmp_path, "encrypted")


@pytest.mark.parametrize(
    ("mark", "offset", "replacement", "reason"),
    [
        (LOCAL, 14, b"\1\2\3\4", "differ"),  # CRC
        (LOCAL, 18, b"\1\0\0\0", "differ"),  # packed size
        (LOCAL, 22, b"\1\0\0\0", "differ"),  # size
        (LOCAL, 8, b"\0\0", "differ"),  # method
        (LOCAL, 30, b"g", "another member"),  # name
        (LOCAL, 0, b"PK\0\0", "another member"),
        (CENTRAL, 0, b"PK\0\0", "damaged"),
        (CENTRAL, 42, b"\1\0\0\0", "before the first"),  # offset
        (CENTRAL, 20, b"\xff\xff\xff\xff", "zip64"),
        (CENTRAL, 34, b"\1\0", "more than one disk"),
        (END, 8, b"\2\0\2\0", "ends early"),  # count
        (END, 4, b"\1\0", "more than one disk"),
        (END, 12, b"\1\0\0\0", "after the central directory"),  # size of the directory
        (END, 16, b"\xff\xff\xff\xff", "zip64"),
    ],
)
def test_headers_that_lie(
    packages: Packages, tmp_path: Path, mark: bytes, offset: int, replacement: bytes, reason: str
) -> None:
    data = patched(make_zip({"f": b"some content" * 10}), mark, offset, replacement)
    assert_refused(packages, data, tmp_path, reason)


def both(data: bytes, local: int, central: int, replacement: bytes) -> bytes:
    return patched(patched(data, LOCAL, local, replacement), CENTRAL, central, replacement)


def test_a_wrong_checksum(packages: Packages, tmp_path: Path) -> None:
    data = both(make_zip({"f": b"content" * 10}), 14, 16, b"\1\2\3\4")
    assert_refused(packages, data, tmp_path, "not as declared")


@pytest.mark.parametrize("size", [0, 1, 69, 71, 100_000])
def test_a_wrong_size(packages: Packages, tmp_path: Path, size: int) -> None:
    data = both(make_zip({"f": b"content" * 10}), 22, 24, struct.pack("<L", size))
    assert_refused(packages, data, tmp_path, "declared")


def test_a_damaged_stream(packages: Packages, tmp_path: Path) -> None:
    data = make_zip({"f": os.urandom(1000)})
    assert_refused(packages, data[:200] + bytes(100) + data[300:], tmp_path, "declared")


def test_bytes_after_the_compressed_stream(packages: Packages, tmp_path: Path) -> None:
    whole = make_zip({"f": b"content" * 10})
    packed = struct.unpack_from("<L", whole, 18)[0]
    at = whole.index(CENTRAL)
    longer = whole[:at] + b"more" + whole[at:]
    longer = both(longer, 18, 20, struct.pack("<L", packed + 4))
    assert_refused(packages, patched(longer, END, 16, struct.pack("<L", at + 4)), tmp_path, "declared")


def test_overlapping_members(packages: Packages, tmp_path: Path) -> None:
    data = make_zip({"f": b"x" * 50, "g": b"x" * 50})
    assert_refused(packages, patched(data, CENTRAL, 42, bytes(4), last=True), tmp_path, "overlaps")


def test_members_that_share_their_data(packages: Packages, tmp_path: Path) -> None:
    data = make_zip({"f": b"x" * 50})
    at = data.index(CENTRAL)
    directory = data[at : data.index(END)]
    twice = data[:at] + 2 * directory + end_record(2, 2 * len(directory), at)
    assert_refused(packages, twice, tmp_path, "overlaps")


def test_bytes_before_the_first_member(packages: Packages, tmp_path: Path) -> None:
    assert_refused(packages, b"#!/bin/sh\n" + make_zip({"f": b"x"}), tmp_path, "before the first")


def test_bytes_before_the_first_member_with_right_offsets(packages: Packages, tmp_path: Path) -> None:
    buffer = io.BytesIO(b"#!/bin/sh\n")
    with zipfile.ZipFile(buffer, "a") as archive:
        add(archive, "f", b"x")
    assert_refused(packages, buffer.getvalue(), tmp_path, "before the first")


def test_bytes_after_the_end(packages: Packages, tmp_path: Path) -> None:
    assert_refused(packages, make_zip({"f": b"x"}) + b"more", tmp_path, "no end")


def test_zip64(packages: Packages, tmp_path: Path) -> None:
    info = zipfile.ZipInfo("f")
    info.extra = struct.pack("<HHQQ", 1, 16, 1, 1)
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr(info, b"x")
    sizes_in_the_extra_field = b"\xff" * 8
    assert_refused(packages, patched(buffer.getvalue(), LOCAL, 18, sizes_in_the_extra_field), tmp_path, "differ")


@pytest.mark.parametrize("data", [b"not a zip", b"PK", b"PK\5\6", bytes(22), b"PK\3\4" + bytes(100)])
def test_what_is_no_zip(packages: Packages, tmp_path: Path, data: bytes) -> None:
    assert_refused(packages, data, tmp_path, "no end of central directory")


def test_every_truncation(packages: Packages, tmp_path: Path) -> None:
    data = make_zip({"f": b"content", "d/g": b"more content"})
    for length in range(1, len(data)):
        assert_refused(packages, data[:length], tmp_path, "")


@pytest.mark.parametrize("data", [b"", end_record(0, 0, 0)], ids=["no bytes", "no members"])
def test_an_empty_zip(packages: Packages, data: bytes) -> None:
    with pytest.raises(InvalidParameterValueException, match=r"^Uploaded file must be a non-empty zip$"):
        packages.stage(data)


def test_too_many_members(tmp_path: Path, blobs: LocalBlobs) -> None:
    packages = Packages(tmp_path / "packages", blobs, limits=PackageLimits(entries=2))
    assert_refused(packages, make_zip({"a": b"", "b": b"", "c": b""}), tmp_path, "3 members")


def test_too_many_folders(tmp_path: Path, blobs: LocalBlobs) -> None:
    packages = Packages(tmp_path / "packages", blobs, limits=PackageLimits(nodes=10))
    assert_refused(packages, make_zip({"/".join("abcdefghijk") + "/f": b""}), tmp_path, "folders")


def test_too_large_a_zip(packages: Packages) -> None:
    with pytest.raises(RequestEntityTooLargeException, match=r"^Zipped size must be smaller than 52428800 bytes$"):
        packages.stage(bytes(52_428_801))


def test_files_that_are_too_large_together(packages: Packages, tmp_path: Path) -> None:
    data = both(make_zip({"f": b"x"}), 22, 24, struct.pack("<L", 262_144_000))
    with pytest.raises(InvalidParameterValueException, match=r"^Unzipped size must be smaller than 262144000 bytes$"):
        packages.stage(data)
    assert leftovers(tmp_path) == []


def test_the_limit_itself_is_too_large(tmp_path: Path, blobs: LocalBlobs) -> None:
    packages = Packages(tmp_path / "packages", blobs, limits=PackageLimits(unpacked=10))
    packages.stage(make_zip({"f": b"x" * 9}))
    with pytest.raises(InvalidParameterValueException, match="smaller than 10 bytes"):
        packages.stage(make_zip({"f": b"x" * 10}))


def test_a_bomb_ends_at_the_size_it_declares(
    packages: Packages, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written = 0
    write = os.write

    def counted(descriptor: int, data: bytes) -> int:
        nonlocal written
        written += len(data)
        return write(descriptor, data)

    monkeypatch.setattr(os, "write", counted)
    data = both(make_zip({"f": bytes(50_000_000)}), 22, 24, struct.pack("<L", 1000))
    assert_refused(packages, data, tmp_path, "declared")
    assert written <= 1001
