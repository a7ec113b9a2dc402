"""Zips with random damage: each is refused, or unpacked exactly as Python's own reader reads it."""

from __future__ import annotations

import io
import os
import random
import zipfile
from pathlib import Path

import pytest

from lamina.errors import ServiceError
from lamina.packages import Packages
from tests.unit.packages.zips import make_zip

WHOLE = make_zip(
    {"index.py": b"print(1)\n" * 50, "lib/a/b.txt": os.urandom(300), "lib/c/": b"", "run": b"#!/bin/sh\n"},
    modes={"run": 0o100755},
    links={"lib/link": "a/b.txt"},
)


def damaged(seed: int) -> bytes:
    """The zip with some bytes changed, mostly in its headers, or with a piece moved or left out."""
    dice = random.Random(seed)
    data = bytearray(WHOLE)
    headers = [at for at in range(len(data) - 46) if data[at : at + 2] == b"PK"]
    for _ in range(dice.choice([1, 1, 2, 4])):
        at = dice.choice(headers) + dice.randrange(46) if dice.random() < 0.8 else dice.randrange(len(data))
        data[at % len(data)] = dice.choice([0, 1, 0xFF, ord("/"), ord("."), ord("\\"), dice.randrange(256)])
    if dice.random() < 0.1:
        start = dice.randrange(len(data))
        del data[start : start + dice.randrange(1, 40)]
    return bytes(data)


def as_read_by_python(data: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return {info.filename.rstrip("/"): archive.read(info) for info in archive.infolist() if not info.is_dir()}


def as_unpacked(tree: Path) -> dict[str, bytes]:
    def content(path: Path) -> bytes:
        return os.fsencode(path.readlink()) if path.is_symlink() else path.read_bytes()

    found = (path for path in tree.rglob("*") if path.is_symlink() or not path.is_dir())
    return {str(path.relative_to(tree)): content(path) for path in found}


@pytest.mark.slow
@pytest.mark.parametrize("round_", range(8))
def test_damage_is_refused_or_harmless(packages: Packages, tmp_path: Path, round_: int) -> None:
    for seed in range(round_ * 400, round_ * 400 + 400):
        data = damaged(seed)
        try:
            tree = packages.tree(packages.stage(data).digest)
        except ServiceError:
            continue
        unpacked = as_unpacked(tree)
        expected = {os.path.normpath(name): content for name, content in as_read_by_python(data).items()}
        assert unpacked == expected, f"seed {seed}"
        for path in tree.rglob("*"):
            assert path.resolve().is_relative_to(tree), f"seed {seed}"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["blobs", "packages"]
