"""A process that is killed while it stages leaves a whole package or none."""

from __future__ import annotations

import hashlib
import os
import random
import subprocess
import sys
from pathlib import Path

import pytest

from lamina.blobs import BlobMissing, LocalBlobs
from lamina.packages import Packages
from tests.unit.packages.zips import make_zip

STAGE = """
import sys
from pathlib import Path
from lamina.blobs import LocalBlobs
from lamina.packages import Packages
root = Path(sys.argv[1])
packages = Packages(root / "packages", LocalBlobs(root / "blobs"))
data = (root / "data.zip").read_bytes()
print("ready", flush=True)
packages.stage(data)
"""


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(8))
def test_nothing_is_half_there_after_a_kill(tmp_path: Path, seed: int) -> None:
    dice = random.Random(seed)
    files = {f"d{number % 20}/f{number}": os.urandom(dice.randrange(3000)) for number in range(1500)}
    data = make_zip(files)
    (tmp_path / "data.zip").write_bytes(data)
    child = subprocess.Popen([sys.executable, "-c", STAGE, tmp_path], stdout=subprocess.PIPE)
    assert child.stdout is not None
    child.stdout.readline()
    try:
        child.wait(dice.random() * 0.3)
    except subprocess.TimeoutExpired:
        child.kill()
    child.wait()
    child.stdout.close()
    packages = Packages(tmp_path / "packages", LocalBlobs(tmp_path / "blobs"), settle_seconds=3600)
    assert list((tmp_path / "packages/making").iterdir()) == []
    try:
        tree = packages.tree(hashlib.sha256(data).hexdigest())
    except BlobMissing:
        tree = packages.tree(packages.stage(data).digest)
    assert {name: (tree / name).read_bytes() for name in files} == files
