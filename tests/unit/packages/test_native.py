"""What is said of machine code in a package."""

from __future__ import annotations

import struct
from pathlib import Path

import orjson
import pytest

from lamina.blobs import LocalBlobs
from lamina.packages import NativeCode, Packages
from tests.unit.packages.zips import make_zip

SHARED, EXECUTABLE, OBJECT = 3, 2, 1
X86_64, ARM64, RISCV = 62, 183, 243


def elf(machine: int, kind: int = SHARED, *, width: int = 2, order: str = "<") -> bytes:
    return (
        b"\x7fELF" + bytes([width, 1 if order == "<" else 2, 1]) + bytes(9) + struct.pack(f"{order}HH", kind, machine)
    )


def found(packages: Packages, files: dict[str, bytes], *, method: int = 8) -> dict[str, tuple[str, ...]]:
    return dict(packages.stage(make_zip(files, method=method)).native or {})


@pytest.mark.parametrize(
    ("head", "expected"),
    [
        (elf(X86_64), "x86_64"),
        (elf(X86_64, EXECUTABLE), "x86_64"),
        (elf(ARM64), "arm64"),
        (elf(RISCV), "other"),
        (elf(X86_64, width=1), "other"),
        (elf(ARM64, order=">"), "other"),
    ],
)
@pytest.mark.parametrize("size", [20, 5000, 3_000_000])
@pytest.mark.parametrize("method", [0, 8])
def test_each_architecture_is_known(packages: Packages, head: bytes, expected: str, size: int, method: int) -> None:
    assert found(packages, {"lib/f.so": head.ljust(size, b"\0")}, method=method) == {expected: ("lib/f.so",)}


@pytest.mark.parametrize("content", [b"", b"\x7fELF", elf(X86_64)[:19], elf(X86_64, OBJECT), b"#!" + elf(X86_64)])
def test_what_no_processor_runs_is_left_out(packages: Packages, content: bytes) -> None:
    assert found(packages, {"f": content}) == {}


def test_links_to_machine_code_are_not_counted_again(packages: Packages) -> None:
    package = packages.stage(make_zip({"a.so.1": elf(X86_64)}, links={"a.so": "a.so.1"}))
    assert package.native_code == (NativeCode(architecture="x86_64", files=1, paths=("a.so.1",)),)


def test_all_are_counted_and_the_first_few_named(packages: Packages) -> None:
    names = [f"d{number % 3}/{number:03}.so" for number in range(40)]
    files = {name: elf(ARM64) for name in names} | {"x.so": elf(X86_64)}
    package = packages.stage(make_zip(files))
    assert package.native_code == (
        NativeCode(architecture="arm64", files=40, paths=tuple(sorted(names)[:5])),
        NativeCode(architecture="x86_64", files=1, paths=("x.so",)),
    )


def test_it_is_remembered(packages: Packages, tmp_path: Path) -> None:
    package = packages.stage(make_zip({"f.so": elf(ARM64)}))
    again = Packages(tmp_path / "packages", LocalBlobs(tmp_path / "blobs")).package(package.name)
    assert again == package


def test_a_record_of_an_earlier_version_does_not_know(packages: Packages, tmp_path: Path) -> None:
    package = packages.stage(make_zip({"f.so": elf(ARM64)}))
    path = tmp_path / "packages/records" / f"{package.digest}.json"
    record = orjson.loads(path.read_bytes())
    del record["package"]["native_code"], record["package"]["name"]
    path.write_bytes(orjson.dumps(record))
    earlier = Packages(tmp_path / "packages", LocalBlobs(tmp_path / "blobs")).package(package.name)
    assert earlier is not None
    assert earlier.name == package.digest
    assert earlier.native is None
