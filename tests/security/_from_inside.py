"""Runs programs in sandboxes and tells what they printed: ``python -m tests.security._from_inside <data> <level>``.

It is a process of its own because a launcher belongs to the network namespace in which it was started. The programs
come as a JSON list on standard input, line by line, and so do the answers: for each program the lines that it printed.
With another program ``beside`` it, which prints one line first, that line stands for ``PEER`` in the program.
"""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path

from lamina.sandbox import Launcher, SandboxUnavailable

from .conftest import Prison


async def run(prison: Prison, network: str, code: str, beside: str) -> list[str]:
    """The lines that ``code`` prints."""
    prison.network = network
    if not beside:
        return await prison.run(code)
    other = await prison.start(beside)
    peer = (await prison.read(other, 2)).decode().strip()
    lines = await prison.run(code.replace("PEER", peer))
    other.kill()
    await prison.end(other)
    return lines


async def main(data: Path, isolation: str, allow: tuple[str, ...]) -> None:
    """Answer until standard input ends."""
    try:
        launcher = await Launcher.open(data, isolation, network="egress", egress_allow=allow)
    except SandboxUnavailable as error:
        print(json.dumps({"unavailable": str(error)}), flush=True)
        return
    print(json.dumps({"level": launcher.level}), flush=True)
    prison = Prison(launcher, ())
    try:
        while line := await asyncio.to_thread(sys.stdin.readline):
            request = json.loads(line)
            print(json.dumps(await run(prison, **request)), flush=True)
    finally:
        await launcher.close()


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), sys.argv[2], tuple(sys.argv[3:])))
