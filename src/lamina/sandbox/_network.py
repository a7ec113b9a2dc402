"""The network namespace: loopback up, and the server's listeners bound inside."""

from __future__ import annotations

import fcntl
import socket
import struct

from lamina.sandbox._netlink import Netlink

RUNTIME_API = ("127.0.0.1", 9001)
# Where programs find the API of the server, with all its services: the port that is its own outside.
GATEWAY = ("127.0.0.1", 4566)
# With a way to the Internet: the device inside, and who is at its other end.
DEVICE, ROUTER = "eth0", "198.18.0.1"
SIOCGIFFLAGS, SIOCSIFFLAGS, IFF_UP = 0x8913, 0x8914, 1
BACKLOG = 128


def raise_loopback() -> None:
    """Set the interface ``lo`` up: a new network namespace has it down."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        request = struct.pack("16sH14x", b"lo", 0)
        flags = struct.unpack_from("H", fcntl.ioctl(control, SIOCGIFFLAGS, request), 16)[0]
        fcntl.ioctl(control, SIOCSIFFLAGS, struct.pack("16sH14x", b"lo", flags | IFF_UP))


def connect(address: str) -> None:
    """Give the device that leads to the router its address, and route everything there."""
    inner = Netlink()
    try:
        inner.add_address(DEVICE, address)
        inner.set_up(DEVICE)
        inner.add_route(DEVICE, via=ROUTER)
    finally:
        inner.close()


def name(address: tuple[str, int]) -> str:
    """``host:port``, as ``AWS_LAMBDA_RUNTIME_API`` has it."""
    host, port = address
    return f"{host}:{port}"


def url(address: tuple[str, int]) -> str:
    """The same for clients of HTTP, as ``AWS_ENDPOINT_URL`` has it."""
    return f"http://{name(address)}"


def client() -> socket.socket:
    """A non-blocking socket for a connection, in the network of whoever makes it."""
    made = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    made.setblocking(False)
    return made


def listen(address: tuple[str, int] = RUNTIME_API) -> socket.socket:
    """A non-blocking listener at ``address``; it keeps its namespace whoever accepts from it."""
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(BACKLOG)
    except OSError:
        listener.close()
        raise
    listener.setblocking(False)
    return listener
