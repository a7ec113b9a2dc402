"""Programs of another architecture."""

from __future__ import annotations

import asyncio
import stat
import struct
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from lamina.sandbox import Bind, Capability, Exit, Report, SandboxSpec, SandboxUnavailable, native_architecture
from lamina.sandbox import _foreign as foreign
from tests._image_trees import CROSS_COMPILER, compiled, opened, system_layer

BINFMT = Path("/proc/sys/fs/binfmt_misc")
MACHINE = """
#include <stdio.h>
#include <sys/utsname.h>
int main(int count, char **words) {
    struct utsname names;
    uname(&names);
    printf("%s %s %d\\n", names.machine, words[0], count);
    return 7;
}
"""
FOREIGN = next(iter(foreign.foreign()))


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with ``machine``, a static program for arm64."""
    if native_architecture() != "x86_64":
        pytest.skip("this machine is not x86_64")
    folder = tmp_path_factory.mktemp("arm64")
    for parent in (folder, folder.parent):
        parent.chmod(0o755)
    compiled(MACHINE, folder / "bin/machine", CROSS_COMPILER)
    return opened(folder)


@pytest.fixture
def emulating(isolated: Any) -> Any:
    """Sandboxes on a machine that emulates."""
    lacking = isolated.launcher.report.lack(FOREIGN)
    if lacking:
        pytest.skip(lacking)
    return isolated


@pytest.fixture(autouse=True)
def nothing_of_the_host_changes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    program = tmp_path_factory.mktemp("host") / "sample"
    program.write_bytes(foreign.sample(FOREIGN))
    program.chmod(0o755)
    before = sorted(BINFMT.iterdir()), runs(program)
    yield
    assert (sorted(BINFMT.iterdir()), runs(program)) == before


def runs(program: Path) -> bool:
    """Whether this machine itself runs the program."""
    try:
        return subprocess.run([program], check=False, stdout=subprocess.DEVNULL).returncode in (0, 7)
    except OSError:
        return False


def spec(*binds: Bind, **members: Any) -> SandboxSpec:
    return SandboxSpec(argv=("/bin/machine",), environment={}, binds=binds, working_directory="/", **members)


async def run(inside: Any, order: SandboxSpec) -> Any:
    sandbox = await inside.launcher.start(order)
    return await inside.end(sandbox)


async def test_a_program_in_an_image_runs_and_sees_its_own_machine(emulating: Any, machine: Path) -> None:
    ended = await run(emulating, spec(root=(machine,), architecture="arm64"))
    assert ended.output == "aarch64 /bin/machine 1\n"
    assert ended.exit == Exit(status=7)


async def test_a_program_beside_the_hosts_own_runs_too(emulating: Any, machine: Path) -> None:
    order = SandboxSpec(argv=("/bin/sh", "-c", "uname -m; exec /var/task/machine a b"), environment={},
                        binds=(Bind(source=machine / "bin", target="/var/task"),), architecture="arm64")  # fmt: skip
    assert (await run(emulating, order)).output == "x86_64\naarch64 /var/task/machine 3\n"


async def test_elsewhere_such_a_program_is_none(emulating: Any, machine: Path) -> None:
    if runs(machine / "bin/machine"):
        pytest.skip("this machine has an emulator registered for everybody")
    await run(emulating, spec(root=(machine,), architecture="arm64"))
    with pytest.raises(SandboxUnavailable, match="Exec format error"):
        await emulating.launcher.start(spec(root=(machine,)))
    with pytest.raises(SandboxUnavailable, match="Exec format error"):
        await emulating.launcher.start(spec(root=(machine,), architecture="x86_64"))


async def test_it_has_no_rights_and_the_filter_of_all_others(emulating: Any, tmp_path: Path) -> None:
    root = system_layer(tmp_path / "root", "/usr/bin/grep", "/usr/bin/id")
    for parent in (tmp_path, tmp_path.parent):
        parent.chmod(0o755)
    script = "grep -E '^(Cap|NoNewPrivs|Seccomp:)' /proc/self/status; id -u; ls /proc/sys/fs/binfmt_misc 2>/dev/null"
    order = SandboxSpec(argv=("/bin/sh", "-c", script), environment={"PATH": "/usr/bin:/bin"}, root=(root,),
                        working_directory="/", architecture="arm64")  # fmt: skip
    *status, user = (await run(emulating, order)).output.split("\n")[:-1]
    assert {line.split()[1] for line in status if line.startswith("Cap")} == {"0000000000000000"}
    assert [line.split()[1] for line in status if not line.startswith("Cap")] == ["1", "2"]
    assert user != "0"


async def test_it_can_be_stopped_and_killed(emulating: Any, tmp_path: Path) -> None:
    for parent in (tmp_path, tmp_path.parent):
        parent.chmod(0o755)
    source = '#include <unistd.h>\nint main(void) { for (;;) { write(1, ".", 1); usleep(2000); } }'
    compiled(source, tmp_path / "root/bin/machine", CROSS_COMPILER)
    sandbox = await emulating.launcher.start(spec(root=(opened(tmp_path / "root"),), architecture="arm64"))
    await emulating.read(sandbox, b"..")
    sandbox.freeze()
    sandbox.thaw()
    await emulating.read(sandbox, b"..")
    sandbox.kill()
    assert await asyncio.wait_for(sandbox.exited, 5) == Exit(signal=9)
    sandbox.close()


async def test_level_e_says_that_it_needs_isolation(inside: Any, machine: Path) -> None:
    if inside.launcher.level != "E":
        pytest.skip("of the other levels")
    assert "need isolation level A or B" in inside.launcher.report.lack("arm64")
    with pytest.raises(SandboxUnavailable, match="need isolation level A or B"):
        await inside.launcher.start(spec(Bind(source=machine, target="/var/task"), architecture="arm64"))


async def test_what_the_start_up_found_missing_is_told_with_its_remedy(open_launcher: Any) -> None:
    launcher = await open_launcher()
    assert launcher.report.lack(native_architecture()) == ""
    missing = Capability(name="foreign architecture", works=False, reason="no qemu", remedy="get qemu", needed_for=())
    assert Report(level="A", capabilities=(missing,)).lack(FOREIGN) == "no qemu (get qemu)"


@pytest.mark.parametrize("architecture", ["x86_64", "arm64"])
def test_the_sample_is_a_program(architecture: str, tmp_path: Path) -> None:
    program = tmp_path / "sample"
    program.write_bytes(foreign.sample(architecture))
    program.chmod(0o755)
    emulator = [] if architecture == native_architecture() else [foreign.interpreter(architecture)]
    assert subprocess.run([*emulator, program], check=False).returncode == 0


def test_an_emulator_that_needs_libraries_of_the_host_is_not_taken(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(foreign, "DIRECTORIES", (str(tmp_path),))
    emulator = tmp_path / f"qemu-{foreign.ARCHITECTURES[FOREIGN][0]}"
    emulator.write_bytes(elf(3))
    emulator.chmod(0o755)
    with pytest.raises(OSError, match="statically linked"):
        foreign.interpreter(FOREIGN)
    emulator.write_bytes(elf(1))
    assert foreign.interpreter(FOREIGN) == str(emulator)


@pytest.mark.parametrize("content", [b"", b"#!/bin/sh\n", b"\x7fELF\x01" + bytes(80)])
def test_what_is_no_program_is_no_emulator(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, content: bytes) -> None:
    monkeypatch.setattr(foreign, "DIRECTORIES", (str(tmp_path),))
    emulator = tmp_path / f"qemu-{foreign.ARCHITECTURES[FOREIGN][0]}-static"
    emulator.write_bytes(content)
    emulator.chmod(stat.S_IRWXU)
    with pytest.raises(OSError, match="no qemu"):
        foreign.interpreter(FOREIGN)


def elf(segment: int) -> bytes:
    """The head of a program with one segment of this type."""
    header = struct.pack("<HHIQQQIHHHHHH", 2, 62, 1, 0, 64, 0, 0, 64, 56, 1, 0, 0, 0)
    return b"\x7fELF\x02\x01\x01" + bytes(9) + header + struct.pack("<I", segment) + bytes(52)
