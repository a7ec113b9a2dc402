"""What a service of a data folder has on this machine: processes, control groups, mounts, loop devices, files."""

from __future__ import annotations

import os
from pathlib import Path


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
    return [*(data / "packages" / "making").iterdir(), *beside]


def _status(process: Path) -> list[str] | None:
    try:
        text = (process / "stat").read_text()
    except OSError:
        return None
    # The name in parentheses may hold anything; after it come the state, the parent and, as the 20th, the start.
    return text.rpartition(")")[2].split()
