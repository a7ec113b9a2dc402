"""P6: from the call of UpdateFunctionCode with a zip of 40 MB to the first answer of the new code."""

from __future__ import annotations

import hashlib
import io
import os
import random
import struct
import tempfile
import time
import zipfile
from pathlib import Path

import orjson
import pybase64
from isal import isal_zlib

from bench._bed import ROLE, RUNTIME, Bed
from bench._http import Connection, signed
from bench._result import Result, median, spread

_SAMPLES = 7
_SETTLE_SECONDS = 1.0
_LONGEST_SECONDS = 30.0
_LIBRARIES = 20
_LIBRARY_BYTES = 2_800_000
_SMALL_FILES = 2000
_SMALL_BYTES = 12 * 1024


def measure(bed: Bed) -> Result:
    """Each sample is another zip: the same libraries and data files, and a changed handler."""
    base = _libraries()
    bed.client.create_function(
        FunctionName="large", Runtime=RUNTIME, Handler="app.handler", Role=ROLE, Code={"ZipFile": _zip(base, 0)}
    )
    bed.client.get_waiter("function_active_v2").wait(FunctionName="large")
    bed.invoke("large")
    invoke = signed(bed.address, "POST", "/2015-03-31/functions/large/invocations", b"{}")
    samples, floors = [], []
    with tempfile.TemporaryDirectory(prefix="lamina-bench-") as folder:
        for number in range(1, _SAMPLES + 1):
            zipped = _zip(base, number)
            encoded = pybase64.b64encode(zipped)
            time.sleep(_SETTLE_SECONDS)
            samples.append(_update(bed, invoke, encoded, number))
            time.sleep(_SETTLE_SECONDS)
            floors.append(_unpack(encoded, Path(folder) / str(number)))
    value, floor = median(samples), median(floors)
    return Result(
        promise="P6",
        what=f"UpdateFunctionCode to the first new answer, {len(zipped) / 1e6:.0f} MB inline, p50",
        value=value,
        floor=floor,
        floor_name="base64 + SHA-256 + inflate + write by C libraries",
        unit="ms",
        limit="≤ 2 ×",
        met=value <= 2 * floor,
        spread=spread(samples),
    )


def _libraries() -> bytes:
    """A zip of about 40 MB that is like installed packages: some shared objects, and many small files of data."""
    dice = random.Random(6)
    words = [dice.randbytes(dice.randrange(2, 8)).hex().encode() for _ in range(4000)]

    def content(size: int) -> bytes:
        noise = dice.randbytes(size // 4)
        return noise + b" ".join(dice.choices(words, k=size // 12))[: size - len(noise)]

    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for number in range(_LIBRARIES):
            archive.writestr(f"libs/lib{number}.so", content(_LIBRARY_BYTES))
        for number in range(_SMALL_FILES):
            archive.writestr(f"data/{number % 100}/{number}.json", content(dice.randrange(_SMALL_BYTES)))
    return buffer.getvalue()


def _zip(base: bytes, number: int) -> bytes:
    buffer = io.BytesIO(base)
    with zipfile.ZipFile(buffer, "a", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("app.py", f"def handler(event, context):\n    return {number}\n")
    return buffer.getvalue()


def _update(bed: Bed, invoke: bytes, encoded: bytes, number: int) -> float:
    body = orjson.dumps({"ZipFile": encoded.decode()})
    request = signed(bed.address, "PUT", "/2015-03-31/functions/large/code", body)
    connection = Connection(bed.address)
    began = time.perf_counter()
    status, answer = connection.send(request)
    if status != 200:
        raise RuntimeError(answer)
    expected = str(number).encode()
    while connection.send(invoke)[1] != expected:
        if time.perf_counter() - began > _LONGEST_SECONDS:
            raise RuntimeError("the new code does not answer")
    elapsed = (time.perf_counter() - began) * 1000
    connection.close()
    return elapsed


def _unpack(encoded: bytes, folder: Path) -> float:
    """The floor: one thread, the quickest libraries, no check of anything, nothing flushed."""
    members = _members(pybase64.b64decode(encoded))
    began = time.perf_counter()
    zipped = memoryview(pybase64.b64decode(encoded))
    hashlib.sha256(zipped).hexdigest()
    folder.mkdir()
    made = set()
    for info, start in members:
        path = f"{folder}/{info.filename}"
        parent = path.rpartition("/")[0]
        if parent not in made:
            Path(parent).mkdir(parents=True, exist_ok=True)
            made.add(parent)
        file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644)
        os.write(file, isal_zlib.decompress(zipped[start : start + info.compress_size], -15, info.file_size))
        os.close(file)
    return (time.perf_counter() - began) * 1000


def _members(zipped: bytes) -> list[tuple[zipfile.ZipInfo, int]]:
    """The members of a zip and where the data of each starts."""
    with zipfile.ZipFile(io.BytesIO(zipped)) as archive:
        infos = archive.infolist()
    lengths = [struct.unpack_from("<HH", zipped, info.header_offset + 26) for info in infos]
    return [(info, info.header_offset + 30 + sum(each)) for info, each in zip(infos, lengths, strict=True)]
