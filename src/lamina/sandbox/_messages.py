"""What server, launcher and sandbox's first process say to each other: JSON objects and file descriptors.

Each message is one packet of an AF_UNIX SOCK_SEQPACKET socket. Requests to the launcher are a closed set with exact
members; everything else is refused.
"""

from __future__ import annotations

import json
import socket
import struct

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    Message = dict[str, Any]

MOST_BYTES = 1 << 20
# The kernel passes no more at once.
MOST_DESCRIPTORS = 253
BUFFER_BYTES = 4 << 20
INT = struct.Struct("i")

ARCHITECTURES = ("", "x86_64", "arm64")
NETWORKS = ("none", "gateway", "egress")
LIMITS = {"memory_mb": int, "tmp_mb": int, "processes": int, "open_files": int}
MEMBERS: dict[str, dict[str, type]] = {
    "start": {
        "request": int,
        "sandbox": str,
        "argv": list,
        "environment": dict,
        "binds": list,
        "limits": dict,
        "root": list,
        "architecture": str,
        "working_directory": str,
        "template": str,
        "fork": bool,
        "network": str,
        "companions": dict,
        "heir_of": str,
    },
    "run": {"request": int, "sandbox": str},
    "socket": {"request": int, "sandbox": str},
    "terminate": {"sandbox": str},
    "release": {"sandbox": str},
    "specialise": {"request": int, "sandbox": str, "binds": list, "limits": dict},
    "kill": {"sandbox": str},
    "freeze": {"sandbox": str},
    "thaw": {"sandbox": str},
}


class Refused(Exception):
    """A message that is not one of the closed set; the text says what is wrong with it."""


class Closed(Exception):
    """The other side has closed the socket."""


def pair() -> tuple[socket.socket, socket.socket]:
    """Two connected ends with room for the largest message."""
    ends = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    for end in ends:
        end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, BUFFER_BYTES)
    return ends


def encode(message: Message) -> bytes:
    """The packet for ``message``."""
    packet = json.dumps(message, separators=(",", ":")).encode("ascii")
    if len(packet) > MOST_BYTES:
        raise Refused(f"a message of {len(packet)} bytes is too long")
    return packet


def send(end: socket.socket, message: Message, descriptors: Sequence[int] = ()) -> None:
    """Send one message. Raises ``BlockingIOError`` when a non-blocking socket is full."""
    rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, b"".join(map(INT.pack, descriptors)))] if descriptors else []
    end.sendmsg([encode(message)], rights)


def receive(end: socket.socket) -> tuple[Message, list[int]]:
    """The next message and its descriptors. Raises ``Closed`` and ``Refused``."""
    room = socket.CMSG_SPACE(MOST_DESCRIPTORS * INT.size)
    try:
        # socket.recv_fds does not pass its flags on.
        packet, ancillary, _, _ = end.recvmsg(MOST_BYTES, room, socket.MSG_CMSG_CLOEXEC)
    except ConnectionResetError:
        packet, ancillary = b"", []
    descriptors = [number for _, _, data in ancillary for (number,) in INT.iter_unpack(data)]
    if not packet:
        raise Closed
    try:
        message = json.loads(packet)
    except ValueError:
        raise Refused("not JSON") from None
    if not isinstance(message, dict):
        raise Refused("not an object")
    return message, descriptors


def check(message: Message) -> str:
    """The operation of a well-formed request to the launcher. Raises ``Refused`` for any other message."""
    operation = message.get("operation")
    members = MEMBERS.get(operation) if isinstance(operation, str) else None
    if members is None:
        raise Refused(f"unknown operation {operation!r:.40}")
    if set(message) != {"operation", *members}:
        raise Refused(f"{operation} must have exactly {', '.join(sorted(members))}")
    for name, kind in members.items():
        if type(message[name]) is not kind:
            raise Refused(f"{operation}: {name} must be {kind.__name__}")
    if "sandbox" in members and not message["sandbox"].isalnum():
        raise Refused(f"{operation}: a sandbox has an alphanumeric name")
    _check_details(str(operation), message)
    return str(operation)


def _check_details(operation: str, message: Message) -> None:
    if "limits" in message:
        limits = message["limits"]
        if set(limits) != set(LIMITS) or not all(type(n) is int and 0 < n < 1 << 31 for n in limits.values()):
            raise Refused(f"{operation}: limits must be positive numbers for {', '.join(LIMITS)}")
    if not all(map(_is_bind, message.get("binds", ()))):
        raise Refused(f"{operation}: a bind is an absolute source, an absolute target without '..', and a boolean")
    if operation == "start":
        _check_companions(message["companions"])
        texts = (*message["argv"], *message["environment"].values(), *message["environment"])
        if not message["argv"] or not all(isinstance(text, str) and "\0" not in text for text in texts):
            raise Refused("start: argv and environment must be texts, and argv not empty")
        if not all(map(_is_path, message["root"])):
            raise Refused("start: root must be absolute paths without '..'")
        if message["architecture"] not in ARCHITECTURES:
            raise Refused(f"start: architecture must be one of {', '.join(ARCHITECTURES[1:])}, or empty")
        if message["network"] not in NETWORKS:
            raise Refused(f"start: network must be one of {', '.join(NETWORKS)}")
        if not all(name and "=" not in name for name in message["environment"]):
            raise Refused("start: an environment variable needs a name without '='")


def _check_companions(companions: Message) -> None:
    """Where to look for them and their environment; nothing where there are none."""
    if not companions:
        return
    environment = companions.get("environment")
    if set(companions) != {"directory", "environment"} or not _is_path(companions["directory"]):
        raise Refused("start: companions need an absolute directory without '..', and an environment")
    if type(environment) is not dict or not all(
        isinstance(value, str) and "\0" not in name + value and name and "=" not in name
        for name, value in environment.items()
    ):
        raise Refused("start: the environment of companions must be texts, their names without '='")


def _is_bind(bind: object) -> bool:
    if not isinstance(bind, list) or len(bind) != 3 or not isinstance(bind[2], bool):
        return False
    return all(map(_is_path, bind[:2]))


def _is_path(path: object) -> bool:
    return isinstance(path, str) and path.startswith("/") and "\0" not in path and ".." not in path.split("/")
