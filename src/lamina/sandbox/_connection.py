"""The server's end of one launcher process: requests with answers, and news of sandboxes that ended."""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
import sys
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Any

from lamina.sandbox import _messages
from lamina.sandbox._interface import ProgramUnavailable, SandboxUnavailable

SCRIPT = Path(__file__).with_name("_launch.py")
Answer = tuple[dict[str, Any], list[int]]
# What the interpreter may need to be found and to start; the rest, secrets perhaps, is the server's.
ENVIRONMENT = ("PATH", "LD_LIBRARY_PATH", "PYTHONHOME")
LOST = "the launcher's process has ended"


class Connection:
    """One running launcher.

    ``on_exit`` gets the ``exited`` and ``ended`` messages, ``on_lost`` is called when the process has ended.
    """

    def __init__(self, on_exit: Callable[[dict[str, Any]], None], on_lost: Callable[[], None]) -> None:
        """``open`` starts the process."""
        self._on_exit = on_exit
        self._on_lost = on_lost
        self._loop = asyncio.get_running_loop()
        self._answers: dict[int, asyncio.Future[Answer]] = {}
        self._serial = 0
        self._unsent: deque[bytes] = deque()
        self._ready: asyncio.Future[dict[str, Any]] = self._loop.create_future()
        self._socket: socket.socket
        self._process: subprocess.Popen[bytes]
        self.report: dict[str, Any] = {}
        self.lost = False

    async def open(self, arguments: list[str]) -> dict[str, Any]:
        """Start the process and wait until it serves; its report. Raises ``SandboxUnavailable``."""
        await self._spawn(arguments)
        words = await self._ready
        if "unavailable" in words:
            await self.close()
            raise SandboxUnavailable(words["unavailable"])
        return self.report

    async def inquire(self, arguments: list[str]) -> None:
        """Start a process that only reports, and wait for its end."""
        await self._spawn(arguments)
        await self._ready
        await self.close()
        if not self.report:
            raise SandboxUnavailable(LOST)

    async def _spawn(self, arguments: list[str]) -> None:
        self._socket, theirs = _messages.pair()
        self._socket.setblocking(False)
        with theirs:
            self._process = await asyncio.to_thread(_spawn, theirs.fileno(), arguments)
        self._loop.add_reader(self._socket.fileno(), self._on_readable)

    async def request(self, operation: str, **members: object) -> Answer:
        """Ask for something and wait for the answer. Raises ``SandboxUnavailable`` with the launcher's reason."""
        if self.lost:
            raise SandboxUnavailable(LOST)
        self._serial += 1
        number = self._serial
        answer: asyncio.Future[Answer] = self._loop.create_future()
        self._answers[number] = answer
        try:
            self.post(operation, request=number, **members)
            return await answer
        finally:
            del self._answers[number]

    def post(self, operation: str, **members: object) -> None:
        """Say something that has no answer. Messages keep their order."""
        if self.lost:
            return
        self._unsent.append(_messages.encode({"operation": operation, **members}))
        self._on_writable()

    async def close(self) -> None:
        """Close the socket, upon which the launcher ends its sandboxes and itself, and wait for that."""
        self._disconnect()
        await asyncio.to_thread(self._process.wait)

    def _on_readable(self) -> None:
        while not self.lost:
            try:
                message, descriptors = _messages.receive(self._socket)
            except BlockingIOError:
                return
            except (_messages.Closed, OSError):
                self._disconnect()
                return
            self._dispatch(message, descriptors)

    def _dispatch(self, message: dict[str, Any], descriptors: list[int]) -> None:
        if "exited" in message or "ended" in message:
            self._on_exit(message)
        elif "request" in message:
            self._answer(message, descriptors)
        elif "findings" in message:
            self.report = message
        elif not self._ready.done():
            self._ready.set_result(message)

    def _answer(self, message: dict[str, Any], descriptors: list[int]) -> None:
        answer = self._answers.get(message["request"])
        if answer is None or answer.done():
            # Whoever asked has gone: nobody else will close what came.
            for descriptor in descriptors:
                os.close(descriptor)
        elif "error" in message:
            answer.set_exception(_refusal(message))
        else:
            answer.set_result((message["result"], descriptors))

    def _on_writable(self) -> None:
        while self._unsent:
            try:
                self._socket.send(self._unsent[0])
            except BlockingIOError:
                self._loop.add_writer(self._socket.fileno(), self._on_writable)
                return
            except OSError:
                self._disconnect()
                return
            self._unsent.popleft()
        self._loop.remove_writer(self._socket.fileno())

    def _disconnect(self) -> None:
        if self.lost:
            return
        self.lost = True
        self._loop.remove_reader(self._socket.fileno())
        self._loop.remove_writer(self._socket.fileno())
        self._socket.close()
        if not self._ready.done():
            self._ready.set_result({"unavailable": LOST})
        for answer in self._answers.values():
            if not answer.done():
                answer.set_exception(SandboxUnavailable(LOST))
        self._on_lost()


def _refusal(message: dict[str, Any]) -> SandboxUnavailable:
    blamed = message.get("blamed")
    return ProgramUnavailable(message["error"], *blamed) if blamed else SandboxUnavailable(message["error"])


def _spawn(descriptor: int, arguments: list[str]) -> subprocess.Popen[bytes]:
    """Start the launcher in a session of its own: an interrupt from the terminal is the server's to handle."""
    return subprocess.Popen(
        [sys.executable, "-I", "-S", str(SCRIPT), str(descriptor), *arguments],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        cwd="/",
        env={name: os.environ[name] for name in ENVIRONMENT if name in os.environ},
        pass_fds=[descriptor],
        start_new_session=True,
    )
