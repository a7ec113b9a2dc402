"""An idle server loads neither the cipher nor boto3."""

from __future__ import annotations

import subprocess
import sys

PROGRAM = """
import asyncio, sys, time
from pathlib import Path
import lamina.kms as kms
from lamina.state import SqliteState

async def main():
    state = SqliteState.open(Path(sys.argv[1]))
    master = await kms.MasterKey.open(Path(sys.argv[1]), state)
    store = kms.KeyStore(state, master, lambda: int(time.time() * 1000))
    keys = kms.EmbeddedKms(store)
    vault = kms.Vault(master, keys)
    kms.SealedVariables(vault), kms.KmsApi(store).operations(), kms.RemoteKms("http://localhost:1")
    kms.SealedBlobs(Path(sys.argv[1]) / "sealed", kms.BlockingKeys(keys, asyncio.get_running_loop()))
    calendar = kms.Calendar(store)
    await calendar.start()
    await calendar.close()
    print(sorted({"boto3", "botocore", "cryptography"} & sys.modules.keys()))
    vault.seal_here(b"x", {})
    print("cryptography" in sys.modules)
    state.close()

asyncio.run(main())
"""


def test_what_is_heavy_waits_for_its_first_use(tmp_path: object) -> None:
    command = [sys.executable, "-c", PROGRAM, str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.split("\n")[:2] == ["[]", "True"]
