"""The system calls that Python has no name for, each a plain function that raises ``OSError``.

Only for single-threaded processes: ``clone`` duplicates the caller as ``fork`` does.
"""

from __future__ import annotations

import ctypes
import os
import struct

AARCH64 = os.uname().machine == "aarch64"

NR_CLONE = 220 if AARCH64 else 56
NR_PIVOT_ROOT = 41 if AARCH64 else 155
NR_CAPSET = 91 if AARCH64 else 126
NR_SECCOMP = 277 if AARCH64 else 317
NR_OPEN_TREE = 428
NR_MOVE_MOUNT = 429
NR_FSOPEN = 430
NR_FSCONFIG = 431
NR_FSMOUNT = 432
NR_CLOSE_RANGE = 436
NR_OPENAT2 = 437
NR_MOUNT_SETATTR = 442

AT_FDCWD = -100
AT_EMPTY_PATH = 0x1000
AT_RECURSIVE = 0x8000
OPEN_TREE_CLONE = 1
MOVE_MOUNT_F_EMPTY_PATH = 4
RESOLVE_NO_MAGICLINKS, RESOLVE_IN_ROOT = 0x02, 0x10
FSCONFIG_SET_FLAG, FSCONFIG_SET_STRING, FSCONFIG_CMD_CREATE = 0, 1, 6

MOUNT_ATTR_RDONLY = 0x1
MOUNT_ATTR_NOSUID = 0x2
MOUNT_ATTR_NODEV = 0x4
MOUNT_ATTR_NOEXEC = 0x8
MS_RDONLY, MS_NOSUID, MS_NODEV, MS_NOEXEC = 1, 2, 4, 8
MS_REC, MS_PRIVATE, MS_SLAVE = 16384, 1 << 18, 1 << 19
MNT_DETACH = 2

CLONE_NEWNS = 0x00020000
CLONE_NEWCGROUP = 0x02000000
CLONE_NEWUTS = 0x04000000
CLONE_NEWIPC = 0x08000000
CLONE_NEWUSER = 0x10000000
CLONE_NEWPID = 0x20000000
CLONE_NEWNET = 0x40000000
SIGCHLD = 17

PR_SET_PDEATHSIG = 1
PR_SET_DUMPABLE = 4
PR_CAPBSET_DROP = 24
PR_SET_NO_NEW_PRIVS = 38
SECCOMP_SET_MODE_FILTER = 1

# PyDLL keeps the interpreter's lock: nothing of Python runs between the call and its errno, nor around ``clone``.
_libc = ctypes.PyDLL(None, use_errno=True)
_syscall = _libc.syscall
_syscall.restype = ctypes.c_long
_libc.prctl.argtypes = [ctypes.c_int, *[ctypes.c_ulong] * 4]
_libc.mount.argtypes = [ctypes.c_char_p, ctypes.c_char_p, ctypes.c_char_p, ctypes.c_ulong, ctypes.c_char_p]


def _checked(result: int, what: str) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), what)
    return result


def _call(what: str, number: int, *arguments: int | bytes | None) -> int:
    converted = [ctypes.c_long(a) if isinstance(a, int) else a for a in arguments]
    return _checked(_syscall(ctypes.c_long(number), *converted), what)


def clone(flags: int) -> int:
    """``fork`` into new namespaces: answers 0 in the child and the child's process id in the parent."""
    ctypes.pythonapi.PyOS_BeforeFork()
    pid = int(_syscall(ctypes.c_long(NR_CLONE), ctypes.c_long(flags | SIGCHLD), *[ctypes.c_long(0)] * 4))
    if pid == 0:
        ctypes.pythonapi.PyOS_AfterFork_Child()
        return 0
    ctypes.pythonapi.PyOS_AfterFork_Parent()
    return _checked(pid, "clone")


def unshare(flags: int) -> None:
    """Leave the caller's namespaces of the kinds in ``flags`` for new ones."""
    _checked(_libc.unshare(ctypes.c_int(flags)), "unshare")


def setns(fd: int, kind: int) -> None:
    """Enter the namespace behind ``fd``."""
    _checked(_libc.setns(ctypes.c_int(fd), ctypes.c_int(kind)), "setns")


def mount(source: str | None, target: str, kind: str | None, flags: int, data: str | None = None) -> None:
    """``mount(2)``."""
    encoded = [None if text is None else os.fsencode(text) for text in (source, kind, data)]
    _checked(_libc.mount(encoded[0], os.fsencode(target), encoded[1], flags, encoded[2]), f"mount {target}")


def unmount(target: str) -> None:
    """Take the mount at ``target`` away, now or as soon as nobody uses it."""
    _checked(_libc.umount2(os.fsencode(target), ctypes.c_int(MNT_DETACH)), f"umount {target}")


def pivot_root(root: str, old: str) -> None:
    """Make the mount at ``root`` the root of the namespace; the former root appears at ``old``."""
    _call("pivot_root", NR_PIVOT_ROOT, os.fsencode(root), os.fsencode(old))


def open_tree(path: str) -> int:
    """A detached copy of the mounts at and under ``path``."""
    flags = OPEN_TREE_CLONE | AT_RECURSIVE | os.O_CLOEXEC
    return _call(f"open_tree {path}", NR_OPEN_TREE, AT_FDCWD, os.fsencode(path), flags)


def move_mount(fd: int, target: str) -> None:
    """Attach the detached mount ``fd`` at ``target``."""
    arguments = (fd, b"", AT_FDCWD, os.fsencode(target), MOVE_MOUNT_F_EMPTY_PATH)
    _call(f"move_mount {target}", NR_MOVE_MOUNT, *arguments)


def mount_setattr(fd: int, attributes: int) -> None:
    """Set ``MOUNT_ATTR_…`` on the mount ``fd`` and all mounts under it, and make them private."""
    packed = struct.pack("QQQQ", attributes, 0, MS_PRIVATE, 0)
    flags = AT_EMPTY_PATH | AT_RECURSIVE
    _call("mount_setattr", NR_MOUNT_SETATTR, fd, b"", flags, packed, len(packed))


def new_mount(kind: str, options: tuple[tuple[str, str | None], ...], attributes: int) -> int:
    """A detached mount of a new file system of ``kind``; an option without a value is a flag."""
    context = _call(f"fsopen {kind}", NR_FSOPEN, os.fsencode(kind), 1)
    try:
        for name, value in options:
            command = FSCONFIG_SET_FLAG if value is None else FSCONFIG_SET_STRING
            encoded = None if value is None else os.fsencode(value)
            _call(f"{kind} option {name}", NR_FSCONFIG, context, command, os.fsencode(name), encoded, 0)
        _call(f"create {kind}", NR_FSCONFIG, context, FSCONFIG_CMD_CREATE, None, None, 0)
        return _call(f"fsmount {kind}", NR_FSMOUNT, context, 1, attributes)
    finally:
        os.close(context)


def open_in(root: int, path: str) -> int:
    """Open ``path`` for reading as if the directory ``root`` were the root: no link in it leads outside."""
    flags = os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY
    how = struct.pack("QQQ", flags, 0, RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS)
    return _call(f"openat2 {path}", NR_OPENAT2, root, os.fsencode(path), how, len(how))


def close_from(first: int) -> None:
    """Close all descriptors from ``first`` on. Before Python 3.10, ``os.closerange`` closes one after the other."""
    _call("close_range", NR_CLOSE_RANGE, first, 0x7FFFFFFF, 0)


def prctl(option: int, argument: int = 0) -> None:
    """``prctl(2)`` with one argument."""
    _checked(_libc.prctl(option, argument, 0, 0, 0), f"prctl {option}")


def clear_capabilities() -> None:
    """Give up every effective, permitted and inheritable capability."""
    header = struct.pack("Ii", 0x20080522, 0)
    _call("capset", NR_CAPSET, header, bytes(24))


def seccomp(program: bytes) -> None:
    """Install the BPF ``program`` as a system call filter for this process and all that it starts."""
    code = ctypes.create_string_buffer(program, len(program))
    header = struct.pack("HxxxxxxQ", len(program) // 8, ctypes.addressof(code))
    _call("seccomp", NR_SECCOMP, SECCOMP_SET_MODE_FILTER, 0, header)
