"""The root file system of every sandbox: built once, then copied by ``clone`` with the namespace that it is in.

A mount namespace that holds nothing but this root makes a sandbox cheap: a child cloned inside it has six mounts to
copy and none of the host's to take away. What differs from sandbox to sandbox is mounted over it afterwards.
"""

from __future__ import annotations

import os

from lamina.sandbox import _mounts, _syscalls

DIRECTORIES = ("dev", "etc/ssl", "opt", "proc", "run/identity", "tmp", "usr", "var/lang", "var/runtime", "var/task")
HOST_LINKS = ("bin", "sbin", "lib", "lib32", "lib64", "libx32")
DEVICES = ("null", "zero", "full", "random", "urandom")
DEVICE_LINKS = {"fd": "/proc/self/fd", "stdin": "fd/0", "stdout": "fd/1", "stderr": "fd/2"}
COPIED = ("ld.so.cache", "ld.so.conf", "localtime", "mime.types", "protocols", "services", "ssl/openssl.cnf")
SHOWN = ("alternatives", "ca-certificates", "ld.so.conf.d", "pki", "ssl/certs")
WRITTEN = {
    "hosts": "127.0.0.1 localhost sandbox sandbox.localdomain\n",
    "nsswitch.conf": "passwd: files\ngroup: files\nhosts: files dns\n",
    "resolv.conf": "",
}
IDENTITY, TMP = "/run/identity", "/tmp"  # noqa: S108
# Empty before a program is there: where the root of an image is mounted for a moment.
IMAGE = "/opt"
# What a sandbox takes with it into the root of an image.
KEPT = ("/dev", "/proc", TMP)
IDENTITY_LINKS = ("passwd", "group")
USER = "sbx_user1051"


class Root:
    """A tmpfs of the launcher's own with the root (``root``) and one small directory for each user (``identity``)."""

    def __init__(self, work: str, *, keep_proc: bool, resolver: str = "") -> None:
        """Build everything in the directory ``work``; the launcher must be in a mount namespace of its own.

        ``resolver`` is what ``/etc/resolv.conf`` says.
        """
        self._work = work
        os.makedirs(work, exist_ok=True)
        flags = _syscalls.MS_NOSUID | _syscalls.MS_NODEV
        _syscalls.mount("lamina", work, "tmpfs", flags, "mode=0755")
        for name in (*DIRECTORIES, *(name for name in HOST_LINKS if os.path.isdir(f"/{name}"))):
            if not os.path.islink(f"/{name}"):
                os.makedirs(f"{work}/root/{name}", exist_ok=True)
        os.chmod(f"{work}/root/tmp", 0o1777)  # noqa: S103
        _write_etc(f"{work}/root/etc")
        _write(f"{work}/root/etc/resolv.conf", resolver)
        self._host = os.open("/proc/self/ns/mnt", os.O_RDONLY | os.O_CLOEXEC)
        self._blank = self._make_blank(keep_proc=keep_proc)

    def ensure(self, target: str, *, directory: bool) -> None:
        """Let the absolute path ``target`` exist for something to be mounted on."""
        path = f"{self._work}/root/{_relative(target)}"
        if directory:
            os.makedirs(path, exist_ok=True)
        elif not os.path.lexists(path):
            os.makedirs(os.path.dirname(path), exist_ok=True)
            _write(path, "")

    def identity(self, uid: int) -> str:
        """A directory with the ``passwd`` and ``group`` of a sandbox whose user is ``uid``."""
        path = f"{self._work}/identity/{uid}"
        if not os.path.isdir(path):
            os.makedirs(path)
            lines = ["root:x:0:0:root:/root:/sbin/nologin", f"{USER}:x:{uid}:{uid}::/home/{USER}:/sbin/nologin"]
            _write(f"{path}/passwd", "\n".join(lines) + "\n")
            _write(f"{path}/group", f"root:x:0:\n{USER}:x:{uid}:\n")
        return path

    def clone(self, flags: int) -> int:
        """Clone a child whose mount namespace is a copy of the blank one; as ``_syscalls.clone``."""
        _syscalls.setns(self._blank, _syscalls.CLONE_NEWNS)
        pid = _syscalls.clone(flags | _syscalls.CLONE_NEWNS)
        if pid != 0:
            _syscalls.setns(self._host, _syscalls.CLONE_NEWNS)
        return pid

    def attach_in(self, namespace: int, mounts: list[tuple[int, str]]) -> None:
        """Attach detached mounts inside the mount namespace of a running sandbox."""
        _syscalls.setns(namespace, _syscalls.CLONE_NEWNS)
        try:
            for descriptor, target in mounts:
                _syscalls.move_mount(descriptor, target)
        finally:
            _syscalls.setns(self._host, _syscalls.CLONE_NEWNS)

    def detach_in(self, namespace: int, path: str) -> int:
        """A detached copy of the mount at ``path`` inside the mount namespace of a sandbox."""
        _syscalls.setns(namespace, _syscalls.CLONE_NEWNS)
        try:
            return _syscalls.open_tree(path)
        finally:
            _syscalls.setns(self._host, _syscalls.CLONE_NEWNS)

    def _make_blank(self, *, keep_proc: bool) -> int:
        """A mount namespace with the root alone. ``keep_proc``: see ``_fill``."""
        proc = os.open("/proc", os.O_PATH | os.O_CLOEXEC)
        _syscalls.unshare(_syscalls.CLONE_NEWNS)
        try:
            _fill(f"{self._work}/root", keep_proc=keep_proc)
            return os.open("self/ns/mnt", os.O_RDONLY | os.O_CLOEXEC, dir_fd=proc)
        finally:
            _syscalls.setns(self._host, _syscalls.CLONE_NEWNS)
            os.close(proc)


def _fill(root: str, *, keep_proc: bool) -> None:
    """Mount the host's parts into ``root`` and make it the root.

    In a user namespace the kernel allows a new ``/proc`` only where a whole one is seen already: ``keep_proc`` keeps
    the launcher's, for the sandbox's own to be mounted over it.
    """
    _mounts.attach(_mounts.detached(root), root)
    _mounts.bind("/usr", f"{root}/usr")
    for name in HOST_LINKS:
        if not os.path.islink(f"/{name}") and os.path.isdir(f"/{name}"):
            _mounts.bind(f"/{name}", f"{root}/{name}")
    for name in DEVICES:
        descriptor = _syscalls.open_tree(f"/dev/{name}")
        _syscalls.mount_setattr(descriptor, _syscalls.MOUNT_ATTR_NOSUID | _syscalls.MOUNT_ATTR_NOEXEC)
        _mounts.attach(descriptor, f"{root}/dev/{name}")
    for name in _shown():
        _mounts.bind(f"/etc/{name}", f"{root}/etc/{name}")
    if keep_proc:
        _mounts.attach(_syscalls.open_tree("/proc"), f"{root}/proc")
    os.chdir(root)
    _syscalls.pivot_root(".", ".")
    _syscalls.unmount(".")
    os.chdir("/")


def _write_etc(etc: str) -> None:
    root = os.path.dirname(etc)
    for name in COPIED:
        if os.path.isfile(f"/etc/{name}"):
            _copy(f"/etc/{name}", f"{etc}/{name}")
    for name in _shown():
        os.makedirs(f"{etc}/{name}", exist_ok=True)
    for name, text in WRITTEN.items():
        _write(f"{etc}/{name}", text)
    for name in IDENTITY_LINKS:
        os.symlink(f"../run/identity/{name}", f"{etc}/{name}")
    for name in HOST_LINKS:
        if os.path.islink(f"/{name}"):
            os.symlink(os.readlink(f"/{name}"), f"{root}/{name}")
    for name in DEVICES:
        _write(f"{root}/dev/{name}", "")
    for name, target in DEVICE_LINKS.items():
        os.symlink(target, f"{root}/dev/{name}")


def _shown() -> list[str]:
    """The directories of the host's ``/etc`` that programs of ``/usr`` cannot do without."""
    java = [entry for entry in os.listdir("/etc") if entry.startswith("java")]
    return [name for name in (*SHOWN, *java) if os.path.isdir(f"/etc/{name}")]


def _relative(target: str) -> str:
    parts = target.split("/")
    if parts[0] or ".." in parts:
        raise OSError(22, "not an absolute path inside the sandbox", target)
    return "/".join(part for part in parts if part)


def _write(path: str, text: str) -> None:
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)


def _copy(source: str, target: str) -> None:
    with open(source, "rb") as original, open(target, "wb") as copy:
        copy.write(original.read())
