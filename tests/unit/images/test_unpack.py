"""Layers on the disk: what they show, and what hostile ones cannot do."""

from __future__ import annotations

import hashlib
import io
import os
import shutil
import stat
import subprocess
import tarfile
from pathlib import Path

import pytest

from lamina.images._faults import Bad
from lamina.images._limits import ImageLimits
from tests.unit.images.tars import tar, unpack_all

FILE, HARD, LINK, FOLDER = tarfile.REGTYPE, tarfile.LNKTYPE, tarfile.SYMTYPE, tarfile.DIRTYPE


@pytest.fixture
def target(tmp_path: Path) -> Path:
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside/file").write_bytes(b"untouched")
    return tmp_path / "layer"


def names(target: Path) -> set[str]:
    return {str(path.relative_to(target)) for path in target.rglob("*")}


@pytest.mark.parametrize("form", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_every_format_says_the_same(target: Path, form: int) -> None:
    deep = "/".join(["folder-of-a-long-name"] * 6 + ["file"])
    data = tar(("./a", FILE, b"1" * 1000), ("b/", FOLDER, None), (deep, FILE, b"2"), ("l", LINK, "a"), form=form)
    unpacked = unpack_all(data, target)
    assert (target / "a").read_bytes() == b"1" * 1000
    assert (target / deep).read_bytes() == b"2"
    assert (target / "l").readlink() == Path("a")
    assert unpacked.diff_id == f"sha256:{hashlib.sha256(data).hexdigest()}"
    assert unpacked.size == len(data)


@pytest.mark.parametrize("form", [tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_long_names_and_long_targets(target: Path, form: int) -> None:
    name, aim = "/".join(["n" * 200] * 3), "t" * 300
    unpack_all(tar((name, FILE, b"x"), ("l", LINK, aim), ("h", HARD, name), form=form), target)
    assert (target / name).read_bytes() == b"x"
    assert str((target / "l").readlink()) == aim
    assert (target / "h").samefile(target / name)


@pytest.mark.skipif(shutil.which("tar") is None, reason="the program tar is missing")
@pytest.mark.parametrize("form", ["gnu", "pax", "ustar", "v7", "oldgnu"])
def test_what_tar_itself_has_packed(target: Path, form: str) -> None:
    source = target.with_name("source")
    (source / "folder/deeper").mkdir(parents=True)
    (source / "folder/file").write_bytes(bytes(range(256)) * 100)
    os.link(source / "folder/file", source / "folder/deeper/same")
    (source / "link").symlink_to("folder/file")
    os.utime(source / "folder/file", (1_000_000_000, 1_000_000_000))
    command = ["tar", "-c", f"--format={form}", "-C", source, "."]
    unpack_all(subprocess.run(command, capture_output=True, check=True).stdout, target)
    assert names(target) == names(source)
    assert (target / "folder/file").read_bytes() == bytes(range(256)) * 100
    assert (target / "folder/file").samefile(target / "folder/deeper/same")
    assert (target / "folder/file").stat().st_mtime == 1_000_000_000
    assert (target / "link").readlink() == Path("folder/file")


def test_modes_are_readable_by_all_and_never_setuid(target: Path) -> None:
    unpack_all(tar(("secret", FILE, b""), mode=0o600), target)
    assert stat.S_IMODE((target / "secret").stat().st_mode) == 0o644
    unpack_all(tar(("tool", FILE, b""), mode=0o6700), target.with_name("2"))
    assert stat.S_IMODE((target.with_name("2") / "tool").stat().st_mode) == 0o755
    unpack_all(tar(("tmp", FOLDER, None), mode=0o1777), target.with_name("3"))
    assert stat.S_IMODE((target.with_name("3") / "tmp").stat().st_mode) == 0o1777
    unpack_all(tar(("shut", FOLDER, None), ("shut/in", FILE, b""), mode=0o000), target.with_name("4"))
    assert stat.S_IMODE((target.with_name("4") / "shut").stat().st_mode) == 0o755


def test_devices_and_pipes_are_left_out(target: Path) -> None:
    kinds = (tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.FIFOTYPE)
    unpack_all(tar(*((f"dev/{kind!r}", kind, None) for kind in kinds), ("dev/file", FILE, b"")), target)
    assert names(target) == {"dev", "dev/file"}


def test_a_later_member_replaces_an_earlier_one(target: Path) -> None:
    unpack_all(tar(("a/b", FILE, b"1"), ("a", FILE, b"2"), ("c", FILE, b"3"), ("c/", FOLDER, None)), target)
    assert (target / "a").read_bytes() == b"2"
    assert (target / "c").is_dir()


def test_extended_attributes_of_a_tar_mean_nothing(target: Path) -> None:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as archive:
        item = tarfile.TarInfo("d")
        item.type = FOLDER
        item.pax_headers = {
            "SCHILY.xattr.user.overlay.redirect": "/other",
            "SCHILY.xattr.user.overlay.opaque": "y",
            "SCHILY.xattr.security.capability": "x",
        }
        archive.addfile(item)
    unpack_all(buffer.getvalue(), target)
    assert os.listxattr(target / "d") == []


# Whiteouts


def is_whiteout(path: Path) -> bool:
    facts = path.lstat()
    return stat.S_ISCHR(facts.st_mode) and facts.st_rdev == 0


def is_opaque(path: Path) -> bool:
    return "user.overlay.opaque" in os.listxattr(path)


def test_a_whiteout_is_a_device_0_0(target: Path) -> None:
    unpack_all(tar(("d/.wh.gone", FILE, b"")), target)
    assert is_whiteout(target / "d/gone")
    assert names(target) == {"d", "d/gone"}


@pytest.mark.parametrize("order", [1, -1])
def test_a_whiteout_is_for_lower_layers_only(target: Path, order: int) -> None:
    members = [(".wh.file", FILE, b""), ("file", FILE, b"new")][::order]
    members += [(".wh.dir", FILE, b""), ("dir", FOLDER, None)][::order]
    unpack_all(tar(*members), target)
    assert (target / "file").read_bytes() == b"new"
    assert (target / "dir").is_dir()
    assert is_opaque(target / "dir")


def test_a_whiteout_and_then_a_file_in_a_folder_of_that_name(target: Path) -> None:
    unpack_all(tar((".wh.dir", FILE, b""), ("dir/file", FILE, b"")), target)
    assert is_opaque(target / "dir")


def test_an_opaque_folder(target: Path) -> None:
    unpacked = unpack_all(tar(("d/.wh..wh..opq", FILE, b""), ("d/new", FILE, b""), (".wh..wh.plnk", FILE, b"")), target)
    assert names(target) == {"d", "d/new"}
    assert is_opaque(target / "d")
    assert not unpacked.opaque


def test_an_opaque_top(target: Path) -> None:
    assert unpack_all(tar((".wh..wh..opq", FILE, b""), ("new", FILE, b"")), target).opaque


# Hostile tars


@pytest.mark.parametrize(
    "members",
    [
        [("../outside/file", FILE, b"x")],
        [("a/../../outside/file", FILE, b"x")],
        [("..", FOLDER, None)],
        [("a", HARD, "../outside/file")],
        [("a", HARD, "missing")],
        [("d", FOLDER, None), ("a", HARD, "d")],
        [("a", LINK, "../outside"), ("b", HARD, "a/file")],
        [(".wh...", FILE, b"")],
        [(".wh.", FILE, b"")],
        [("file", FILE, b""), ("file/in", FILE, b"")],
        [("n" * 256, FILE, b"")],
        [("/".join("d" * 300), FILE, b"")],
        [("a", LINK, "b"), ("b", LINK, "a"), ("a/x", FILE, b"")],
        [("", FILE, b"")],
        [(".", LINK, "/etc")],
        [("a", b"S", b"")],
        [("a", b"M", b"")],
    ],
)
def test_what_is_refused(target: Path, members: list[tuple[str, bytes, str | bytes | None]]) -> None:
    with pytest.raises(Bad):
        unpack_all(tar(*members), target)
    assert (target.parent / "outside/file").read_bytes() == b"untouched"
    assert {path.name for path in target.parent.iterdir()} <= {"outside", "layer"}


@pytest.mark.parametrize("aim", ["../outside", "{}/outside", "../../../../../../..{}/outside"])
def test_members_behind_a_link_stay_inside(target: Path, aim: str) -> None:
    members = [
        ("l", LINK, aim.format(target.parent)),
        ("l/file", FILE, b"x"),
        ("l/.wh.gone", FILE, b""),
        ("l/d", FOLDER, None),
    ]
    unpack_all(tar(*members), target)
    assert (target.parent / "outside/file").read_bytes() == b"untouched"
    assert [path.name for path in (target.parent / "outside").iterdir()] == ["file"]
    assert [path.read_bytes() for path in target.rglob("file") if path.is_file()] == [b"x"]


def test_an_absolute_path_is_one_from_the_top(target: Path) -> None:
    unpack_all(tar((f"{target.parent}/outside/file", FILE, b"x")), target)
    assert (target.parent / "outside/file").read_bytes() == b"untouched"
    assert (target / f"{str(target.parent)[1:]}/outside/file").read_bytes() == b"x"


def test_a_link_is_replaced_and_not_followed(target: Path) -> None:
    outside = str(target.parent / "outside")
    unpack_all(
        tar(("l", LINK, f"{outside}/file"), ("l", FILE, b"x"), ("d", LINK, outside), ("d", FOLDER, None)), target
    )
    assert (target / "l").read_bytes() == b"x"
    assert not (target / "d").is_symlink()
    assert (target.parent / "outside/file").read_bytes() == b"untouched"


def test_a_bomb_stops(target: Path) -> None:
    limits = ImageLimits(unpacked=100_000)
    with pytest.raises(Bad, match="unpacked"):
        unpack_all(tar(("a", FILE, bytes(1_000_000))), target, limits=limits)
    assert sum(path.stat().st_size for path in target.rglob("*")) <= 100_000


def test_too_many_names(target: Path) -> None:
    limits = ImageLimits(nodes=50)
    with pytest.raises(Bad, match="files and folders"):
        unpack_all(tar(("/".join("d" * 60) + "/f", FILE, b"")), target, limits=limits)
    with pytest.raises(Bad, match="files and folders"):
        unpack_all(tar(*((f"f{number}", FILE, b"") for number in range(60))), target.with_name("2"), limits=limits)


@pytest.mark.parametrize("cut", [100, 512 + 100, 512 + 1024 + 100])
def test_a_tar_that_ends_early(target: Path, cut: int) -> None:
    with pytest.raises(Bad):
        unpack_all(tar(("a", FILE, bytes(1024)), ("b", FILE, b"x"))[:cut], target)


def test_a_damaged_header(target: Path) -> None:
    data = bytearray(tar(("a", FILE, b"x")))
    data[0] ^= 1
    with pytest.raises(Bad, match="checksum"):
        unpack_all(bytes(data), target)


@pytest.mark.parametrize(
    "record",
    [
        b"9 path=../",
        b"99999999 path=a\n",
        b"x path=a\n",
        b"12 size=-10\n",
        b"11 path=a\0\n",
        b"22 GNU.sparse.major=1\n",
    ],
)
def test_damaged_pax_records(target: Path, record: bytes) -> None:
    data = tar(("header", tarfile.XHDTYPE, record), ("a", FILE, b"x"))
    with pytest.raises(Bad):
        unpack_all(data, target)


def test_a_huge_extended_header(target: Path) -> None:
    with pytest.raises(Bad, match="extended"):
        unpack_all(tar(("header", tarfile.XHDTYPE, bytes(2_000_000))), target)
