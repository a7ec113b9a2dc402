"""A function sees, signals and traces nobody but itself, and gets no privileges back."""

from __future__ import annotations

import os
import platform
import signal
from typing import Any

import pytest

from lamina.sandbox import Exit

x86_64 = pytest.mark.skipif(platform.machine() != "x86_64", reason="numbers and machine code of x86_64")


async def test_only_ones_own_processes_show(prison: Any) -> None:
    lines = await prison.run("print([name for name in os.listdir('/proc') if name.isdigit()] == [str(os.getpid())])")
    assert lines == ["True"]


async def test_a_process_of_the_host_cannot_be_signalled(prison: Any) -> None:
    pid = os.getpid() + 100_000 if os.getpid() < 100 else os.getpid()
    assert await prison.run(f"attempt(lambda: os.kill({pid}, 0))") == ["ESRCH"]


async def test_the_reaper_cannot_be_harmed_or_looked_into(prison: Any) -> None:
    lines = await prison.run("""
        for number in (9, 15, 19, 17, 2):
            try:
                os.kill(1, number)
            except PermissionError:
                pass
        for name in ("mem", "environ", "root", "cwd", "fd", "maps"):
            try:
                os.listdir(f"/proc/1/{name}") if name in ("root", "cwd", "fd") else open(f"/proc/1/{name}").read()
                print("read", name)
            except OSError as error:
                assert error.errno in (errno.ENOENT, errno.EACCES, errno.EPERM), error
        print("alive")
    """)
    assert lines == ["alive"]


async def test_another_sandbox_of_the_same_launcher_cannot_be_seen_or_signalled(prison: Any) -> None:
    other = await prison.start("print(os.getpid()); open(3).read()")
    await prison.read(other, 1)
    lines = await prison.run("""
        for pid in range(2, 60000):
            if pid != os.getpid():
                try:
                    os.kill(pid, 9)
                    print("killed", pid)
                except ProcessLookupError:
                    pass
    """)
    assert lines == []
    assert not other.exited.done()
    other.kill()
    await prison.end(other)


async def test_not_even_a_child_can_be_traced(prison: Any) -> None:
    lines = await prison.run("""
        child = os.fork()
        if child == 0:
            import time; time.sleep(5); os._exit(0)
        def trace():
            if libc.ptrace(16, child, 0, 0) < 0:
                raise OSError(ctypes.get_errno(), "")
        attempt(trace)
        os.kill(child, 9)
    """)
    assert lines == ["EPERM"]


async def test_there_are_no_capabilities_and_no_way_to_new_ones(prison: Any) -> None:
    lines = await prison.run("""
        status = dict(line.strip().partition(":\\t")[::2] for line in open("/proc/self/status"))
        print({status[name] for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")})
        print(status["NoNewPrivs"], status["Seccomp"], os.getuid() != 0, os.getgid() != 0)
    """)
    assert lines == ["{'0000000000000000'}", "1 2 True True"]


async def test_users_cannot_be_changed(prison: Any) -> None:
    lines = await prison.run("""
        attempt(lambda: os.setuid(0))
        attempt(lambda: os.setgid(0))
        attempt(lambda: os.setgroups([0]))
    """)
    assert set(lines) <= {"EPERM", "EINVAL"}
    assert len(lines) == 3


async def test_each_has_a_user_of_its_own_with_the_name_that_aws_gives(prison: Any) -> None:
    code = "import pwd; print(pwd.getpwuid(os.getuid()).pw_name, os.getuid()); open(3).read()"
    sandboxes = [await prison.start(code) for _ in range(2)]
    lines = [(await prison.read(sandbox, 15)).decode().split() for sandbox in sandboxes]
    assert [line[0] for line in lines] == ["sbx_user1051", "sbx_user1051"]
    if prison.level == "A":
        assert lines[0][1] != lines[1][1]
    for sandbox in sandboxes:
        sandbox.kill()
        await prison.end(sandbox)


@x86_64
@pytest.mark.parametrize(
    ("name", "call", "refusal"),
    [
        ("mount", "syscall(165, b'none', b'/tmp', b'tmpfs', 0, 0)", "EPERM"),
        ("umount", "syscall(166, b'/tmp', 0)", "EPERM"),
        ("pivot_root", "syscall(155, b'/tmp', b'/tmp')", "EPERM"),
        ("unshare user", "syscall(272, 0x10000000)", "EPERM"),
        ("unshare mounts", "syscall(272, 0x20000)", "EPERM"),
        ("setns", "syscall(308, os.open('/proc/self/ns/mnt', 0), 0)", "EPERM"),
        ("clone user", "syscall(56, 0x10000011, 0, 0, 0, 0)", "EPERM"),
        ("clone3", "syscall(435, 0, 0)", "ENOSYS"),
        ("io_uring", "syscall(425, 8, bytes(120))", "EPERM"),
        ("keyctl", "syscall(250, 0, -3, 0)", "EPERM"),
        ("add_key", "syscall(248, b'user', b'a', b'b', 1, -3)", "EPERM"),
        ("bpf", "syscall(321, 0, bytes(128), 128)", "EPERM"),
        ("perf", "syscall(298, bytes(128), 0, -1, -1, 0)", "EPERM"),
        ("userfaultfd", "syscall(323, 0)", "EPERM"),
        ("open_by_handle_at", "syscall(304, 0, bytes(128), 0)", "EPERM"),
        ("pidfd_getfd", "syscall(438, 0, 0, 0)", "EPERM"),
        ("process_vm_readv", "syscall(310, 1, 0, 0, 0, 0, 0)", "EPERM"),
        ("init_module", "syscall(175, 0, 0, b'')", "EPERM"),
        ("kexec", "syscall(246, 0, 0, 0, 0)", "EPERM"),
        ("reboot", "syscall(169, 0xfee1dead, 672274793, 0, 0)", "EPERM"),
        ("open_tree", "syscall(428, -100, b'/', 1)", "EPERM"),
        ("fsopen", "syscall(430, b'tmpfs', 0)", "EPERM"),
        ("x32", "syscall(0x40000000 + 39)", "ENOSYS"),
        ("settime", "syscall(227, 0, bytes(16))", "EPERM"),
        ("host name", "syscall(170, b'x', 1)", "EPERM"),
    ],
)
async def test_the_kernel_refuses(prison: Any, name: str, call: str, refusal: str) -> None:
    assert await prison.run(f"attempt(lambda: {call})") == [refusal], name


@x86_64
async def test_calls_in_the_way_of_32_bit_programs_are_deadly(prison: Any) -> None:
    sandbox = await prison.start("""
        import mmap
        memory = mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
        memory.write(b"\\xb8\\x14\\x00\\x00\\x00\\xcd\\x80\\xc3")  # mov eax, 20; int 0x80; ret
        address = ctypes.addressof(ctypes.c_char.from_buffer(memory))
        print("before")
        ctypes.CFUNCTYPE(ctypes.c_int)(address)()
        print("after")
    """)
    lines, ended = await prison.end(sandbox)
    assert lines == ["before"]
    assert ended == Exit(signal=signal.SIGSYS)


async def test_it_cannot_be_favoured_over_others(prison: Any) -> None:
    lines = await prison.run("""
        attempt(lambda: os.setpriority(os.PRIO_PROCESS, 0, -5))
        attempt(lambda: os.write(os.open("/proc/self/oom_score_adj", os.O_WRONLY), b"-1000"))
        attempt(lambda: os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1)))
    """)
    assert lines == ["EACCES", "EACCES", "EPERM"]
