"""A load generator in a process of its own: N connections that each send as soon as they have an answer."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import cast

import uvloop


class Caller(asyncio.Protocol):
    """One connection; answers of a fixed request have one length, learned from the first."""

    def __init__(self, request: bytes) -> None:
        self._request = request
        self._expected = 0
        self._data = b""
        self.answers = 0
        self.failures = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Send the first request."""
        self._transport = cast("asyncio.Transport", transport)
        self._transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        """Count an answer when it is whole, and send again."""
        self._data += data
        head, found, body = self._data.partition(b"\r\n\r\n")
        if not found:
            return
        length = int(head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0] or 0)
        if len(body) < length:
            return
        self.answers += 1
        self.failures += not head.startswith(b"HTTP/1.1 200") or b"x-amz-function-error" in head.lower()
        self._data = b""
        self._transport.write(self._request)


async def run(host: str, port: int, request: bytes, callers: int, seconds: float) -> tuple[int, int]:
    """Load for a while: answers and failures."""
    loop = asyncio.get_running_loop()
    protocols = []
    for _ in range(callers):
        _transport, protocol = await loop.create_connection(lambda: Caller(request), host, port)
        protocols.append(protocol)
    await asyncio.sleep(seconds)
    return sum(each.answers for each in protocols), sum(each.failures for each in protocols)


def rate(port: int, request: bytes, callers: int, seconds: float) -> float:
    """Requests a second that a server answers. Raises when an answer is not a success."""
    with NamedTemporaryFile() as file:
        file.write(request)
        file.flush()
        command = [sys.executable, "-m", "bench._load", str(port), file.name, str(callers), str(seconds)]
        answer = subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()
    answers, failures = int(answer[0]), int(answer[1])
    if failures or not answers:
        raise RuntimeError(f"{failures} of {answers} answers were failures")
    return answers / seconds


if __name__ == "__main__":
    port_, file_, callers_, seconds_ = sys.argv[1:]
    request_ = Path(file_).read_bytes()
    print(*uvloop.run(run("127.0.0.1", int(port_), request_, int(callers_), float(seconds_))))
