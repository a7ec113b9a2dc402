"""Programs of another architecture: qemu, registered in a ``binfmt_misc`` that only some sandboxes see.

Since Linux 6.7 each user namespace may have a ``binfmt_misc`` of its own. The launcher makes one namespace for each
foreign architecture, in which every number of its own is the same; a sandbox's program enters it before it gives up its
rights. Nothing is registered in the namespace of the host, and programs of no other sandbox run emulated.
"""

from __future__ import annotations

import os
import struct

from lamina.sandbox import _messages, _syscalls
from lamina.sandbox._steps import Step

TYPE_CHECKING = False
if TYPE_CHECKING:
    import socket
    from typing import NoReturn

# As the Lambda API calls them: as the kernel does, the number in ELF headers.
ARCHITECTURES = {"x86_64": ("x86_64", 62), "arm64": ("aarch64", 183)}
DIRECTORIES = ("/usr/bin", "/usr/local/bin", "/bin")
EXECUTABLE, PT_INTERP = 2, 3
ENOENT = 2
# P: qemu is told the program's own argv[0]. F: qemu is opened now, and need not be in the sandbox.
FLAGS = "PF"


def native() -> str:
    """The architecture of this machine, as the Lambda API calls it; that of the kernel if the API has none."""
    machine = os.uname().machine
    return next((name for name, (kernel, _) in ARCHITECTURES.items() if kernel == machine), machine)


def foreign() -> tuple[str, ...]:
    """The architectures of the API that this machine can only emulate."""
    return tuple(name for name in ARCHITECTURES if name != native())


class Foreign:
    """The user namespaces in which programs of a foreign architecture run; each is made when it is first needed."""

    def __init__(self) -> None:
        """The caller is in namespaces of its own; ``close`` is never needed, they go with the launcher."""
        self._spaces: dict[str, int] = {}
        self._mounts: list[int] = []

    def namespace(self, architecture: str) -> int:
        """The descriptor of the user namespace for ``architecture``. Raises ``StepFailed``."""
        if architecture not in self._spaces:
            with Step(f"prepare to run programs for {architecture}"):
                space, mount = _make(architecture)
            self._spaces[architecture] = space
            # With its last mount the registration goes.
            self._mounts.append(mount)
        return self._spaces[architecture]


def interpreter(architecture: str) -> str:
    """The emulator for ``architecture``: a static program, as nothing of the host is in an image."""
    machine = ARCHITECTURES[architecture][0]
    names = (f"qemu-{machine}-static", f"qemu-{machine}")
    for path in (f"{directory}/{name}" for name in names for directory in DIRECTORIES):
        if os.access(path, os.X_OK) and _is_static(path):
            return path
    raise OSError(ENOENT, f"no {' or '.join(names)}, statically linked, in {', '.join(DIRECTORIES)}")


def sample(architecture: str) -> bytes:
    """The smallest program for ``architecture``: it ends with status 0."""
    number = ARCHITECTURES[architecture][1]
    if architecture == "arm64":
        code = struct.pack("<III", 0xD2800000, 0xD2800BA8, 0xD4000001)  # mov x0, 0; mov x8, 93; svc 0
    else:
        code = b"\x31\xff\xb8\x3c\x00\x00\x00\x0f\x05"  # xor edi, edi; mov eax, 60; syscall
    size = 120 + len(code)
    header = struct.pack("<HHIQQQIHHHHHH", EXECUTABLE, number, 1, 0x400078, 64, 0, 0, 64, 56, 1, 0, 0, 0)
    segment = struct.pack("<IIQQQQQQ", 1, 5, 0, 0x400000, 0x400000, size, size, 0x1000)
    return b"\x7fELF\x02\x01\x01" + bytes(9) + header + segment + code


def _is_static(path: str) -> bool:
    """Whether an ELF program asks for no dynamic linker."""
    with open(path, "rb") as file:
        head = file.read(64)
        if len(head) < 64 or head[:5] != b"\x7fELF\x02":
            return False
        offset = struct.unpack_from("<Q", head, 32)[0]
        size, count = struct.unpack_from("<HH", head, 54)
        file.seek(offset)
        table = file.read(size * count)
    return all(struct.unpack_from("<I", table, start)[0] != PT_INTERP for start in range(0, len(table), size))


def _make(architecture: str) -> tuple[int, int]:
    """A user namespace, and the ``binfmt_misc`` that stays with it as long as its mount does."""
    line = _registration(architecture, interpreter(architecture))
    ours, theirs = _messages.pair()
    with ours, theirs:
        pid = _syscalls.clone(_syscalls.CLONE_NEWUSER | _syscalls.CLONE_NEWNS)
        if pid == 0:
            _register(theirs, line)
        theirs.close()
        try:
            return _adopt(pid, ours)
        finally:
            ours.close()
            os.waitpid(pid, 0)


def _adopt(pid: int, channel: socket.socket) -> tuple[int, int]:
    """Give the child's namespace its numbers, and take the namespace and the mount from it."""
    for name in ("uid_map", "gid_map"):
        with (
            open(f"/proc/self/{name}", encoding="ascii") as own,
            open(f"/proc/{pid}/{name}", "w", encoding="ascii") as its,
        ):
            its.write(_same(own.read()))
    space = os.open(f"/proc/{pid}/ns/user", os.O_RDONLY | os.O_CLOEXEC)
    try:
        _messages.send(channel, {"mapped": True})
        answer, descriptors = _messages.receive(channel)
        if "errno" in answer:
            raise OSError(answer["errno"], answer["text"])
    except _messages.Closed:
        os.close(space)
        raise OSError(ENOENT, "the process that registers has ended") from None
    except OSError:
        os.close(space)
        raise
    return space, descriptors[0]


def _same(own: str) -> str:
    """The map in which every number that is one here is the same."""
    rows = [row.split() for row in own.splitlines()]
    return "\n".join(f"{inside} {inside} {count}" for inside, _, count in rows)


def _register(channel: socket.socket, line: bytes) -> NoReturn:
    try:
        _messages.receive(channel)
        mount = _syscalls.new_mount("binfmt_misc", (), 0)
        register = os.open("register", os.O_WRONLY, dir_fd=mount)
        os.write(register, line)
        _messages.send(channel, {"registered": True}, [mount])
    except OSError as error:
        _messages.send(channel, {"errno": error.errno, "text": f"binfmt_misc: {error.strerror}"})
    finally:
        os._exit(0)


def _registration(architecture: str, emulator: str) -> bytes:
    """A line for ``register``: magic and mask of 64-bit little-endian ELF programs, fixed or position-independent."""
    number = ARCHITECTURES[architecture][1]
    magic = b"\x7fELF\x02\x01\x01" + bytes(9) + struct.pack("<HH", EXECUTABLE, number)
    mask = b"\xff" * 7 + b"\x00" + b"\xff" * 8 + b"\xfe\xff\xff\xff"
    fields = (b"", b"lamina-" + architecture.encode(), b"M", b"", _escaped(magic), _escaped(mask))
    return b":".join((*fields, os.fsencode(emulator), FLAGS.encode()))


def _escaped(data: bytes) -> bytes:
    return b"".join(b"\\x%02x" % byte for byte in data)
