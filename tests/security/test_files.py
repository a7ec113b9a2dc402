"""Promise 5: functions cannot reach files that are not theirs."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

import pytest

from lamina.sandbox import Bind


def directory(path: Path) -> Path:
    path.mkdir(mode=0o755)
    path.parent.chmod(0o755)
    return path


async def test_the_data_directory_of_the_server_does_not_exist_inside(prison: Any, tmp_path: Path) -> None:
    secret = tmp_path / "data" / "state.db"
    secret.write_text("secret")
    secret.chmod(0o666)
    assert await prison.run(f"attempt(lambda: open({str(secret)!r}))") == ["ENOENT"]


@pytest.mark.parametrize("path", ["/root", "/home", "/etc/shadow", "/var/lib", "/sys", "/boot", "/dev/shm", "/mnt"])
async def test_the_rest_of_the_host_does_not_exist_inside(prison: Any, path: str) -> None:
    assert await prison.run(f"attempt(lambda: os.stat({path!r}))") == ["ENOENT"]


async def test_no_path_leads_above_the_root(prison: Any) -> None:
    lines = await prison.run("""
        print(sorted(os.listdir("/../../..")) == sorted(os.listdir("/")), os.path.exists("/../../root"))
        attempt(lambda: os.chroot("/tmp"))
    """)
    assert lines == ["True False", "EPERM"]


async def test_what_one_writes_to_tmp_no_other_sees(prison: Any) -> None:
    first = await prison.start("open('/tmp/secret', 'w').write('x'); print('written'); open(3).read()")
    await prison.read(first, 7)
    assert await prison.run("print(os.listdir('/tmp'))") == ["[]"]
    first.kill()
    await prison.end(first)


async def test_a_fresh_tmp_has_nothing_of_a_former_one(prison: Any) -> None:
    for _ in range(3):
        assert await prison.run("print(os.listdir('/tmp')); open('/tmp/left', 'w')") == ["[]"]


async def test_the_code_of_one_does_not_exist_for_another(prison: Any, tmp_path: Path) -> None:
    code = directory(tmp_path / "code")
    (code / "module.py").touch()
    first = await prison.start("print(os.listdir('/var/task')); open(3).read()", Bind(source=code, target="/var/task"))
    assert b"module.py" in await prison.read(first, 14)
    assert await prison.run("print(os.listdir('/var/task'))") == ["[]"]
    first.kill()
    await prison.end(first)


@pytest.mark.parametrize(
    "path",
    [
        "/x",
        "/usr/x",
        "/etc/x",
        "/opt/x",
        "/var/x",
        "/var/lang/x",
        "/var/runtime/x",
        "/run/x",
        "/run/identity/x",
        "/dev/x",
    ],
)
async def test_nothing_but_tmp_can_be_written(prison: Any, path: str) -> None:
    assert await prison.run(f"attempt(lambda: open({path!r}, 'w'))") == ["EROFS"]


async def test_code_cannot_be_changed_even_where_its_mode_allows_it(prison: Any, tmp_path: Path) -> None:
    code = directory(tmp_path / "code")
    code.chmod(0o777)
    (code / "module.py").write_text("original")
    (code / "module.py").chmod(0o666)
    lines = await prison.run(
        """
        attempt(lambda: open("/var/task/module.py", "a"))
        attempt(lambda: open("/var/task/new.py", "w"))
        attempt(lambda: os.unlink("/var/task/module.py"))
        attempt(lambda: os.chmod("/var/task/module.py", 0o777))
        attempt(lambda: os.utime("/var/task/module.py"))
        """,
        Bind(source=code, target="/var/task"),
    )
    assert lines == ["EROFS"] * 5
    assert (code / "module.py").read_text() == "original"


async def test_a_writable_bind_can_be_written_but_makes_no_device_and_no_setuid_program(
    prison: Any, tmp_path: Path
) -> None:
    share = directory(tmp_path / "share")
    share.chmod(0o777)
    lines = await prison.run(
        """
        attempt(lambda: open("/mnt/share/file", "w"))
        attempt(lambda: os.mknod("/mnt/share/device", 0o020666, os.makedev(1, 1)))
        """,
        Bind(source=share, target="/mnt/share", writable=True),
    )
    assert lines == ["done", "EPERM"]
    assert (share / "file").exists()


async def test_only_harmless_devices_exist(prison: Any) -> None:
    lines = await prison.run("""
        print(sorted(os.listdir("/dev")))
        attempt(lambda: os.mknod("/tmp/memory", 0o020666, os.makedev(1, 1)))
    """)
    assert lines == [
        "['fd', 'full', 'null', 'random', 'stderr', 'stdin', 'stdout', 'urandom', 'zero']",
        "EPERM",
    ]


@pytest.mark.parametrize(
    "path", ["/proc/sys/kernel/hostname", "/proc/sys/kernel/core_pattern", "/proc/sys/vm/drop_caches"]
)
async def test_the_kernels_own_settings_cannot_be_changed(prison: Any, path: str) -> None:
    assert await prison.run(f"attempt(lambda: open({path!r}, 'w'))") == ["EACCES"]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can make a file setuid root")
async def test_a_setuid_program_gives_nothing(prison: Any, tmp_path: Path) -> None:
    programs = directory(tmp_path / "programs")
    shutil.copy("/usr/bin/id", programs / "id")
    (programs / "id").chmod(0o4755)
    lines = await prison.run(
        "import subprocess; print(os.getuid() != 0, subprocess.check_output(['/var/task/id', '-u']) "
        "== str(os.getuid()).encode() + b'\\n')",
        Bind(source=programs, target="/var/task"),
    )
    assert lines == ["True True"]


async def test_the_mount_table_does_not_name_the_hosts_directories(prison: Any, tmp_path: Path) -> None:
    lines = await prison.run("print(open('/proc/self/mounts').read())")
    assert str(tmp_path) not in "\n".join(lines)
