"""The system call filter: an allow-list from ``syscalls.tbl``, assembled into BPF.

What is not in the table answers EPERM; what is newer than the table answers ENOSYS, so that C libraries fall back.
``clone3`` hides its flags behind a pointer and answers ENOSYS as well.
"""

from __future__ import annotations

import os
import struct

EPERM, ENOSYS, EAFNOSUPPORT = 1, 38, 97
LOAD, JUMP_EQUAL, JUMP_GREATER, JUMP_AT_LEAST, JUMP_ANY_BIT, RETURN = 0x20, 0x15, 0x25, 0x35, 0x45, 0x06
ALLOW, ERRNO, KILL_PROCESS = 0x7FFF0000, 0x00050000, 0x80000000
# Offsets into struct seccomp_data; arguments are 64 bits wide, their low halves first.
NUMBER, ARCHITECTURE, FIRST_ARGUMENT = 0, 4, 16
X32_BIT = 0x40000000
CLONE3, NEWEST = 435, 466

ARCHITECTURES = {"x86_64": (0, 0xC000003E), "aarch64": (1, 0xC00000B7)}
NEW_NAMESPACES = 0x7E020000
AF_UNIX, AF_INET, AF_INET6, AF_NETLINK, NETLINK_ROUTE = 1, 2, 10, 16, 0
TIOCSTI, TIOCLINUX = 0x5412, 0x541C
PERSONALITIES = (0, 0x20000, 0xFFFFFFFF)
SPECIAL = {
    "x86_64": {"clone": 56, "socket": 41, "socketpair": 53, "ioctl": 16, "personality": 135},
    "aarch64": {"clone": 220, "socket": 198, "socketpair": 199, "ioctl": 29, "personality": 92},
}

TYPE_CHECKING = False
if TYPE_CHECKING:
    Code = list[tuple[int, int, int, int]]


def program(machine: str) -> bytes:
    """The filter for ``machine`` (``x86_64`` or ``aarch64``) as an array of ``struct sock_filter``."""
    column, audit_name = ARCHITECTURES[machine]
    special = SPECIAL[machine]
    plain = sorted(set(_numbers(column)) - set(special.values()))
    code: Code = [
        *_load(ARCHITECTURE),
        (JUMP_EQUAL, 1, 0, audit_name),
        (RETURN, 0, 0, KILL_PROCESS),
        *_load(NUMBER),
        *_when(JUMP_AT_LEAST, X32_BIT, _refuse(ENOSYS)),
        *_when(JUMP_EQUAL, CLONE3, _refuse(ENOSYS)),
        *_when(JUMP_GREATER, NEWEST, _refuse(ENOSYS)),
        *_special_cases(special),
        *_search(_ranges(plain)),
    ]
    return b"".join(struct.pack("HBBI", *instruction) for instruction in code)


def _special_cases(special: dict[str, int]) -> Code:
    return [
        *_when(JUMP_EQUAL, special["clone"], _clone()),
        *_when(JUMP_EQUAL, special["socket"], _socket()),
        *_when(JUMP_EQUAL, special["socketpair"], _one_of(0, (AF_UNIX,), EAFNOSUPPORT)),
        *_when(JUMP_EQUAL, special["ioctl"], _ioctl()),
        *_when(JUMP_EQUAL, special["personality"], _one_of(0, PERSONALITIES, EPERM)),
    ]


def _clone() -> Code:
    """Threads and processes, but no namespaces."""
    return [*_argument(0), (JUMP_ANY_BIT, 0, 1, NEW_NAMESPACES), *_refuse(EPERM), *_allow()]


def _socket() -> Code:
    """Only families that a network namespace confines: AF_VSOCK, for one, reaches the hypervisor."""
    netlink = [*_argument(2), *_when(JUMP_EQUAL, NETLINK_ROUTE, _allow()), *_refuse(EAFNOSUPPORT)]
    return [
        *_argument(0),
        *_when(JUMP_EQUAL, AF_NETLINK, netlink),
        *_one_of(0, (AF_UNIX, AF_INET, AF_INET6), EAFNOSUPPORT),
    ]


def _ioctl() -> Code:
    """Everything but typing into somebody's terminal."""
    return [
        *_argument(1),
        *_when(JUMP_EQUAL, TIOCSTI, _refuse(EPERM)),
        *_when(JUMP_EQUAL, TIOCLINUX, _refuse(EPERM)),
        *_allow(),
    ]


def _one_of(argument: int, values: tuple[int, ...], error: int) -> Code:
    code = _argument(argument)
    for value in values:
        code += _when(JUMP_EQUAL, value, _allow())
    return code + _refuse(error)


def _search(ranges: list[tuple[int, int]]) -> Code:
    """Binary search for the loaded number in sorted ``ranges``: allowed inside them, refused between them."""
    if len(ranges) == 1:
        first, last = ranges[0]
        return [(JUMP_AT_LEAST, 0, 1, first), (JUMP_GREATER, 0, 1, last), *_refuse(EPERM), *_allow()]
    middle = len(ranges) // 2
    low = _search(ranges[:middle])
    return [(JUMP_AT_LEAST, len(low), 0, ranges[middle][0]), *low, *_search(ranges[middle:])]


def _ranges(numbers: list[int]) -> list[tuple[int, int]]:
    found: list[tuple[int, int]] = []
    for number in numbers:
        if found and found[-1][1] == number - 1:
            found[-1] = (found[-1][0], number)
        else:
            found.append((number, number))
    return found


def _numbers(column: int) -> list[int]:
    path = os.path.join(os.path.dirname(__file__), "syscalls.tbl")
    with open(path, encoding="ascii") as table:
        rows = [line.split()[1:] for line in table if not line.startswith("#")]
    return [int(row[column]) for row in rows if row[column] != "-"]


def _load(offset: int) -> Code:
    return [(LOAD, 0, 0, offset)]


def _argument(index: int) -> Code:
    return _load(FIRST_ARGUMENT + 8 * index)


def _when(jump: int, value: int, then: Code) -> Code:
    """``then``, which must not fall through, when the loaded word compares to ``value``."""
    return [(jump, 0, len(then), value), *then]


def _allow() -> Code:
    return [(RETURN, 0, 0, ALLOW)]


def _refuse(error: int) -> Code:
    return [(RETURN, 0, 0, ERRNO | error)]
