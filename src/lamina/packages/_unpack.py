"""Writing a layout into an empty folder.

Every file is created relative to the descriptor of its folder with ``O_EXCL | O_NOFOLLOW``; links are made last, so
there is none that a write could go through. Modes are 0644 or 0755: readable by everybody, which sandboxes with
another user need, writable by the owner only, never setuid.
"""

from __future__ import annotations

import calendar
import os
import stat
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from functools import lru_cache
from pathlib import Path

from lamina.packages._archive import Member
from lamina.packages._inflate import contents, is_small, whole
from lamina.packages._layout import Layout
from lamina.packages._native import NativeCode, architecture_of, native_code

FOLDER_MODE = 0o755
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_NEW_FILE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_FIRST_DOS_SECOND = 315_532_800  # 1980-01-01
_FOR_TWO_THREADS = 1 << 20  # bytes of all files
_OF_ITS_OWN = 1 << 17  # bytes of a file whose inflating leaves the interpreter to the other thread for a while
_AT_ONCE = 256  # small files

Job = tuple[bytes, Sequence[Member]]


def unpack(data: memoryview, layout: Layout, target: Path) -> tuple[NativeCode, ...]:
    """Make the tree at ``target``, which must not exist; the machine code in it is returned.

    Raises ``BadZip`` at a member that lies. Nothing is flushed: the caller decides when the tree counts as complete.
    """
    target.mkdir(FOLDER_MODE)
    top = os.open(target, _FOLDER)
    try:
        # A umask or a default ACL takes the same away from the folder as from everything in it.
        modes_are_kept = stat.S_IMODE(os.fstat(top).st_mode) == FOLDER_MODE
        os.fchmod(top, FOLDER_MODE)
        for folder in layout.folders:
            os.mkdir(folder, FOLDER_MODE, dir_fd=top)
            if not modes_are_kept:
                os.chmod(folder, FOLDER_MODE, dir_fd=top)
        writer = _Writer(data, top, modes_are_kept=modes_are_kept)
        _write_files(writer, layout)
        for path, link_target in layout.links.items():
            os.symlink(link_target, path, dir_fd=top)
    finally:
        os.close(top)
    return native_code(writer.native)


def _write_files(writer: _Writer, layout: Layout) -> None:
    """Write all files, from both ends of the queue: small ones cost mostly Python, large ones leave it alone."""
    jobs = _jobs(layout)
    if layout.size < _FOR_TWO_THREADS:
        _work(writer, jobs, jobs.popleft)
        return
    with ThreadPoolExecutor(1) as beside:
        other = beside.submit(_work, writer, jobs, jobs.pop)
        _work(writer, jobs, jobs.popleft)
    other.result()


def _jobs(layout: Layout) -> deque[Job]:
    """The small files by their folder, then each large file, the largest last."""
    small: deque[Job] = deque()
    large: list[Job] = []
    for folder, members in layout.files.items():
        large += [(folder, [member]) for member in members if member.size >= _OF_ITS_OWN]
        rest = [member for member in members if member.size < _OF_ITS_OWN]
        small.extend((folder, rest[start : start + _AT_ONCE]) for start in range(0, len(rest), _AT_ONCE))
    small.extend(sorted(large, key=lambda job: job[1][0].size))
    return small


def _work(writer: _Writer, jobs: deque[Job], take: Callable[[], Job]) -> None:
    try:
        while jobs:
            try:
                folder, members = take()
            except IndexError:  # the other thread was quicker
                return
            writer.write(folder, members)
    except BaseException:
        jobs.clear()
        raise


class _Writer:
    """Makes files below the folder ``top``, for any number of threads; ``native`` has the machine code among them."""

    def __init__(self, data: memoryview, top: int, *, modes_are_kept: bool) -> None:
        self._data = data
        self._top = top
        self._modes_are_kept = modes_are_kept
        self.native: list[tuple[bytes, str]] = []

    def write(self, folder: bytes, members: Iterable[Member]) -> None:
        """Make files of one folder, which exists."""
        here = os.open(folder or b".", _FOLDER, dir_fd=self._top)
        try:
            for member in members:
                if is_small(member):
                    self._write_file(member, (whole(self._data, member),), here)
                else:
                    with closing(contents(self._data, member)) as pieces:
                        self._write_file(member, pieces, here)
        finally:
            os.close(here)

    def _write_file(self, member: Member, pieces: Iterable[bytes | memoryview], folder: int) -> None:
        mode = 0o755 if member.executable else 0o644
        file = os.open(member.path.rpartition(b"/")[2], _NEW_FILE, mode, dir_fd=folder)
        try:
            is_first = True
            for piece in pieces:
                if is_first:
                    self._note(member, piece)
                    is_first = False
                _write(file, piece)
            if not self._modes_are_kept:
                os.fchmod(file, mode)
            seconds = _seconds(member.modified)
            os.utime(file, (seconds, seconds))
        finally:
            os.close(file)

    def _note(self, member: Member, piece: bytes | memoryview) -> None:
        if (architecture := architecture_of(piece)) is not None:
            self.native.append((member.path, architecture))


def _write(file: int, piece: bytes | memoryview) -> None:
    written = os.write(file, piece)
    if written == len(piece):
        return
    with memoryview(piece) as rest:
        while written < len(rest):
            written += os.write(file, rest[written:])


@lru_cache(maxsize=1024)
def _seconds(dos: int) -> int:
    """A DOS date and time, which has no zone and is taken as UTC, in seconds; 1980 when it is none."""
    date, time = dos >> 16, dos & 0xFFFF
    year, month, day = 1980 + (date >> 9), date >> 5 & 15, date & 31
    hour, minute, second = time >> 11, time >> 5 & 63, (time & 31) * 2
    if not (1 <= month <= 12 and 1 <= day <= 31 and hour < 24 and minute < 60 and second < 60):
        return _FIRST_DOS_SECOND
    return calendar.timegm((year, month, day, hour, minute, second))
