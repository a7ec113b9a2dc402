"""The filter is run by a small interpreter, so that both architectures are tested on either."""

from __future__ import annotations

import struct

import pytest

from lamina.sandbox import _seccomp as seccomp

ALLOWED = "allowed"
KILLED = "killed"
MACHINES = ("x86_64", "aarch64")
X86 = seccomp.ARCHITECTURES["x86_64"][1]
ARM = seccomp.ARCHITECTURES["aarch64"][1]


def verdict(machine: str, number: int, *arguments: int, audit: int | None = None) -> str | int:
    """What the filter for ``machine`` says to a system call: allowed, killed, or an errno."""
    code = seccomp.program(machine)
    audit = seccomp.ARCHITECTURES[machine][1] if audit is None else audit
    padded = [*arguments, *[0] * (6 - len(arguments))]
    data = struct.pack("<IIQ6Q", number, audit, 0, *padded)
    counter, accumulator = 0, 0
    while True:
        operation, jump_true, jump_false, operand = struct.unpack_from("HBBI", code, 8 * counter)
        counter += 1
        if operation == seccomp.LOAD:
            accumulator = struct.unpack_from("<I", data, operand)[0]
        elif operation == seccomp.RETURN:
            return name_of(operand)
        else:
            counter += jump_true if compare(operation, accumulator, operand) else jump_false


def compare(operation: int, left: int, right: int) -> bool:
    return {
        seccomp.JUMP_EQUAL: left == right,
        seccomp.JUMP_GREATER: left > right,
        seccomp.JUMP_AT_LEAST: left >= right,
        seccomp.JUMP_ANY_BIT: bool(left & right),
    }[operation]


def name_of(action: int) -> str | int:
    if action == seccomp.ALLOW:
        return ALLOWED
    return KILLED if action == seccomp.KILL_PROCESS else action & 0xFFFF


def numbers(machine: str) -> dict[str, int]:
    return seccomp.SPECIAL[machine]


@pytest.mark.parametrize("machine", MACHINES)
def test_every_call_of_the_table_is_allowed_and_its_neighbours_are_not(machine: str) -> None:
    column = seccomp.ARCHITECTURES[machine][0]
    listed = set(seccomp._numbers(column))
    special = set(numbers(machine).values())
    for number in set(range(seccomp.NEWEST + 1)) - special - {seccomp.CLONE3}:
        assert verdict(machine, number) == (ALLOWED if number in listed else seccomp.EPERM), number


@pytest.mark.parametrize(
    ("name", "number"),
    [
        ("ptrace", 101), ("mount", 165), ("umount2", 166), ("pivot_root", 155), ("unshare", 272), ("setns", 308),
        ("chroot", 161), ("bpf", 321), ("perf_event_open", 298), ("userfaultfd", 323), ("io_uring_setup", 425),
        ("io_uring_enter", 426), ("io_uring_register", 427), ("keyctl", 250), ("add_key", 248), ("request_key", 249),
        ("open_by_handle_at", 304), ("name_to_handle_at", 303), ("pidfd_getfd", 438), ("process_vm_readv", 310),
        ("process_vm_writev", 311), ("open_tree", 428), ("move_mount", 429), ("fsopen", 430), ("mount_setattr", 442),
        ("init_module", 175), ("finit_module", 313), ("kexec_load", 246), ("reboot", 169), ("swapon", 167),
        ("settimeofday", 164), ("clock_settime", 227), ("acct", 163), ("syslog", 103), ("quotactl", 179),
        ("mbind", 237), ("move_pages", 279), ("iopl", 172), ("modify_ldt", 154), ("sethostname", 170),
    ],
)  # fmt: skip
def test_what_reaches_into_the_kernel_is_refused(name: str, number: int) -> None:
    assert verdict("x86_64", number) == seccomp.EPERM, name


@pytest.mark.parametrize("machine", MACHINES)
def test_clone_makes_threads_but_no_namespaces(machine: str) -> None:
    clone = numbers(machine)["clone"]
    assert verdict(machine, clone, 0x3D0F00) == ALLOWED
    assert verdict(machine, clone, 17) == ALLOWED
    for bit in (0x20000, 0x02000000, 0x04000000, 0x08000000, 0x10000000, 0x20000000, 0x40000000):
        assert verdict(machine, clone, bit | 17) == seccomp.EPERM


@pytest.mark.parametrize("machine", MACHINES)
@pytest.mark.parametrize(("family", "protocol", "expected"), [
    (1, 0, ALLOWED), (2, 6, ALLOWED), (10, 0, ALLOWED), (16, 0, ALLOWED),
    (16, 9, seccomp.EAFNOSUPPORT), (17, 0, seccomp.EAFNOSUPPORT), (38, 0, seccomp.EAFNOSUPPORT),
    (40, 0, seccomp.EAFNOSUPPORT), (44, 0, seccomp.EAFNOSUPPORT),
])  # fmt: skip
def test_only_families_that_a_network_namespace_confines(
    machine: str, family: int, protocol: int, expected: str | int
) -> None:
    assert verdict(machine, numbers(machine)["socket"], family, 1, protocol) == expected


@pytest.mark.parametrize("machine", MACHINES)
def test_calls_that_the_table_does_not_know_look_missing(machine: str) -> None:
    assert verdict(machine, seccomp.CLONE3) == seccomp.ENOSYS
    assert verdict(machine, seccomp.NEWEST + 1) == seccomp.ENOSYS


def test_the_x32_numbers_are_refused() -> None:
    assert verdict("x86_64", 0x40000000 | 1) == seccomp.ENOSYS


@pytest.mark.parametrize(("machine", "audit"), [("x86_64", ARM), ("aarch64", X86), ("x86_64", 0x40000003)])
def test_a_call_of_another_architecture_kills(machine: str, audit: int) -> None:
    assert verdict(machine, 1, audit=audit) == KILLED


@pytest.mark.parametrize("machine", MACHINES)
def test_nobody_types_into_a_terminal(machine: str) -> None:
    ioctl = numbers(machine)["ioctl"]
    assert verdict(machine, ioctl, 0, 0x5412) == seccomp.EPERM
    assert verdict(machine, ioctl, 0, 0x541C) == seccomp.EPERM
    assert verdict(machine, ioctl, 0, 0x5401) == ALLOWED


@pytest.mark.parametrize("machine", MACHINES)
def test_the_kernel_accepts_the_length_of_the_program(machine: str) -> None:
    assert len(seccomp.program(machine)) // 8 <= 4096
