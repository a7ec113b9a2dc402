"""A sandbox as the server holds it: descriptors, and words to the launcher."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import signal
import socket
from typing import Any

from lamina.sandbox._connection import Connection
from lamina.sandbox._interface import Beside, Bind, Exit, Limits, SandboxUnavailable
from lamina.sandbox._names import rewrite
from lamina.sandbox._watch import resident

MOST_CONTROL_BYTES = 64 * 1024


class IsolatedSandbox:
    """Implements ``Sandbox`` over a launcher's connection."""

    def __init__(self, connection: Connection, name: str, result: dict[str, Any], descriptors: list[int]) -> None:
        """``result`` and ``descriptors`` are the launcher's answer to ``start``."""
        listener, output, control, *others = descriptors
        beside = others.pop(0) if result["beside"] else None
        self.gateway = socket.socket(fileno=others.pop(0)) if result["gateway"] else None
        self.id = name
        self.runtime_api: str = result["runtime_api"]
        self.listener = socket.socket(fileno=listener)
        self.output = output
        self.exited: asyncio.Future[Exit] = asyncio.get_running_loop().create_future()
        self.beside = _beside(beside, result)
        self._connection = connection
        self._names: dict[str, str] = result["names"]
        self._control = control
        self._words: tuple[str, str] | None = result["freezer"]
        self._freezer = others[0] if self._words else None
        self._peak = others[-1]
        self._watched: int | None = result["watched"]
        self._last_peak = 0
        self._open = True
        os.set_blocking(output, False)
        os.set_blocking(control, False)

    def send_control(self, message: bytes) -> None:
        """Write ``message`` (under 64 KiB) to the program's file descriptor 3 and close it."""
        message = rewrite(message.decode(), self._names).encode() if self._names else message
        if len(message) >= MOST_CONTROL_BYTES:
            raise ValueError(f"a control message of {len(message)} bytes does not fit into a pipe")
        # A program that has ended is told about by ``exited``.
        with contextlib.suppress(BrokenPipeError):
            os.write(self._control, message)
        os.close(self._control)
        self._control = -1

    async def run(self) -> None:
        """Start the program of a sandbox with companions."""
        await self._connection.request("run", sandbox=self.id)

    async def connect(self, port: int) -> socket.socket:
        """A non-blocking TCP connection to ``port`` of the sandbox's own loopback. Raises ``OSError``."""
        try:
            _, (descriptor,) = await self._connection.request("socket", sandbox=self.id)
        except SandboxUnavailable as error:
            raise OSError(errno.ENETDOWN, str(error)) from None
        made = socket.socket(fileno=descriptor)
        try:
            await asyncio.get_running_loop().sock_connect(made, ("127.0.0.1", port))
        except BaseException:
            made.close()
            raise
        return made

    def terminate(self) -> None:
        """Ask the program to end, by SIGTERM."""
        if not self.exited.done():
            self._connection.post("terminate", sandbox=self.id)

    async def specialise(self, binds: tuple[Bind, ...], limits: Limits) -> None:
        """Mount further directories into the running sandbox and set its limits anew."""
        members = {"sandbox": self.id, "binds": packed_binds(binds), "limits": packed_limits(limits)}
        await self._connection.request("specialise", **members)

    def freeze(self) -> None:
        """Stop every process of the sandbox where it stands."""
        self._set_frozen(frozen=True)

    def thaw(self) -> None:
        """Let a frozen sandbox go on."""
        self._set_frozen(frozen=False)

    def max_memory_bytes(self) -> int:
        """The most memory that the sandbox has used so far, in bytes."""
        if self._open and not self.exited.done():
            # The group may be gone already, with the news of it on the way.
            with contextlib.suppress(OSError):
                self._last_peak = max(self._last_peak, int(os.pread(self._peak, 32, 0) or b"0"))
            if self._watched is not None:
                # The launcher looks ten times a second; an invocation may be shorter.
                self._last_peak = max(self._last_peak, resident(self._watched))
        return self._last_peak

    def kill(self) -> None:
        """End every process of the sandbox, frozen or not; ``exited`` tells when that is done."""
        if not self.exited.done():
            self._connection.post("kill", sandbox=self.id)

    def close(self, *, keep: bool = False) -> None:
        """Give back the file descriptors, and what the sandbox leaves unless it is kept."""
        if not self._open:
            return
        self._open = False
        if not keep:
            self._connection.post("release", sandbox=self.id)
        self.listener.close()
        if self.gateway is not None:
            self.gateway.close()
        beside = None if self.beside is None else self.beside.output
        for descriptor in (self.output, self._control, self._freezer, self._peak, beside):
            if descriptor is not None and descriptor >= 0:
                os.close(descriptor)

    def end_one(self, message: dict[str, Any]) -> None:
        """The launcher's news that one program of a sandbox with companions has ended."""
        assert self.beside is not None
        name = message["ended"]
        _settle(self.beside.ended[name] if name else self.beside.program, _exit(message))

    def end(self, message: dict[str, Any]) -> None:
        """The launcher's news that the sandbox has ended."""
        self._last_peak = max(self._last_peak, message["peak"])
        if self.beside is not None:
            _settle(self.beside.program, _exit(message))
            for each in self.beside.ended.values():
                _settle(each, Exit(signal=signal.SIGKILL))
        _settle(self.exited, _exit(message))

    def _set_frozen(self, *, frozen: bool) -> None:
        if self.exited.done() or not self._open:
            return
        if self._words is None or self._freezer is None:
            self._connection.post("freeze" if frozen else "thaw", sandbox=self.id)
            return
        try:
            os.pwrite(self._freezer, self._words[0 if frozen else 1].encode(), 0)
        except OSError as error:
            # The group of a sandbox that has just ended is gone.
            if error.errno != errno.ENODEV:
                raise


def _beside(output: int | None, result: dict[str, Any]) -> Beside | None:
    """The companions that the launcher tells of; their pipe is closed where there are none."""
    if output is None:
        return None
    if not result["companions"]:
        os.close(output)
        return None
    os.set_blocking(output, False)
    loop = asyncio.get_running_loop()
    return Beside(
        ended={name: loop.create_future() for name in result["companions"]},
        refused={name: (step, path, number) for name, (step, path, number) in result["refused"].items()},
        program=loop.create_future(),
        output=output,
    )


def _exit(message: dict[str, Any]) -> Exit:
    return Exit(status=message["status"], signal=message["signal"], out_of_memory=message["out_of_memory"])


def _settle(future: asyncio.Future[Exit], exit_: Exit) -> None:
    if not future.done():
        future.set_result(exit_)


def packed_binds(binds: tuple[Bind, ...]) -> list[tuple[str, str, bool]]:
    """``binds`` as the launcher reads them."""
    return [(str(bind.source.absolute()), bind.target, bind.writable) for bind in binds]


def packed_limits(limits: Limits) -> dict[str, int]:
    """``limits`` as the launcher reads them."""
    return {
        "memory_mb": limits.memory_mb,
        "tmp_mb": limits.tmp_mb,
        "processes": limits.processes,
        "open_files": limits.open_files,
    }
