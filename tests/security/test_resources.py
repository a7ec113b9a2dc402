"""A function that takes all it can get takes it from itself."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from lamina.sandbox import Exit


async def test_a_fork_bomb_runs_into_the_limit_and_can_be_killed(prison: Any) -> None:
    sandbox = await prison.start(
        """
        import time
        while True:
            try:
                if os.fork() == 0:
                    time.sleep(60)
            except OSError as error:
                print(errno.errorcode[error.errno])
                break
        while True:
            try:
                os.fork()
            except OSError:
                pass
        """,
        processes=40,
        memory_mb=256,
    )
    assert await prison.read(sandbox, 7) == b"EAGAIN\n"
    other = await prison.run("print('others go on')")
    assert other == ["others go on"]
    sandbox.kill()
    assert await asyncio.wait_for(sandbox.exited, 10) == Exit(signal=9)
    sandbox.close()


async def test_the_limit_of_processes_is_exact(prison: Any) -> None:
    lines = await prison.run(
        """
        started = 0
        try:
            while True:
                child = os.fork()
                if child == 0:
                    import time; time.sleep(60)
                started += 1
        except OSError:
            print(started + 1)
        """,
        processes=20,
    )
    assert lines == ["20"]


async def test_a_memory_bomb_ends_only_itself(prison: Any) -> None:
    sandbox = await prison.start("""
        blocks = []
        try:
            while True:
                blocks.append(bytearray(8 << 20))
        except MemoryError:
            print("MemoryError")
    """)
    lines, ended = await prison.end(sandbox)
    if prison.level == "A":
        assert ended == Exit(signal=9, out_of_memory=True)
    else:
        assert lines == ["MemoryError"]


async def test_memory_cannot_be_hidden_in_other_processes(prison: Any) -> None:
    sandbox = await prison.start("""
        import time
        for _ in range(8):
            if os.fork() == 0:
                block = bytearray(60 << 20)
                time.sleep(60)
        time.sleep(60)
    """)
    _, ended = await prison.end(sandbox)
    assert ended == Exit(signal=9, out_of_memory=True)


@pytest.mark.slow
async def test_a_full_tmp_is_an_error_and_not_the_end(prison: Any) -> None:
    lines = await prison.run("""
        block = bytes(1 << 20)
        with open("/tmp/file", "wb", 0) as file:
            try:
                for written in range(1000):
                    file.write(block)
            except OSError as error:
                print(errno.errorcode[error.errno], 500 <= written <= 560)
        os.unlink("/tmp/file")
        open("/tmp/small", "w").write("x")
        print("goes on")
    """)
    assert lines == ["ENOSPC True", "goes on"]


async def test_descriptors_run_out_at_the_limit(prison: Any) -> None:
    lines = await prison.run("""
        opened = []
        try:
            while True:
                opened.append(os.open("/dev/null", 0))
        except OSError as error:
            print(errno.errorcode[error.errno], opened[-1] + 1)
    """)
    assert lines == ["EMFILE 1024"]


async def test_limits_cannot_be_raised_again(prison: Any) -> None:
    lines = await prison.run("""
        import resource
        for kind in (resource.RLIMIT_NOFILE, resource.RLIMIT_NPROC, resource.RLIMIT_CORE):
            try:
                resource.setrlimit(kind, (4096, 4096))
                print("raised", kind)
            except ValueError:
                print("refused")
    """)
    assert lines == ["refused"] * 3


async def test_one_who_writes_without_end_waits_and_can_be_killed(prison: Any) -> None:
    sandbox = await prison.start("while True: os.write(1, bytes(65536))")
    await prison.read(sandbox, 1 << 20)
    sandbox.kill()
    assert await asyncio.wait_for(sandbox.exited, 10) == Exit(signal=9)
    sandbox.close()
