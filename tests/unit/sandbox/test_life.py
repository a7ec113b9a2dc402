"""Who ends what, when one of server, launcher and sandbox dies."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from lamina.sandbox import Bind, Exit, Launcher, SandboxSpec, SandboxUnavailable

SERVER = """
import asyncio, sys
from pathlib import Path
from lamina.sandbox import Launcher, SandboxSpec

async def main():
    launcher = await Launcher.open(Path(sys.argv[1]), sys.argv[2])
    spec = SandboxSpec(argv=("/bin/sleep", "60"), environment={}, working_directory="/")
    sandboxes = [await launcher.start(spec) for _ in range(2)]
    sandboxes[0].freeze()
    print(launcher._connection._process.pid, flush=True)
    await asyncio.sleep(60)

asyncio.run(main())
"""
SLEEP = SandboxSpec(argv=("/bin/sleep", "60"), environment={}, working_directory="/")


def process_of(launcher: Launcher) -> int:
    connection = launcher._connection
    assert connection is not None
    return connection._process.pid


def below(pid: int) -> list[int]:
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [found for child in map(int, children) for found in (child, *below(child))]


def begin_server(directory: Path, level: str) -> subprocess.Popen[bytes]:
    argv = [sys.executable, "-c", SERVER, str(directory), level]
    return subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)


async def gone(pids: list[int]) -> None:
    """Wait until none of ``pids`` runs."""
    async with asyncio.timeout(10):
        for descriptor in [os.pidfd_open(pid) for pid in pids if Path(f"/proc/{pid}").exists()]:
            ended = asyncio.Event()
            asyncio.get_running_loop().add_reader(descriptor, ended.set)
            await ended.wait()
            asyncio.get_running_loop().remove_reader(descriptor)
            os.close(descriptor)


def groups_named(part: str) -> list[str]:
    """Unlike ``rglob``, ``walk`` does not mind that others make and remove groups meanwhile."""
    names = (name for _, directories, _ in os.walk("/sys/fs/cgroup") for name in directories)
    return [name for name in names if name.startswith("lamina-") and name.endswith(part)]


@pytest.mark.parametrize("level", ["A", "B", "E"])
async def test_a_server_killed_at_once_leaves_nothing(tmp_path: Path, level: str) -> None:
    server = begin_server(tmp_path, level)
    assert server.stdout is not None
    line = await asyncio.to_thread(server.stdout.readline)
    server.stdout.close()
    if not line:
        server.wait()
        pytest.skip(f"level {level} is not possible here")
    processes = [int(line), *below(int(line))]
    server.kill()
    server.wait()
    await gone(processes)
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(("groups", "plain"))] == []
    assert groups_named(f"-{int(line)}") == []
    assert str(tmp_path) not in Path("/proc/self/mountinfo").read_text()


async def test_a_killed_launcher_takes_its_sandboxes_along_and_is_replaced(inside: Any) -> None:
    launcher = inside.launcher
    first = await launcher.start(SLEEP)
    processes = below(process_of(launcher))
    os.kill(process_of(launcher), signal.SIGKILL)
    assert await asyncio.wait_for(first.exited, 5) == Exit(signal=9)
    first.close()
    await gone(processes)
    ended = await inside.run("print('again')")
    assert ended.output == "again\n"


async def test_what_a_killed_launcher_left_is_removed_by_the_next(inside: Any) -> None:
    if inside.launcher.level != "A":
        pytest.skip("only control groups outlive a launcher")
    sandbox = await inside.launcher.start(SLEEP)
    old = process_of(inside.launcher)
    os.kill(old, signal.SIGKILL)
    await asyncio.to_thread(lambda: inside.launcher._connection._process.wait())
    assert groups_named(f"-{old}")
    await inside.run("")
    assert not groups_named(f"-{old}")
    sandbox.close()


async def test_the_groups_of_another_running_launcher_stay(inside: Any, tmp_path: Path) -> None:
    if inside.launcher.level != "A":
        pytest.skip("only level A has control groups")
    sandbox = await inside.launcher.start(SLEEP)
    other = await Launcher.open(tmp_path, "A", spares=0)
    assert groups_named(f"-{process_of(inside.launcher)}")
    assert not sandbox.exited.done()
    await other.close()
    sandbox.kill()
    await sandbox.exited
    sandbox.close()


async def test_closing_the_launcher_ends_what_runs(inside: Any) -> None:
    sandbox = await inside.launcher.start(SLEEP)
    processes = [process_of(inside.launcher), *below(process_of(inside.launcher))]
    await inside.launcher.close()
    await gone(processes)
    assert await sandbox.exited == Exit(signal=9)
    with pytest.raises(SandboxUnavailable):
        await inside.launcher.start(SLEEP)
    sandbox.close()


async def test_an_interrupt_from_the_terminal_does_not_reach_the_launcher(inside: Any) -> None:
    assert os.getsid(process_of(inside.launcher)) != os.getsid(0)


async def test_what_is_no_message_is_refused_and_harms_nobody(inside: Any) -> None:
    connection = inside.launcher._connection
    for packet in (b"\xff\xfe", b"[]", b"{}", b'{"operation":"fork"}', b'{"operation":"kill","sandbox":"../x"}'):
        connection._socket.send(packet)
    with pytest.raises(SandboxUnavailable, match="there is no sandbox"):
        await connection.request("specialise", sandbox="none", binds=[], limits={
            "memory_mb": 1, "tmp_mb": 1, "processes": 1, "open_files": 1})  # fmt: skip
    ended = await inside.run("print('still here')")
    assert ended.output == "still here\n"


async def test_descriptors_do_not_pile_up(inside: Any, tmp_path: Path) -> None:
    async def count() -> tuple[int, int]:
        for _ in range(3):
            await inside.run("", Bind(source=tmp_path, target="/var/task"))
        with pytest.raises(SandboxUnavailable):
            await inside.launcher.start(SandboxSpec(argv=("/none",), environment={}, working_directory="/"))
        await inside.run("")
        launcher = process_of(inside.launcher)
        return len(list(Path("/proc/self/fd").iterdir())), len(list(Path(f"/proc/{launcher}/fd").iterdir()))

    tmp_path.chmod(0o755)
    await count()
    before = await count()
    after = await count()
    assert after[0] <= before[0]
    # Spares come and go.
    assert abs(after[1] - before[1]) <= 12


async def test_sandboxes_without_spares_start_as_well(open_launcher: Any) -> None:
    launcher = await open_launcher(spares=0)
    sandbox = await launcher.start(SandboxSpec(argv=("/bin/true",), environment={}, working_directory="/"))
    assert await sandbox.exited == Exit(status=0)
    sandbox.close()


async def test_a_pinned_level_that_is_not_possible_is_one_clear_line(tmp_path: Path) -> None:
    if os.geteuid() == 0:
        pytest.skip("root may do everything")
    with pytest.raises(SandboxUnavailable, match="isolation A is not possible here"):
        await Launcher.open(tmp_path, "A")


async def test_an_isolation_that_does_not_exist_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SandboxUnavailable, match="must be auto"):
        await Launcher.open(tmp_path, "Z")


async def test_a_cpu_quota_follows_from_the_memory(tmp_path: Path) -> None:
    try:
        launcher = await Launcher.open(tmp_path, "A", spares=0, cpu_quota=True)
    except SandboxUnavailable as error:
        pytest.skip(str(error))
    spec = SandboxSpec(argv=("/bin/sh", "-c", "while :; do :; done"), environment={}, working_directory="/")
    sandbox = await launcher.start(spec)
    before = os.times()
    await asyncio.sleep(0.6)
    sandbox.kill()
    await sandbox.exited
    sandbox.close()
    await launcher.close()
    after = os.times()
    # 128 MB are 0.07 CPUs; the launcher's own start is in it as well.
    assert after.children_user - before.children_user < 0.3


async def test_a_disk_that_was_being_formatted_when_all_was_killed_is_removed(tmp_path: Path) -> None:
    ended = await asyncio.create_subprocess_exec("/bin/true")
    await ended.wait()
    left, alive = tmp_path / f"disk-64.ext4.{ended.pid}", tmp_path / f"disk-64.ext4.{os.getpid()}"
    left.touch()
    alive.touch()
    launcher = await Launcher.open(tmp_path)
    level = launcher.level
    await launcher.close()
    if level != "A":
        pytest.skip("at this level there are no such disks")
    assert not left.exists()
    assert alive.exists()
