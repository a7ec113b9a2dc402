"""One run of the embedded store: its supervisor's process, from the start to the end."""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
import sys
from pathlib import Path

from lamina.objects import _seaweed
from lamina.objects._exchange import Exchange
from lamina.objects._interface import Upstream, UpstreamDown

_SCRIPT = Path(__file__).with_name("_supervisor.py")
_POLL_FIRST, _POLL_LAST = 0.05, 0.5
_TOLD = 2000


class StoreProcess:
    """``open`` starts one; ``upstream`` is its S3; ``ended`` is set when it has gone, whatever the reason."""

    def __init__(self, process: subprocess.Popen[bytes], lifeline: socket.socket, folder: Path, s3: Upstream) -> None:
        self.upstream = s3
        self.ended = asyncio.Event()
        self._process = process
        self._lifeline = lifeline
        self._folder = folder
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(lifeline.fileno(), self._on_end)

    @classmethod
    async def open(cls, folder: Path, weed: Path, deadline: float) -> StoreProcess:
        """Start it and wait until it answers. Raises ``UpstreamDown`` when it ends or ``deadline`` seconds pass."""
        process, lifeline, upstream = await asyncio.to_thread(_spawn, folder, weed)
        started = cls(process, lifeline, folder, upstream)
        try:
            async with asyncio.timeout(deadline):
                await started._ready()
        except BaseException as error:
            await started.close()
            if isinstance(error, TimeoutError):
                raise UpstreamDown(f"the embedded store was not ready within {deadline:.0f} s") from None
            raise
        return started

    async def close(self) -> None:
        """Let go of the lifeline, upon which the supervisor ends the store, and wait for that."""
        self._let_go()
        await asyncio.to_thread(self._process.wait)

    async def _ready(self) -> None:
        ended = asyncio.create_task(self.ended.wait())
        answers = asyncio.create_task(self._answers())
        try:
            await asyncio.wait({ended, answers}, return_when=asyncio.FIRST_COMPLETED)
            if not answers.done():
                raise UpstreamDown(f"the embedded store has ended: {await asyncio.to_thread(self._last_words)}")
        finally:
            ended.cancel()
            answers.cancel()

    async def _answers(self) -> None:
        pause = _POLL_FIRST
        headers = [(b"host", self.upstream.endpoint.removeprefix("http://").encode())]
        while True:
            try:
                async with Exchange(self.upstream.endpoint, "GET", b"/healthz", headers) as answer:
                    if answer.status == 200:
                        return
            except UpstreamDown:
                pass
            await asyncio.sleep(pause)
            pause = min(pause * 1.5, _POLL_LAST)

    def _last_words(self) -> str:
        try:
            status = self._process.wait(timeout=1)
            said = (self._folder / "output").read_bytes()[-_TOLD:].decode(errors="replace").strip()
        except (OSError, subprocess.TimeoutExpired) as error:
            return str(error)
        return f"status {status}: {said}"

    def _on_end(self) -> None:
        """The supervisor never writes: all that can be read is the end of it."""
        self._let_go()
        self._process.poll()

    def _let_go(self) -> None:
        if not self.ended.is_set():
            self.ended.set()
            self._loop.remove_reader(self._lifeline.fileno())
            self._lifeline.close()


def _spawn(folder: Path, weed: Path) -> tuple[subprocess.Popen[bytes], socket.socket, Upstream]:
    access_key_id, secret_access_key = _seaweed.prepare(folder)
    ports = _seaweed.free_ports()
    command = _seaweed.command(weed, folder, ports)
    leftovers = os.pathsep.join(_seaweed.sockets(ports))
    ours, theirs = socket.socketpair()
    with theirs:
        try:
            process = subprocess.Popen(
                [sys.executable, "-I", "-S", str(_SCRIPT), str(theirs.fileno()), str(folder), leftovers, *command],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                # Nothing of the server's: the store would take keys and settings from its variables.
                env={"HOME": str(folder), "PATH": os.defpath},
                pass_fds=[theirs.fileno()],
                start_new_session=True,
            )
        except BaseException:
            ours.close()
            raise
    endpoint = f"http://127.0.0.1:{ports.s3}"
    upstream = Upstream(
        endpoint=endpoint,
        access_key_id=access_key_id,
        secret_access_key=secret_access_key,
        sub_resources=_seaweed.SUB_RESOURCES,
    )
    return process, ours, upstream
