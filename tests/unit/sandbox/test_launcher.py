"""The contract of ``SandboxLauncher`` and ``Sandbox``, at every level."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lamina.sandbox import Bind, Exit, Limits, SandboxSpec, SandboxUnavailable

SLEEP = "import time; print('ready'); time.sleep(60)"
TICK = "import time, os; os.fork()\nwhile True: os.write(1, b'.'); time.sleep(0.002)"


async def test_a_program_writes_and_ends(inside: Any) -> None:
    ended = await inside.run("import sys; print('out'); print('err', file=sys.stderr); sys.exit(3)")
    assert ended.output == "out\nerr\n"
    assert ended.exit == Exit(status=3)


async def test_a_signal_that_ended_it_is_told(inside: Any) -> None:
    ended = await inside.run("import os; os.kill(os.getpid(), 15)")
    assert ended.exit == Exit(signal=15)


async def test_its_environment_is_exactly_what_was_asked_for(inside: Any) -> None:
    ended = await inside.run("import os; print(os.environ['ONE'], 'HOME' in os.environ)", environment={"ONE": "1"})
    assert ended.output == "1 False\n"


async def test_it_reads_the_control_message_to_its_end(inside: Any) -> None:
    message = b"x" * 65_535
    ended = await inside.run("import os; print(len(open(3, 'rb').read()))", control=message)
    assert ended.output == "65535\n"


async def test_a_control_message_that_does_not_fit_is_refused(inside: Any) -> None:
    sandbox = await inside.start(SLEEP)
    with pytest.raises(ValueError, match="does not fit"):
        sandbox.send_control(bytes(65_536))
    sandbox.kill()
    await inside.end(sandbox)


async def test_a_control_message_to_a_program_that_has_ended_is_no_error(inside: Any) -> None:
    sandbox = await inside.start("")
    await sandbox.exited
    sandbox.send_control(b"too late")
    sandbox.close()


async def test_it_begins_in_its_working_directory_with_its_binds(inside: Any, tmp_path: Path) -> None:
    code = tmp_path / "code"
    code.mkdir()
    (code / "module.py").touch()
    ended = await inside.run("import os; print(os.listdir())", Bind(source=code, target="/var/task"),
                             working_directory="/var/task")  # fmt: skip
    assert ended.output == "['module.py']\n"


async def test_only_standard_descriptors_and_the_control_pipe_are_open(inside: Any) -> None:
    ended = await inside.run("import os; print(sorted(map(int, os.listdir('/proc/self/fd')))[:4], os.dup(0))")
    assert ended.output == "[0, 1, 2, 3] 4\n"


async def test_signals_are_as_a_program_expects_them(inside: Any) -> None:
    code = "print([line for line in open('/proc/self/status') if line.startswith('SigBlk')])"
    ended = await inside.run(f"{code}; import signal, subprocess as s; "
                             "print(s.run(['/bin/sh', '-c', 'kill -PIPE $$; kill -INT $$']).returncode)")  # fmt: skip
    assert ended.output.splitlines() == ["['SigBlk:\\t0000000000000000\\n']", "-13"]


async def test_it_reaches_the_listener_at_the_runtime_api(inside: Any) -> None:
    code = "import os, socket; host, port = os.environ['API'].split(':'); " \
           "socket.create_connection((host, int(port))).sendall(b'hello')"  # fmt: skip
    sandbox = await inside.start(code, environment={"API": "127.0.0.1:9001"})
    connection, _ = await asyncio.get_running_loop().sock_accept(sandbox.listener)
    with connection:
        connection.setblocking(False)
        assert await asyncio.get_running_loop().sock_recv(connection, 10) == b"hello"
    ended = await inside.end(sandbox)
    assert ended.exit == Exit(status=0)


async def test_specialising_brings_code_to_a_running_program(inside: Any, tmp_path: Path) -> None:
    code = tmp_path / "code"
    code.mkdir()
    (code / "data").write_text("the code")
    sandbox = await inside.start("import os; print(open(open(3).read() + '/data').read())")
    await sandbox.specialise((Bind(source=code, target="/var/task"),), Limits(memory_mb=256, tmp_mb=600))
    sandbox.send_control(b"/var/task")
    ended = await inside.end(sandbox)
    assert ended.output == "the code\n"


async def test_a_frozen_sandbox_stands_still_until_it_is_thawed(inside: Any) -> None:
    sandbox = await inside.start(TICK)
    await inside.read(sandbox, b"..")
    sandbox.freeze()
    await asyncio.sleep(0.05)
    drain(sandbox.output)
    await asyncio.sleep(0.05)
    assert drain(sandbox.output) == b""
    sandbox.thaw()
    assert await inside.read(sandbox, b"..")
    sandbox.kill()
    await inside.end(sandbox)


async def test_thawing_what_is_not_frozen_does_nothing(inside: Any) -> None:
    sandbox = await inside.start("print(input.__name__)")
    sandbox.thaw()
    ended = await inside.end(sandbox)
    assert ended.exit == Exit(status=0)


async def test_killing_ends_a_frozen_sandbox(inside: Any) -> None:
    sandbox = await inside.start(TICK)
    await inside.read(sandbox, b".")
    sandbox.freeze()
    sandbox.kill()
    assert await asyncio.wait_for(sandbox.exited, 5) == Exit(signal=9)
    sandbox.close()


async def test_killing_ends_children_that_left_their_session(inside: Any) -> None:
    code = "import os, time\nif os.fork() == 0: os.setsid()\nos.write(1, b'.'); time.sleep(60)"
    sandbox = await inside.start(code)
    await inside.read(sandbox, b"..")
    sandbox.kill()
    assert await inside.read(sandbox) == b""
    await inside.end(sandbox)


async def test_what_the_program_leaves_behind_ends_with_it(inside: Any) -> None:
    ended = await inside.run("import os, time\nif os.fork() == 0: os.setsid(); time.sleep(60)")
    assert ended.exit == Exit(status=0)


async def test_words_to_a_sandbox_that_has_ended_do_nothing(inside: Any) -> None:
    sandbox = await inside.start("")
    await sandbox.exited
    sandbox.freeze()
    sandbox.thaw()
    sandbox.kill()
    sandbox.close()
    sandbox.close()
    assert sandbox.max_memory_bytes() >= 0


async def test_memory_in_use_is_told_while_it_runs_and_after(inside: Any) -> None:
    sandbox = await inside.start("x = bytearray(50 << 20); print('ready'); open(3).read()")
    await inside.read(sandbox, b"ready")
    await until(lambda: sandbox.max_memory_bytes() >= 50 << 20)
    sandbox.send_control(b"")
    ended = await inside.end(sandbox)
    assert 50 << 20 <= ended.memory < 128 << 20


async def test_running_out_of_memory_ends_all_of_it(inside: Any) -> None:
    code = "import os, time\nfor _ in range(3):\n  if os.fork() == 0: x = bytearray(90 << 20); time.sleep(60)\n" \
           "time.sleep(60)"  # fmt: skip
    ended = await inside.run(code, limits=Limits(memory_mb=128))
    assert ended.exit == Exit(signal=9, out_of_memory=True)


@pytest.mark.parametrize(
    ("argv", "reason"),
    [
        (("/usr/bin/no-such-program",), "execute /usr/bin/no-such-program: No such file or directory"),
        (("/usr",), "execute /usr: Permission denied"),
    ],
)
async def test_a_program_that_cannot_be_executed_is_told_with_the_step(
    inside: Any, argv: tuple[str, ...], reason: str
) -> None:
    with pytest.raises(SandboxUnavailable, match=reason):
        await inside.launcher.start(SandboxSpec(argv=argv, environment={}, working_directory="/"))


async def test_a_bind_without_a_source_is_told(inside: Any, tmp_path: Path) -> None:
    with pytest.raises(SandboxUnavailable, match="nowhere: No such file or directory"):
        await inside.start(SLEEP, Bind(source=tmp_path / "nowhere", target="/var/task"))


async def test_many_start_at_once(inside: Any) -> None:
    ended = await asyncio.gather(*(inside.run(f"print({number})") for number in range(8)))
    assert [each.output for each in ended] == [f"{number}\n" for number in range(8)]


async def test_a_start_that_is_given_up_leaves_no_sandbox(inside: Any) -> None:
    task = asyncio.create_task(inside.start(SLEEP))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    ended = await inside.run("print('next')")
    assert ended.output == "next\n"


async def until(condition: Callable[[], bool]) -> None:
    """What is measured ten times a second has no event to wait for."""
    async with asyncio.timeout(5):
        while not condition():  # noqa: ASYNC110
            await asyncio.sleep(0.01)


def drain(descriptor: int) -> bytes:
    try:
        return os.read(descriptor, 1 << 20)
    except BlockingIOError:
        return b""
