"""A private ``/tmp`` of a fixed size that does not count as memory: ext4 in a file without a name.

The file lies in the launcher's directory and is unlinked from birth, and the loop device detaches itself with its
last mount, so whoever dies, nothing stays.
"""

from __future__ import annotations

import fcntl
import os
import struct

from lamina.sandbox import _mounts, _syscalls

LOOP_CTL_GET_FREE, LOOP_CONFIGURE, LO_FLAGS_AUTOCLEAR = 0x4C82, 0x4C0A, 4
BLOCK = 4096
EBUSY, ENXIO, EOPNOTSUPP, EISDIR, EINVAL = 16, 6, 95, 21, 22
MKFS = ("/usr/sbin/mkfs.ext4", "/sbin/mkfs.ext4", "/usr/bin/mkfs.ext4")
# No journal: nobody needs the file system after a crash. 16 KiB an inode, as mkfs has it by default.
MKFS_OPTIONS = ("-q", "-F", "-b", str(BLOCK), "-m", "0", "-O", "^has_journal", "-E", "lazy_itable_init=1,nodiscard")
# Nobody needs the file system after a crash: no flush ever waits for the disk.
MOUNT_OPTIONS = (("nobarrier", None),)
TRIES = 16


class Disk:
    """Makes file systems of asked sizes as copies of a formatted, almost empty, sparse file for each size."""

    def __init__(self, directory: str) -> None:
        """Use ``directory``; what one that was killed has left half formatted is removed."""
        self._directory = directory
        for name in os.listdir(directory):
            template, _, maker = name.rpartition(".")
            if template.endswith(".ext4") and not os.path.exists(f"/proc/{maker}"):
                os.unlink(f"{directory}/{name}")

    def mount(self, megabytes: int) -> int:
        """A detached, writable file system with at least ``megabytes`` MiB of room, world-writable and sticky."""
        backing = self._copy(megabytes)
        try:
            loop, device = _attach_loop(backing)
        finally:
            os.close(backing)
        try:
            return _syscalls.new_mount("ext4", (("source", device), *MOUNT_OPTIONS), _mounts.SAFE)
        finally:
            os.close(loop)

    def _copy(self, megabytes: int) -> int:
        template = os.open(self._template(megabytes), os.O_RDONLY | os.O_CLOEXEC)
        try:
            target = _nameless_file(self._directory)
            _copy_extents(template, target)
        finally:
            os.close(template)
        return target

    def _template(self, megabytes: int) -> str:
        path = f"{self._directory}/disk-{megabytes}.ext4"
        if not os.path.exists(path):
            partial = f"{path}.{os.getpid()}"
            _format(partial, megabytes)
            _flush(partial)
            os.rename(partial, path)
        return path


def _format(path: str, megabytes: int) -> None:
    """Write an ext4 file system whose tables take little of the room that was asked for."""
    size = megabytes * 1024 * 1024 * 26 // 25 + 2 * 1024 * 1024
    descriptor = os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC | os.O_TRUNC, 0o600)
    os.ftruncate(descriptor, size // BLOCK * BLOCK)
    os.close(descriptor)
    command = next((p for p in MKFS if os.access(p, os.X_OK)), MKFS[0])
    pid = os.posix_spawn(command, [command, *MKFS_OPTIONS, path], {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin"})
    if os.waitpid(pid, 0)[1] != 0:
        os.unlink(path)
        raise OSError(EINVAL, "mkfs.ext4 failed", path)
    _open_to_all(path)


def _open_to_all(path: str) -> None:
    """Give the root of the file system in the file ``path`` the mode of ``/tmp`` and drop ``lost+found``."""
    backing = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    try:
        loop, device = _attach_loop(backing)
    finally:
        os.close(backing)
    try:
        root = _syscalls.new_mount("ext4", (("source", device), *MOUNT_OPTIONS), _mounts.SAFE)
    finally:
        os.close(loop)
    try:
        os.rmdir("lost+found", dir_fd=root)
        os.chmod(f"/proc/self/fd/{root}", 0o1777)  # noqa: S103
    finally:
        os.close(root)


def _flush(path: str) -> None:
    """Have the file on the disk: after a power cut it is whole or has not got its name."""
    descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _attach_loop(backing: int) -> tuple[int, str]:
    """A loop device over ``backing``: its descriptor and name. It goes when nobody has it open or mounted."""
    control = os.open("/dev/loop-control", os.O_RDWR | os.O_CLOEXEC)
    try:
        for attempt in range(TRIES):
            device = f"/dev/loop{fcntl.ioctl(control, LOOP_CTL_GET_FREE)}"
            loop = os.open(device, os.O_RDWR | os.O_CLOEXEC)
            try:
                fcntl.ioctl(loop, LOOP_CONFIGURE, _loop_configuration(backing))
            except OSError as error:
                os.close(loop)
                # Somebody else took the device between the question and the answer.
                if error.errno != EBUSY or attempt == TRIES - 1:
                    raise
            else:
                return loop, device
    finally:
        os.close(control)
    raise OSError(ENXIO, "no free loop device")


def _loop_configuration(backing: int) -> bytes:
    """``struct loop_config`` with its ``struct loop_info64``: only the flags differ from zero."""
    information = struct.pack("5Q4I", 0, 0, 0, 0, 0, 0, 0, 0, LO_FLAGS_AUTOCLEAR).ljust(232, b"\0")
    return struct.pack("II", backing, 0) + information + bytes(64)


def _nameless_file(directory: str) -> int:
    try:
        return os.open(directory, os.O_TMPFILE | os.O_RDWR | os.O_CLOEXEC, 0o600)
    except OSError as error:
        if error.errno not in {EOPNOTSUPP, EISDIR, EINVAL}:
            raise
    path = f"{directory}/disk-{os.getpid()}.unnamed"
    descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_CLOEXEC, 0o600)
    os.unlink(path)
    return descriptor


def _copy_extents(source: int, target: int) -> None:
    """Copy what is not a hole."""
    size = os.fstat(source).st_size
    os.ftruncate(target, size)
    position = 0
    while True:
        try:
            position = os.lseek(source, position, os.SEEK_DATA)
        except OSError as error:
            if error.errno == ENXIO:
                return
            raise
        end = os.lseek(source, position, os.SEEK_HOLE)
        while position < end:
            position += os.copy_file_range(source, target, end - position, position, position)
