"""A function with a way to the Internet reaches it, and neither this machine nor what is private.

The Internet and the machine are network namespaces of the test's own.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any

import pytest

from tests.acceptance._waiting import until

PROGRAMS = ("ip", "nsenter", "unshare", "nft", "slirp4netns")
HOST, NET = f"lamina-host-{os.getpid()}", f"lamina-net-{os.getpid()}"
SERVER, HOST_ADDRESS, NET_ADDRESS = "203.0.113.10", "198.51.100.2", "198.51.100.1"
CLOSED = ("10.9.9.9", "172.16.5.5", "192.168.7.7", "100.64.1.1", "169.254.169.254", HOST_ADDRESS)
ROOT = Path(__file__).parents[2]
pytestmark = pytest.mark.skipif(
    os.geteuid() != 0 or any(shutil.which(name) is None for name in PROGRAMS),
    reason=f"needs root and {', '.join(PROGRAMS)}",
)


def ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True, capture_output=True)


class Child:
    """A process in a network namespace."""

    def __init__(self, namespace: str, *command: str, resolver: Path | None = None) -> None:
        enter = ["nsenter", f"--net=/run/netns/{namespace}"]
        if resolver is not None:
            script = f'mount --bind {resolver} /etc/resolv.conf; exec "$@"'
            enter += ["unshare", "--mount", "sh", "-c", script, "sh"]
        self.process = subprocess.Popen(
            [*enter, sys.executable, "-m", *command], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self.input: IO[str] = self.process.stdin  # type: ignore[assignment]
        self.output: IO[str] = self.process.stdout  # type: ignore[assignment]
        self.first = self.output.readline()

    def close(self) -> None:
        self.input.close()
        self.process.wait(30)
        self.output.close()


class Machine:
    """Sandboxes of one launcher, started in the namespace that plays the host."""

    def __init__(self, child: Child) -> None:
        self._child = child
        self.pid = child.process.pid

    def run(self, code: str, network: str = "egress", beside: str = "") -> Any:
        self._child.input.write(json.dumps({"network": network, "code": code, "beside": beside}) + "\n")
        self._child.input.flush()
        return json.loads(self._child.output.readline())


@pytest.fixture(scope="module")
def internet() -> Iterator[None]:
    for name in (HOST, NET):
        ip("netns", "add", name)
        ip("-n", name, "link", "set", "lo", "up")
    try:
        ip("link", "add", "h0", "netns", HOST, "type", "veth", "peer", "name", "n0", "netns", NET)
        for name, device, address in ((HOST, "h0", HOST_ADDRESS), (NET, "n0", NET_ADDRESS)):
            ip("-n", name, "address", "add", f"{address}/24", "dev", device)
            ip("-n", name, "link", "set", device, "up")
        ip("-n", HOST, "route", "add", "default", "via", NET_ADDRESS)
        for address in (SERVER, *CLOSED[:5]):
            ip("-n", NET, "address", "add", f"{address}/32", "dev", "lo")
        servers = [Child(name, "tests.security._internet", address) for name, address in PLACES]
        yield
        for server in servers:
            server.process.kill()
            server.close()
    finally:
        for name in (HOST, NET):
            ip("netns", "delete", name)


PLACES = ((HOST, "127.0.0.1"), (NET, NET_ADDRESS))


@pytest.fixture(scope="module")
def start(internet: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., Machine]]:
    resolver = tmp_path_factory.mktemp("resolver") / "resolv.conf"
    resolver.write_text(f"nameserver {NET_ADDRESS}\n")
    children = []

    def starting(*allow: str, level: str = "auto") -> Machine:
        data = tmp_path_factory.mktemp("data")
        child = Child(HOST, "tests.security._from_inside", str(data), level, *allow, resolver=resolver)
        children.append(child)
        first = json.loads(child.first)
        if "unavailable" in first or first["level"] == "E":
            pytest.skip(f"not possible here: {first}")
        return Machine(child)

    yield starting
    for child in children:
        child.close()


@pytest.fixture(scope="module")
def machine(start: Callable[..., Machine]) -> Machine:
    return start()


def connect(address: str) -> str:
    return f"attempt(lambda: print(socket.create_connection(('{address}', 8080), 5).recv(99).decode()))"


def test_the_internet_answers_and_sees_the_machine(machine: Machine) -> None:
    assert machine.run(connect(SERVER)) == [HOST_ADDRESS, "done"]


def test_datagrams_too(machine: Machine) -> None:
    lines = machine.run(f"""
        asking = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        asking.settimeout(5)
        asking.sendto(b"x", ("{SERVER}", 8080))
        print(asking.recv(99).decode())
    """)
    assert lines == [HOST_ADDRESS]


def test_names_are_found(machine: Machine) -> None:
    lines = machine.run("""
        print(socket.gethostbyname("server.test"))
        try:
            socket.gethostbyname("nobody.test")
        except socket.gaierror:
            print("unknown")
    """)
    assert lines == [SERVER, "unknown"]


@pytest.mark.parametrize("network", ["none", "gateway"])
def test_others_of_the_same_machine_have_no_way_out(machine: Machine, network: str) -> None:
    assert machine.run(connect(SERVER), network) == ["ENETUNREACH"]


@pytest.mark.parametrize("address", [*CLOSED, "198.18.0.1", "198.19.255.2", "198.19.255.100", "198.18.0.17"])
def test_what_is_closed_is_refused_at_once(machine: Machine, address: str) -> None:
    assert machine.run(connect(address)) == ["EHOSTUNREACH"]


@pytest.mark.parametrize("address", [*CLOSED, "224.0.0.1", "255.255.255.255"])
def test_datagrams_to_what_is_closed_are_refused(machine: Machine, address: str) -> None:
    lines = machine.run(f"""
        asking = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        asking.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
        asking.settimeout(1)
        try:
            asking.sendto(b"x", ("{address}", 8080))
            asking.send(b"x") if asking.connect(("{address}", 8080)) else None
            print(asking.recv(99))
        except OSError:
            print("refused")
    """)
    assert lines == ["refused"]


def test_what_listens_on_loopback_is_not_there(machine: Machine) -> None:
    assert machine.run(connect("127.0.0.1")) == ["ECONNREFUSED"]


def test_an_address_that_the_machine_gets_later_is_closed(machine: Machine) -> None:
    ip("-n", HOST, "address", "add", "203.0.113.77/32", "dev", "lo")
    assert machine.run(connect("203.0.113.77")) == ["EHOSTUNREACH"]


def test_there_is_no_ipv6_and_no_raw_socket(machine: Machine) -> None:
    lines = machine.run("""
        for address in ("2001:db8::1", "fd00::1", "fe80::1%eth0"):
            attempt(lambda: socket.socket(socket.AF_INET6, socket.SOCK_STREAM).connect((address, 8080)))
        attempt(lambda: socket.socket(socket.AF_INET, socket.SOCK_RAW, 1))
        attempt(lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM, 1))
    """)
    assert set(lines[:3]) <= {"ENETUNREACH", "EHOSTUNREACH", "EADDRNOTAVAIL", "EINVAL"}
    assert lines[3] == "EPERM"
    assert lines[4] in {"EACCES", "EPERM", "EPROTONOSUPPORT"}


def test_a_false_sender_gets_nowhere(machine: Machine) -> None:
    lines = machine.run(f"""
        for sender in ("198.18.0.99", "10.0.0.1", "{SERVER}"):
            asking = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            asking.setsockopt(socket.IPPROTO_IP, 15, 1)  # IP_FREEBIND
            asking.settimeout(0.5)
            try:
                asking.bind((sender, 0))
                asking.sendto(b"x", ("{SERVER}", 8080))
                print(asking.recv(99))
            except OSError:
                print("refused")
    """)
    assert lines == ["refused"] * 3


def test_two_sandboxes_do_not_reach_each_other(machine: Machine) -> None:
    listening = """
        import time
        probe = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        probe.connect(("203.0.113.10", 1))
        server = socket.create_server(("0.0.0.0", 8080))
        print(probe.getsockname()[0])
        time.sleep(60)
    """
    assert machine.run("print('PEER')", beside=listening)[0].startswith("198.18.")
    assert machine.run(connect("PEER"), beside=listening) == ["EHOSTUNREACH"]


def test_what_is_allowed_is_open_and_nothing_else(start: Callable[..., Machine]) -> None:
    machine = start("10.9.0.0/16", "192.168.7.7/32")
    assert machine.run(connect("10.9.9.9")) == [HOST_ADDRESS, "done"]
    assert machine.run(connect("192.168.7.7")) == [HOST_ADDRESS, "done"]
    assert machine.run(connect("172.16.5.5")) == ["EHOSTUNREACH"]


def test_the_machine_itself_is_as_it_was(machine: Machine) -> None:
    def inside(*command: str) -> str:
        enter = ["nsenter", f"--net=/run/netns/{HOST}", *command]
        return subprocess.run(enter, check=True, capture_output=True, text=True).stdout

    assert inside("cat", "/proc/sys/net/ipv4/ip_forward") == "0\n"
    assert inside("nft", "list", "ruleset") == ""
    assert sorted(json.loads(inside("ip", "-j", "link"))[n]["ifname"] for n in range(2)) == ["h0", "lo"]
    assert len(json.loads(inside("ip", "-j", "link"))) == 2


def test_an_uplink_that_dies_is_made_anew(start: Callable[..., Machine]) -> None:
    machine = start()
    assert machine.run(connect(SERVER)) == [HOST_ADDRESS, "done"]
    found = [pid for pid in _below(machine.pid) if Path(f"/proc/{pid}/comm").read_text() == "slirp4netns\n"]
    os.kill(found[0], 9)
    for _ in range(50):
        lines = machine.run(connect(SERVER))
        if lines == [HOST_ADDRESS, "done"]:
            return
    pytest.fail(f"the way did not come back: {lines}")


def test_nothing_is_left_of_it(start: Callable[..., Machine]) -> None:
    machine = start()
    processes = _below(machine.pid)
    assert any(Path(f"/proc/{pid}/comm").read_text() == "slirp4netns\n" for pid in processes)
    machine._child.close()
    until(lambda: not any(map(_runs, processes)))


def _runs(pid: int) -> bool:
    try:
        return "State:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False


def _below(pid: int) -> list[int]:
    found = [pid]
    for each in found:
        for task in Path(f"/proc/{each}/task").glob("*/children"):
            found += map(int, task.read_text().split())
    return found[1:]
