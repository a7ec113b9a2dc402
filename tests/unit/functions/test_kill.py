"""kill -9 in the middle of updates: what was acknowledged is there, and the node starts."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
from base64 import b64decode
from pathlib import Path

import pytest

from lamina.state import SqliteState
from tests.unit.functions.world import World, sha

ROOT = Path(__file__).parents[3]

UPDATES = """
import asyncio, sys
from pathlib import Path
from lamina.state import SqliteState
from tests.unit.functions.world import World

async def main():
    world = World(SqliteState.open(Path(sys.argv[1])))
    await world.functions.deployments.recover()
    try:
        await world.get()
    except Exception:
        await world.create(code=b"0")
    number = int(sys.argv[2])
    while True:
        number += 1
        await world.begin("UpdateFunctionCode", FunctionName="f", ZipFile=b"%d" % number, Publish=number % 2 == 0)
        print(number, flush=True)
        await world.functions.deployments.idle()

asyncio.run(main())
"""


@pytest.mark.slow
def test_killed_at_any_moment(tmp_path: Path) -> None:
    acknowledged = 0
    for turn in range(8):
        command = [sys.executable, "-c", UPDATES, str(tmp_path), str(acknowledged)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT) as process:
            assert process.stdout is not None
            acknowledged = int(process.stdout.readline())
            time.sleep(0.02 + 0.007 * turn)
            process.kill()
            acknowledged = max([acknowledged, *(int(line) for line in process.stdout)])
        asyncio.run(_check(tmp_path, acknowledged))


async def _check(directory: Path, acknowledged: int) -> None:
    state = SqliteState.open(directory)
    world = World(state)
    await world.functions.deployments.recover()
    shown = await world.get()
    assert (shown["State"], shown["LastUpdateStatus"]) == ("Active", "Successful")
    # An update may have been committed without anybody having been told.
    assert shown["CodeSha256"] in {sha(b"%d" % number) for number in (acknowledged, acknowledged + 1)}
    serving = (await world.route()).targets[0][1]
    assert bytes.fromhex(serving.package) == b64decode(shown["CodeSha256"])
    state.close()
