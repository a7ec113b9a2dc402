"""``lamina`` with faults: ``python -m tests.acceptance._faulty_server serve --data DATA …`` (see ``_faults``).

The file ``fault`` beside the data folder has lines of an action and a point, such as ``kill before stage``. When the
server comes to the point of the first line it takes the line away and does what the action says; with the last line
goes the file. At SIGUSR1 it collects what nobody uses, without a grace, and makes the file ``collected``.
"""

from __future__ import annotations

import asyncio
import errno
import functools
import os
import signal
import sqlite3
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from lamina.cli import main
from lamina.deploy import Deployments, Steps
from lamina.execution import _execution
from lamina.node import Node
from lamina.state import SqliteState

_FOLDER = Path(sys.argv[sys.argv.index("--data") + 1]).parent


def _reach(point: str) -> None:
    """The one place where faults happen."""
    order = _FOLDER / "fault"
    try:
        first, *others = order.read_text().splitlines()
    except FileNotFoundError:
        return
    action, _, where = first.partition(" ")
    if where == point:
        if others:
            order.write_text("\n".join(others))
        else:
            order.unlink()
        _ACTIONS[action]()


def _kill() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def _kill_launcher() -> None:
    for children in Path("/proc/self/task").glob("*/children"):
        for child in children.read_text().split():
            os.kill(int(child), signal.SIGKILL)


def _kill_all() -> None:
    _kill_launcher()
    _kill()


def _wait() -> None:
    """Until the other end of the pipe has been opened and closed."""
    with (_FOLDER / "go").open("rb") as pipe:
        pipe.read()


def _fill_disk() -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def _fill_state() -> None:
    error = sqlite3.OperationalError("database or disk is full")
    error.sqlite_errorcode = sqlite3.SQLITE_FULL
    raise error


def _fill_memory() -> None:
    raise MemoryError


_ACTIONS = {
    "kill": _kill,
    "kill-all": _kill_all,
    "launcher": _kill_launcher,
    "wait": _wait,
    "disk-full": _fill_disk,
    "state-full": _fill_state,
    "memory": _fill_memory,
}


def _break_steps() -> None:
    call = Steps.__call__

    @contextmanager
    def broken(self: Steps, name: str) -> Iterator[None]:
        _reach(f"before {name}")
        with call(self, name):
            # What is raised here fails the step itself.
            _reach(f"in {name}")
            yield
        _reach(f"after {name}")

    Steps.__call__ = broken  # type: ignore[method-assign]


def _break_commits() -> None:
    """Each commit by the name of its work, such as ``accept`` and ``finish``."""
    write = SqliteState._write

    def broken(self: SqliteState, work: Callable[[Any], Any]) -> Any:
        name = getattr(work, "func", work).__qualname__.removesuffix(".<locals>.<lambda>").rpartition(".")[2]

        def worked(transaction: Any) -> Any:
            result = work(transaction)
            _reach(f"before commit of {name}")
            return result

        result = write(self, worked)
        _reach(f"after commit of {name}")
        return result

    SqliteState._write = broken  # type: ignore[method-assign]


def _break_renames() -> None:
    """Each file and folder that gets its name, by the folder that it is in then."""

    def breakable(rename: Callable[[Path, Path], Any]) -> Callable[[Path, Path], Any]:
        @functools.wraps(rename)
        def broken(self: Path, target: Path) -> Any:
            _reach(f"before name in {target.parent.name}")
            result = rename(self, target)
            _reach(f"after name in {target.parent.name}")
            return result

        return broken

    Path.replace = breakable(Path.replace)  # type: ignore[method-assign,assignment]
    Path.rename = breakable(Path.rename)  # type: ignore[method-assign,assignment]


def _break_writes() -> None:
    """The write of a package's bytes to the disk, half done."""
    write = os.write

    def broken(descriptor: int, data: Any) -> int:
        if Path(f"/proc/self/fd/{descriptor}").readlink().is_relative_to(_FOLDER / "data" / "blobs"):
            write(descriptor, bytes(data)[: len(data) // 2])
            _reach("in write to blobs")
            return write(descriptor, bytes(data)[len(data) // 2 :]) + len(data) // 2
        return write(descriptor, data)

    os.write = broken


def _collect_when_told() -> None:
    collect_later = Node._collect_later

    async def collect(node: Any) -> None:
        stores = (node._stores.code._plain, node._stores.code._sealed, node._stores.images)
        graces = [store._grace for store in stores]
        for store in stores:
            store._grace = 0
        await node._collect()
        for store, grace in zip(stores, graces, strict=True):
            store._grace = grace
        (_FOLDER / "collected").touch()

    def listen(node: Any) -> None:
        asyncio.get_running_loop().add_signal_handler(signal.SIGUSR1, lambda: node._spawn(collect(node)))
        collect_later(node)

    Node._collect_later = listen  # type: ignore[method-assign]


if __name__ == "__main__":
    # What environments of old code keep is free as soon as they have ended.
    _execution._RECLAIM_EVERY_SECONDS = 0.05
    Deployments.__init__.__kwdefaults__["again_seconds"] = 0.1
    _break_steps()
    _break_commits()
    _break_renames()
    _break_writes()
    _collect_when_told()
    sys.argv[0] = "lamina"
    main()
