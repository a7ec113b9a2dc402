"""A function reaches its own Runtime API and its own gateway, and nothing else."""

from __future__ import annotations

import asyncio
import os
import socket
from typing import Any

import pytest


async def test_a_port_of_the_host_is_not_there(prison: Any) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        assert await prison.run(f"attempt(lambda: socket.create_connection(('127.0.0.1', {port})))") == ["ECONNREFUSED"]


async def test_a_call_to_the_runtime_api_arrives_at_ones_own(prison: Any) -> None:
    first = await prison.start("open(3).read()")
    second = await prison.start("attempt(lambda: socket.create_connection(('127.0.0.1', 9001)))")
    connection, _ = await asyncio.wait_for(asyncio.get_running_loop().sock_accept(second.listener), 10)
    connection.close()
    lines, _ = await prison.end(second)
    assert lines == ["done"]
    with pytest.raises(BlockingIOError):
        first.listener.accept()
    first.kill()
    await prison.end(first)


async def test_a_call_to_the_gateway_arrives_at_ones_own(prison: Any) -> None:
    first = await prison.start("open(3).read()")
    second = await prison.start("attempt(lambda: socket.create_connection(('127.0.0.1', 4566)))")
    connection, _ = await asyncio.wait_for(asyncio.get_running_loop().sock_accept(second.gateway), 10)
    connection.close()
    lines, _ = await prison.end(second)
    assert lines == ["done"]
    with pytest.raises(BlockingIOError):
        first.gateway.accept()
    first.kill()
    await prison.end(first)


async def test_no_port_but_two_is_open(prison: Any) -> None:
    lines = await prison.run("""
        def is_open(port):
            with socket.socket() as client:
                # TCP lets a socket connect to itself.
                client.bind(("127.0.0.2", 0))
                return client.connect_ex(("127.0.0.1", port)) == 0
        print([port for port in range(1, 65536) if is_open(port)])
    """)
    assert lines == ["[4566, 9001]"]


@pytest.mark.parametrize("port", [4566, 9001])
async def test_the_servers_ports_cannot_be_taken(prison: Any, port: int) -> None:
    lines = await prison.run(f"""
        for option in (socket.SO_REUSEADDR, socket.SO_REUSEPORT):
            for address in ("127.0.0.1", "0.0.0.0"):
                taken = socket.socket()
                taken.setsockopt(socket.SOL_SOCKET, option, 1)
                attempt(lambda: (taken.bind((address, {port})), taken.listen()))
                taken.close()
    """)
    assert lines == ["EADDRINUSE"] * 4


async def test_without_a_network_nobody_listens_at_the_gateway(prison: Any) -> None:
    prison.network = "none"
    sandbox = await prison.start("attempt(lambda: socket.create_connection(('127.0.0.1', 4566)))")
    assert sandbox.gateway is None
    lines, _ = await prison.end(sandbox)
    assert lines == ["ECONNREFUSED"]


async def test_loopback_is_the_only_interface(prison: Any) -> None:
    assert await prison.run("print(socket.if_nameindex())") == ["[(1, 'lo')]"]


@pytest.mark.parametrize("address", ["192.0.2.1", "169.254.169.254", "10.0.0.1"])
async def test_there_is_no_way_out(prison: Any, address: str) -> None:
    assert await prison.run(f"attempt(lambda: socket.create_connection(({address!r}, 80), 2))") == ["ENETUNREACH"]


async def test_an_abstract_unix_socket_of_the_host_is_not_there(prison: Any) -> None:
    name = f"\0lamina-test-{os.getpid()}"
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(name)
        server.listen()
        assert await prison.run(f"attempt(lambda: socket.socket(socket.AF_UNIX).connect({name!r}))") == ["ECONNREFUSED"]


@pytest.mark.parametrize(
    ("family", "kind", "protocol", "refusal"),
    [
        ("AF_INET", "SOCK_RAW", 1, "EPERM"),
        ("AF_INET6", "SOCK_RAW", 58, "EPERM"),
        ("AF_PACKET", "SOCK_RAW", 3, "EAFNOSUPPORT"),
        ("AF_VSOCK", "SOCK_STREAM", 0, "EAFNOSUPPORT"),
        ("AF_ALG", "SOCK_SEQPACKET", 0, "EAFNOSUPPORT"),
        ("AF_NETLINK", "SOCK_RAW", 16, "EAFNOSUPPORT"),
        ("AF_NETLINK", "SOCK_RAW", 9, "EAFNOSUPPORT"),
        ("AF_BLUETOOTH", "SOCK_STREAM", 3, "EAFNOSUPPORT"),
    ],
)
async def test_sockets_of_other_kinds_are_refused(
    prison: Any, family: str, kind: str, protocol: int, refusal: str
) -> None:
    number = getattr(socket, family, 31)
    assert await prison.run(f"attempt(lambda: socket.socket({int(number)}, socket.{kind}, {protocol}))") == [refusal]


async def test_the_interface_cannot_be_changed(prison: Any) -> None:
    lines = await prison.run("""
        import fcntl, struct
        control = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        attempt(lambda: fcntl.ioctl(control, 0x8914, struct.pack("16sH14x", b"lo", 0)))
    """)
    assert lines == ["EPERM"]
