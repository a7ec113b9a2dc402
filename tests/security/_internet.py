"""Servers of a small Internet: ``python -m tests.security._internet <name server's address>``, in its namespace.

TCP and UDP on port 8080 answer with the address that the caller seems to have; the name server knows one name.
"""

from __future__ import annotations

import socket
import struct
import sys
import threading

FREEBIND = 15
NAME, ADDRESS, PORT = b"\x06server\x04test\x00", "203.0.113.10", 8080


def serve_tcp() -> None:
    """Tell each caller who it is."""
    with socket.create_server(("0.0.0.0", PORT)) as server:
        while True:
            connection, (caller, _) = server.accept()
            with connection:
                connection.sendall(caller.encode())


def serve_udp(address: str) -> None:
    """The same for datagrams, which are answered from the address that they were sent to."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        server.setsockopt(socket.IPPROTO_IP, FREEBIND, 1)
        server.bind((address, PORT))
        while True:
            _, caller = server.recvfrom(100)
            server.sendto(caller[0].encode(), caller)


def serve_names(address: str) -> None:
    """Answer every question for an IPv4 address with the one that is known."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind((address, 53))
        while True:
            question, caller = server.recvfrom(512)
            end = question.index(b"\0", 12) + 5
            known = question[12:end] == NAME + b"\0\x01\0\x01"
            head = question[:2] + struct.pack("!HHHHH", 0x8180 if known else 0x8183, 1, int(known), 0, 0)
            record = b"\xc0\x0c" + struct.pack("!HHIH", 1, 1, 60, 4) + socket.inet_aton(ADDRESS) if known else b""
            server.sendto(head + question[12:end] + record, caller)


if __name__ == "__main__":
    udp = [(serve_udp, address) for address in ("0.0.0.0", ADDRESS)]
    for work, *arguments in (*udp, (serve_names, sys.argv[1]), (serve_tcp,)):
        threading.Thread(target=work, args=arguments).start()
    print("ready", flush=True)
