"""What the rest of Lamina sees of isolation: a launcher starts sandboxes, a sandbox runs one program."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol


@dataclass(frozen=True, slots=True, kw_only=True)
class Bind:
    """A directory or file of the host that appears in the sandbox, read-only unless ``writable``."""

    source: Path
    target: str
    writable: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Resource limits of one sandbox; AWS's own numbers are the defaults."""

    memory_mb: int = 128
    tmp_mb: int = 512
    processes: int = 1024
    open_files: int = 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Companions:
    """Programs to start before the one of a sandbox: every file of ``directory``, each with ``environment``."""

    directory: str
    environment: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class SandboxSpec:
    """A program and the little world in which it runs.

    ``argv`` and ``environment`` are as the program sees them (paths inside). ``binds`` is the program's whole file
    system beside the host's ``/usr`` and a private ``/tmp``, ``/proc``, ``/dev`` and ``/etc``. ``forkable`` names a
    template: sandboxes with the same name may be forked from one prepared process instead of a fresh ``exec``.

    ``root`` are the layer folders of an image, bottom to top, which then take the place of the host's ``/usr`` and
    ``/etc``. They are never written to. What a layer takes away it marks as overlayfs does: a character device 0:0, or
    ``user.overlay.opaque`` = ``y`` on a directory; ``trusted.overlay.*`` is not looked at. Where the machine has no
    overlayfs, one merged folder is taken. ``architecture`` is that of the program, ``x86_64`` or ``arm64``, and empty
    for that of the machine; another one runs emulated.

    ``heir_of`` names a sandbox that has ended and was kept: its ``/tmp`` is there, and its user owns the files in it.

    ``companions`` are started first, if there are any; then the program waits for ``Sandbox.run``.

    ``network`` is ``none``, or ``gateway`` for a listener of the server's beside that of the Runtime API.
    """

    argv: tuple[str, ...]
    environment: Mapping[str, str]
    binds: tuple[Bind, ...] = ()
    limits: Limits = field(default_factory=Limits)
    working_directory: str = "/var/task"
    forkable: str | None = None
    root: tuple[Path, ...] = ()
    architecture: str = ""
    network: str = "none"
    companions: Companions | None = None
    heir_of: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Exit:
    """How the program of a sandbox ended: exactly one of ``status`` and ``signal`` is set."""

    status: int | None = None
    signal: int | None = None
    out_of_memory: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Beside:
    """The companions of a sandbox: by name, how each has ended, and the non-blocking read end of their output.

    ``refused`` are those that could not be started: the kernel's step, the path and the error number. ``program`` is
    how the program itself has ended, which is not the end of the sandbox then.
    """

    ended: Mapping[str, asyncio.Future[Exit]]
    refused: Mapping[str, tuple[str, str, int]]
    program: asyncio.Future[Exit]
    output: int


class Sandbox(Protocol):
    """One running sandbox.

    The program inside reaches ``listener`` at ``runtime_api``, ``gateway`` at ``127.0.0.1:4566`` where its network has
    one, and nothing else. Its standard output and error are one pipe, whose non-blocking read end is ``output``. Its
    file descriptor 3 is the read end of a control pipe.
    """

    id: str
    runtime_api: str
    listener: socket.socket
    gateway: socket.socket | None
    output: int
    exited: asyncio.Future[Exit]
    beside: Beside | None

    async def run(self) -> None:
        """Start the program of a sandbox with companions. Raises as ``SandboxLauncher.start`` does."""

    async def connect(self, port: int) -> socket.socket:
        """A non-blocking TCP connection to ``port`` of the sandbox's own loopback. Raises ``OSError``."""

    def terminate(self) -> None:
        """Ask the program to end, by SIGTERM; nothing happens to one that has ended."""

    def send_control(self, message: bytes) -> None:
        """Write ``message`` (under 64 KiB) to the program's descriptor 3 and close it: the program reads to EOF."""

    async def specialise(self, binds: tuple[Bind, ...], limits: Limits) -> None:
        """Mount further directories into the running sandbox and set its limits anew."""

    def freeze(self) -> None:
        """Stop every process of the sandbox where it stands."""

    def thaw(self) -> None:
        """Let a frozen sandbox go on; nothing happens to one that is not frozen."""

    def max_memory_bytes(self) -> int:
        """The most memory that the sandbox has used so far, in bytes."""

    def kill(self) -> None:
        """End every process of the sandbox, frozen or not; ``exited`` tells when that is done."""

    def close(self, *, keep: bool = False) -> None:
        """Give back the file descriptors of a sandbox that has exited, and all that it has left unless it is kept."""


class SandboxLauncher(Protocol):
    """Starts sandboxes; the only part of Lamina that makes processes, namespaces, mounts and cgroups."""

    level: str

    async def start(self, spec: SandboxSpec, *, fork: bool = False) -> Sandbox:
        """Start one sandbox. Raises ``SandboxUnavailable`` when the kernel refuses a step.

        It is ``ProgramUnavailable`` when the program or its working directory is not there or cannot be used.
        ``fork`` takes it from the template that ``spec.forkable`` names, where that can be: quicker, but all that
        are forked from one template have the same addresses and the same hash seed.
        """

    def release(self, sandbox: str) -> None:
        """Let go of what a sandbox has left that was kept."""

    async def close(self) -> None:
        """End all sandboxes and the launcher's own process."""


class SandboxUnavailable(Exception):
    """A sandbox could not be started; the message names the step and the kernel's answer."""


class ProgramUnavailable(SandboxUnavailable):
    """The program of a sandbox could not be started, through no fault of the sandbox.

    ``step`` is ``execute`` or ``enter`` (the working directory), ``path`` the program or directory, and ``errno`` the
    kernel's answer.
    """

    def __init__(self, message: str, step: str, path: str, errno: int) -> None:
        super().__init__(message)
        self.step = step
        self.path = path
        self.errno = errno
