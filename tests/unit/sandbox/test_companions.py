"""Programs that run beside the one of a sandbox, at every level."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import Any

import pytest

from lamina.sandbox import Bind, Companions, Exit, ProgramUnavailable, SandboxSpec

DIRECTORY = "/opt/extensions"
BESIDE = Companions(directory=DIRECTORY, environment={"WHO": "beside", "PATH": "/usr/bin:/bin"})


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "extensions"
    made.mkdir()
    return made


def put(folder: Path, name: str, script: str, mode: int = 0o755) -> None:
    path = folder / name
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(mode)


async def start(inside: Any, folder: Path, script: str) -> Any:
    environment = {"PATH": "/usr/bin:/bin", "WHO": "program"}
    return await inside.launcher.start(
        SandboxSpec(argv=("/bin/sh", "-c", script), environment=environment, working_directory="/",
                    binds=(Bind(source=folder, target=DIRECTORY),), companions=BESIDE)
    )  # fmt: skip


async def read(inside: Any, descriptor: int, until: bytes) -> bytes:
    output = b""
    while until not in output:
        output += await asyncio.wait_for(inside._chunk(descriptor), 20)
    return output


async def finish(sandbox: Any) -> Exit:
    ended = await asyncio.wait_for(sandbox.exited, 20)
    sandbox.close()
    return ended


async def test_they_run_before_the_program_with_their_own_environment_and_output(inside: Any, folder: Path) -> None:
    put(folder, "one", "echo $WHO ${0##*/} $PWD; exec sleep 60")
    sandbox = await start(inside, folder, "echo $WHO; exit 5")
    assert await read(inside, sandbox.beside.output, b"\n") == b"beside one /\n"
    assert set(sandbox.beside.ended) == {"one"}
    with pytest.raises(BlockingIOError):
        os.read(sandbox.output, 10)
    await sandbox.run()
    assert await read(inside, sandbox.output, b"\n") == b"program\n"
    assert await asyncio.wait_for(sandbox.beside.program, 20) == Exit(status=5)
    assert not sandbox.exited.done()
    sandbox.kill()
    await finish(sandbox)
    assert sandbox.beside.ended["one"].result().signal == 9


async def test_the_sandbox_ends_with_the_last_of_them_and_as_the_program_did(inside: Any, folder: Path) -> None:
    put(folder, "one", "until [ -e ${TMPDIR:-/tmp}/go ]; do sleep 0.02; done; exit 3")
    sandbox = await start(inside, folder, "touch ${TMPDIR:-/tmp}/go; exit 5")
    await sandbox.run()
    ended = await finish(sandbox)
    assert sandbox.beside.program.result() == Exit(status=5)
    assert ended == Exit(status=5)


async def test_the_end_of_one_is_told_before_the_program_runs(inside: Any, folder: Path) -> None:
    put(folder, "one", "exit 3")
    put(folder, "two", "exec sleep 60")
    sandbox = await start(inside, folder, "exec sleep 60")
    assert await asyncio.wait_for(sandbox.beside.ended["one"], 20) == Exit(status=3)
    await sandbox.run()
    assert not sandbox.beside.ended["two"].done()
    sandbox.kill()
    await finish(sandbox)


async def test_one_that_cannot_be_started_is_refused(inside: Any, folder: Path) -> None:
    put(folder, "closed", "exit 0", 0o644)
    sandbox = await start(inside, folder, "exit 0")
    (step, path, number) = sandbox.beside.refused["closed"]
    assert (step.split()[0], number) == ("execute", 13)
    assert path.endswith("/extensions/closed")
    sandbox.kill()
    await finish(sandbox)


async def test_a_program_that_is_not_there_is_told_when_it_is_to_run(inside: Any, folder: Path) -> None:
    put(folder, "one", "exec sleep 60")
    spec = SandboxSpec(argv=("/none",), environment={}, working_directory="/",
                       binds=(Bind(source=folder, target=DIRECTORY),), companions=BESIDE)  # fmt: skip
    sandbox = await inside.launcher.start(spec)
    with pytest.raises(ProgramUnavailable) as refused:
        await sandbox.run()
    assert refused.value.path == "/none"
    await finish(sandbox)


@pytest.mark.parametrize("there", [True, False])
async def test_without_any_the_program_runs_at_once(inside: Any, folder: Path, there: bool) -> None:
    binds = (Bind(source=folder, target=DIRECTORY),) if there else ()
    spec = SandboxSpec(argv=("/bin/sh", "-c", "exit 4"), environment={}, working_directory="/",
                       binds=binds, companions=BESIDE)  # fmt: skip
    sandbox = await inside.launcher.start(spec)
    assert sandbox.beside is None
    assert await finish(sandbox) == Exit(status=4)


@pytest.mark.parametrize("beside", [True, False])
async def test_a_program_is_asked_to_end(inside: Any, folder: Path, beside: bool) -> None:
    if beside:
        put(folder, "one", "trap 'exit 1' TERM; sleep 60 & wait")
    sandbox = await start(inside, folder, "trap 'echo asked; exit 6' TERM; echo ready; sleep 60 & wait")
    if beside:
        await sandbox.run()
    await read(inside, sandbox.output, b"ready\n")
    sandbox.terminate()
    await read(inside, sandbox.output, b"asked\n")
    if beside:
        assert await asyncio.wait_for(sandbox.beside.program, 20) == Exit(status=6)
        assert not sandbox.beside.ended["one"].done()
        sandbox.kill()
    assert await finish(sandbox) == Exit(status=6)


async def test_the_server_connects_to_a_port_inside(inside: Any) -> None:
    sandbox = await inside.start(
        "import socket; s = socket.create_server(('127.0.0.1', 0)); print(s.getsockname()[1]);"
        "c, _ = s.accept(); print(c.recv(100).decode())"
    )
    port = int(await inside.read(sandbox, b"\n"))
    with await sandbox.connect(port) as connection:
        await asyncio.get_running_loop().sock_sendall(connection, b"hello inside")
    assert (await inside.end(sandbox)).output == "hello inside\n"


async def test_a_port_at_which_nobody_listens_is_refused(inside: Any) -> None:
    sandbox = await inside.start("import time; time.sleep(60)")
    with pytest.raises(ConnectionRefusedError):
        await sandbox.connect(1)
    sandbox.kill()
    await inside.end(sandbox)
    with pytest.raises(OSError, match="no sandbox"):
        await sandbox.connect(1)
