"""A user and group of the host for each sandbox, used by no other at the same time."""

from __future__ import annotations

import socket

FIRST = 300_000
BLOCK = 8_192
BLOCKS = 64
EAGAIN = 11


class Users:
    """The numbers that this launcher hands out: the lowest free one of its block."""

    def __init__(self) -> None:
        """Take a block. Its lock is an abstract socket of the host's network namespace: gone with the launcher."""
        self._lock, block = _take_block()
        self._first = FIRST + block * BLOCK
        self._taken: set[int] = set()

    def take(self) -> int:
        """A free number, the same for user and group."""
        for number in range(self._first, self._first + BLOCK):
            if number not in self._taken:
                self._taken.add(number)
                return number
        raise OSError(EAGAIN, f"all {BLOCK} users of this launcher have a sandbox")

    def give_back(self, number: int) -> None:
        """Let the number be used again: no process and no file has it any more."""
        self._taken.discard(number)


def _take_block() -> tuple[socket.socket, int]:
    lock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    for block in range(BLOCKS):
        try:
            lock.bind(f"\0lamina-users-{block}")
        except OSError:
            continue
        return lock, block
    lock.close()
    raise OSError(EAGAIN, f"{BLOCKS} launchers run already")
