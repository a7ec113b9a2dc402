"""What a service of a data folder has on this machine: processes, control groups, mounts, loop devices, files."""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

from lamina.code_store import memory_folder

# Of a deployment that failed there may be nothing, such as an image that could not be fetched.
_NEEDED = """
    SELECT shown_package FROM functions
    UNION SELECT serving_package FROM functions WHERE serving_package IS NOT NULL
    UNION SELECT package FROM versions WHERE state != 'Failed'
    UNION SELECT stored FROM deployments WHERE outcome = 'Successful'
"""
_OWNED = f"{_NEEDED} UNION SELECT package FROM versions UNION SELECT stored FROM deployments"


def descendants(pid: int) -> set[tuple[int, str]]:
    """All processes under ``pid``, itself included, each with its start time: numbers are used again."""
    parents: dict[int, list[tuple[int, str]]] = {}
    for each in Path("/proc").glob("[0-9]*"):
        status = _status(each)
        if status is not None:
            parents.setdefault(int(status[1]), []).append((int(each.name), status[19]))
    found = {(pid, started) for children in parents.values() for number, started in children if number == pid}
    waiting = [pid]
    while waiting:
        children = parents.get(waiting.pop(), [])
        found.update(children)
        waiting += [number for number, _ in children]
    return found


def alive(processes: set[tuple[int, str]]) -> set[tuple[int, str]]:
    """Those that have not ended; a zombie has."""
    return {
        (pid, started)
        for pid, started in processes
        if (status := _status(Path(f"/proc/{pid}"))) is not None and status[19] == started and status[0] != "Z"
    }


def groups(data: Path) -> list[Path]:
    """The control groups of launchers of this data folder."""
    status = (data / "sandbox").stat()
    prefix = f"lamina-{status.st_dev:x}.{status.st_ino:x}-"
    # Others come and go meanwhile: a directory that is gone is passed over.
    return [Path(top) for top, _, _ in os.walk("/sys/fs/cgroup") if Path(top).name.startswith(prefix)]


def mounts(data: Path) -> list[str]:
    """Lines of the mount table that name the data folder."""
    return [line for line in Path("/proc/self/mountinfo").read_text().splitlines() if str(data) in line]


def loops(data: Path) -> list[Path]:
    """Loop devices over files of the data folder."""
    found = []
    for path in Path("/sys/block").glob("loop*/loop/backing_file"):
        try:
            if str(data) in path.read_text():
                found.append(path)
        except OSError:
            continue
    return found


def unfinished(data: Path) -> list[Path]:
    """Files and folders under names that nothing keeps: of what was being made."""
    beside = [path for path in data.rglob("*") if path.suffix in {".new", ".tmp", ".part", ".partial"}]
    hidden = [path for path in data.rglob(".*") if "s3" not in path.relative_to(data).parts]
    workshops = (
        data / "packages" / "making",
        data / "images" / "making",
        data / "scratch",
        data / "work" / "bytecode",
        memory_folder(data) / "making",
    )
    return [*(path for folder in workshops if folder.exists() for path in folder.iterdir()), *beside, *hidden]


def unowned(data: Path) -> list[Path]:
    """Every file and folder of a package or image that nobody owns, and everything that was not put in its place.

    Nothing may be in the making meanwhile, and the service must have collected without a grace.
    """
    names = _named(data, _OWNED)
    images = {name.removeprefix("sha256:") for name in names if name.startswith("sha256:")}
    records = {image: data / "images" / "images" / f"{image}.json" for image in images}
    layers = {layer for path in records.values() if path.exists() for layer in _layers(path)}
    found = [
        path
        for folder, allowed in (
            *((place, names) for place in _packages(data)),
            (data / "images" / "images", images),
            (data / "images" / "layers", layers),
            (data / "images" / "layer-records", layers),
        )
        if folder.exists()
        for path in folder.iterdir()
        if path.name.removesuffix(".json") not in allowed
    ]
    return [*found, *unfinished(data)]


def missing(data: Path) -> list[str]:
    """What is needed and not there: packages without a zip and a tree, images without a record or with a layer less."""
    here = {path.name for folder in _packages(data) if folder.exists() for path in folder.iterdir()}
    gone = []
    for name in _named(data, _NEEDED):
        record = data / "images" / "images" / f"{name.removeprefix('sha256:')}.json"
        if name.startswith("sha256:"):
            whole = record.exists() and all((data / "images" / "layers" / each).is_dir() for each in _layers(record))
        else:
            whole = name in here
        if not whole:
            gone.append(name)
    return gone


def _named(data: Path, query: str) -> set[str]:
    """The packages and images that the database names."""
    with closing(sqlite3.connect(f"file:{data / 'lamina.db'}?mode=ro", uri=True)) as connection:
        return {name for (name,) in connection.execute(query)}


def _packages(data: Path) -> list[Path]:
    """The folders where a name is a package's: zips in the clear and encrypted, trees and their records."""
    roots = (data / "packages", memory_folder(data))
    return [data / "blobs", data / "sealed", *(root / each for root in roots for each in ("trees", "records"))]


def _layers(record: Path) -> Iterator[str]:
    return (digest.removeprefix("sha256:") for digest in json.loads(record.read_bytes())["config"]["diff_ids"])


def _status(process: Path) -> list[str] | None:
    try:
        text = (process / "stat").read_text()
    except OSError:
        return None
    # The name in parentheses may hold anything; after it come the state, the parent and, as the 20th, the start.
    return text.rpartition(")")[2].split()
