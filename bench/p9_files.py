"""P9: a second environment on a package of 310 MB in 34,000 files, which a layer or an image may have.

The API refuses a zip of that size, so this goes through the rooms below it: ``Packages`` with wider limits, and the
sandbox.
"""

from __future__ import annotations

import asyncio
import io
import random
import tempfile
import time
import zipfile
from pathlib import Path

from bench._bed import RUNTIME, Bed
from bench._result import Result, median, spread
from lamina.blobs import LocalBlobs
from lamina.packages import PackageLimits, Packages
from lamina.runtimes import Runtime, Runtimes
from lamina.sandbox import Bind, Launcher, SandboxSpec

_FILES = 34_000
_BYTES = 310_000_000
_SAMPLES = 15
_LAST = f"d{(_FILES - 1) % 500}/{_FILES - 1}"
_PROGRAM = "import os; print(os.stat('/var/task/LAST').st_ino)"


def measure(_bed: Bed) -> Result:
    """Environments on the large and on a tiny package by turns, after the first of each."""
    with tempfile.TemporaryDirectory(prefix="lamina-bench-") as folder:
        return asyncio.run(_measure(Path(folder)))


async def _measure(folder: Path) -> Result:
    packages = Packages(
        folder / "packages", LocalBlobs(folder / "blobs"), limits=PackageLimits(zipped=1 << 30, unpacked=1 << 30)
    )
    launcher = await Launcher.open(folder / "sandbox", "auto")
    runtime = Runtimes.discover().resolve(RUNTIME)
    try:
        large, small = _zip(_FILES, _BYTES), _zip(1, 1000)
        first = await _first(launcher, runtime, packages, large)
        await _first(launcher, runtime, packages, small)
        names = [packages.stage(zipped).name for zipped in (large, small)]
        samples, floors = [], []
        for _ in range(_SAMPLES):
            samples.append(await _start(launcher, runtime, packages, names[0]))
            floors.append(await _start(launcher, runtime, packages, names[1]))
    finally:
        await launcher.close()
        packages.close()
    value, floor = median(samples), median(floors)
    return Result(
        promise="P9",
        what=f"second environment on 310 MB in 34,000 files, no copy, p50 (the first, with unpacking: {first:,.0f} ms)",
        value=value,
        floor=floor,
        floor_name="the same with one small file",
        unit="ms",
        limit="≤ 50 ms",
        met=value <= 50,
        spread=spread(samples),
    )


def _zip(files: int, size: int) -> bytes:
    dice = random.Random(9)
    each = size // files
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for number in range(_FILES - files, _FILES):
            noise = dice.randbytes(each // 4)
            archive.writestr(f"d{number % 500}/{number}", noise + bytes(each - len(noise)))
    return buffer.getvalue()


async def _first(launcher: Launcher, runtime: Runtime, packages: Packages, zipped: bytes) -> float:
    began = time.perf_counter()
    name = (await asyncio.to_thread(packages.stage, zipped)).name
    await _start(launcher, runtime, packages, name)
    return (time.perf_counter() - began) * 1000


async def _start(launcher: Launcher, runtime: Runtime, packages: Packages, name: str) -> float:
    """From the wish for an environment to the end of its program, which looks at the last file of the tree."""
    began = time.perf_counter()
    tree = await asyncio.to_thread(packages.tree, name)
    sandbox = await launcher.start(
        SandboxSpec(
            argv=(runtime.argv[0], "-I", "-S", "-c", _PROGRAM.replace("LAST", _LAST)),
            environment={},
            binds=(*runtime.binds, Bind(source=tree, target="/var/task")),
        )
    )
    ended = await sandbox.exited
    elapsed = (time.perf_counter() - began) * 1000
    with open(sandbox.output, "rb", closefd=False) as output:  # noqa: ASYNC230
        seen = output.read()
    sandbox.close()
    if ended.status != 0 or int(seen) != (tree / _LAST).stat().st_ino:
        raise RuntimeError(f"the environment does not see the tree itself: {ended}, {seen!r}")
    return elapsed
