"""What a package of the largest size takes of the memory of the process: the pages of mapped files do not count."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.unit.packages.zips import make_zip

STAGE = """
import mmap, shutil, sys, threading
from pathlib import Path
from lamina.blobs import LocalBlobs
from lamina.packages import Packages

peak = 0
done = threading.Event()

def anonymous():
    lines = Path("/proc/self/status").read_text().splitlines()
    return sum(int(line.split()[1]) for line in lines if line.startswith("RssAnon:")) // 1024

def watch():
    global peak
    while not done.wait(0.003):
        peak = max(peak, anonymous())

root = Path(sys.argv[1])
packages = Packages(root / "packages", LocalBlobs(root / "blobs"), settle_seconds=3600)
before = anonymous()
watcher = threading.Thread(target=watch)
watcher.start()
with (root / "zip").open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as pages:
    name = packages.stage(pages, largest=262_144_000).name
shutil.rmtree(packages.tree(name))
packages.tree(name)
done.set()
watcher.join()
print(peak - before)
"""


@pytest.mark.slow
@pytest.mark.parametrize(("method", "noise"), [(0, 8 << 20), (8, 1 << 20)], ids=["stored", "deflated"])
def test_the_largest_package_takes_little_memory(tmp_path: Path, method: int, noise: int) -> None:
    library = os.urandom(noise) + bytes((8 << 20) - noise)
    files = {f"lib{number}.so": library for number in range(30)} | {f"d/{n}": library[:400] for n in range(2000)}
    (tmp_path / "zip").write_bytes(make_zip(files, method=method))
    answer = subprocess.run([sys.executable, "-c", STAGE, tmp_path], check=True, capture_output=True, text=True)
    assert 0 < int(answer.stdout) < 60
