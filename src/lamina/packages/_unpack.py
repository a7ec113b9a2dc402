"""Writing a layout into an empty folder.

Every file is created relative to the descriptor of its folder with ``O_EXCL | O_NOFOLLOW``; links are made last, so
there is none that a write could go through. Modes are 0644 or 0755: readable by everybody, which sandboxes with
another user need, writable by the owner only, never setuid.
"""

from __future__ import annotations

import calendar
import os
from pathlib import Path

from lamina.packages._archive import Member
from lamina.packages._inflate import contents
from lamina.packages._layout import Layout

FOLDER_MODE = 0o755
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_NEW_FILE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_FIRST_DOS_SECOND = 315_532_800  # 1980-01-01


def unpack(data: memoryview, layout: Layout, target: Path) -> None:
    """Make the tree at ``target``, which must not exist. Raises ``BadZip`` at the first member that lies.

    Nothing is flushed: the caller decides when the tree counts as complete.
    """
    target.mkdir()
    top = os.open(target, _FOLDER)
    try:
        os.fchmod(top, FOLDER_MODE)
        for folder in layout.folders:
            os.mkdir(folder, dir_fd=top)
            os.chmod(folder, FOLDER_MODE, dir_fd=top)
        for folder, members in layout.files.items():
            _write_folder(data, members, folder, top)
        for path, link_target in layout.links.items():
            os.symlink(link_target, path, dir_fd=top)
    finally:
        os.close(top)


def _write_folder(data: memoryview, members: list[Member], folder: bytes, top: int) -> None:
    here = os.open(folder or b".", _FOLDER, dir_fd=top)
    try:
        for member in members:
            _write_file(data, member, here)
    finally:
        os.close(here)


def _write_file(data: memoryview, member: Member, folder: int) -> None:
    name = member.path.rpartition(b"/")[2]
    mode = 0o755 if member.executable else 0o644
    file = os.open(name, _NEW_FILE, mode, dir_fd=folder)
    try:
        for piece in contents(data, member):
            _write(file, piece)
        os.fchmod(file, mode)  # whatever the umask took away
        seconds = _seconds(member.modified)
        os.utime(file, (seconds, seconds))
    finally:
        os.close(file)


def _write(file: int, piece: bytes | memoryview) -> None:
    written = os.write(file, piece)
    while written < len(piece):
        piece = piece[written:]
        written = os.write(file, piece)


def _seconds(dos: int) -> int:
    """A DOS date and time, which has no zone and is taken as UTC, in seconds; 1980 when it is none."""
    date, time = dos >> 16, dos & 0xFFFF
    year, month, day = 1980 + (date >> 9), date >> 5 & 15, date & 31
    hour, minute, second = time >> 11, time >> 5 & 63, (time & 31) * 2
    if not (1 <= month <= 12 and 1 <= day <= 31 and hour < 24 and minute < 60 and second < 60):
        return _FIRST_DOS_SECOND
    return calendar.timegm((year, month, day, hour, minute, second))
