"""Network devices, addresses and routes, by messages to the kernel (rtnetlink): no program need be started for them."""

from __future__ import annotations

import os
import socket
import struct

ROUTE = 0
RTM_NEWLINK, RTM_NEWADDR, RTM_GETADDR, RTM_NEWROUTE, RTM_SETLINK = 16, 20, 22, 24, 19
NLM_F_REQUEST, NLM_F_ACK, NLM_F_DUMP, NLM_F_REPLACE, NLM_F_EXCL, NLM_F_CREATE = 1, 4, 0x300, 0x100, 0x200, 0x400
NLMSG_ERROR, NLMSG_DONE = 2, 3
IFLA_IFNAME, IFLA_LINKINFO, IFLA_NET_NS_PID = 3, 18, 19
IFLA_INFO_KIND, IFLA_INFO_DATA, VETH_INFO_PEER = 1, 2, 1
IFA_ADDRESS, IFA_LOCAL = 1, 2
RTA_DST, RTA_OIF, RTA_GATEWAY = 1, 4, 5
RTMGRP_IPV4_IFADDR = 0x10
IFF_UP = 1
RT_TABLE_MAIN, RTPROT_STATIC, RTN_UNICAST = 254, 4, 1
RT_SCOPE_UNIVERSE, RT_SCOPE_LINK = 0, 253
RTNH_F_ONLINK = 4
HEADER = struct.Struct("IHHII")
BUFFER = 1 << 16


class Netlink:
    """A socket to the network namespace that the caller was in when it was made, wherever the caller goes."""

    def __init__(self, groups: int = 0) -> None:
        """``groups``: the events that ``changed`` looks for."""
        self._events = _open(groups) if groups else None
        self._socket = _open(0)
        self._serial = 0

    def close(self) -> None:
        """Close the sockets."""
        self._socket.close()
        if self._events is not None:
            self._events.close()

    def fileno(self) -> int:
        """Readable when something has happened of what was asked for."""
        assert self._events is not None
        return self._events.fileno()

    def drain(self) -> None:
        """Read what has happened."""
        assert self._events is not None
        try:
            while self._events.recv(BUFFER, socket.MSG_DONTWAIT):
                pass
        except BlockingIOError:
            return
        except OSError:
            # More has happened than there was room for: it is asked anew anyway.
            return

    def add_pair(self, name: str, peer: str, pid: int) -> None:
        """Make a pair of devices; ``peer`` is in the network namespace of the process ``pid``."""
        inner = struct.pack("BxHiII", 0, 0, 0, 0, 0) + _text(IFLA_IFNAME, peer) + _number(IFLA_NET_NS_PID, pid)
        info = _text(IFLA_INFO_KIND, "veth") + _attribute(IFLA_INFO_DATA, _attribute(VETH_INFO_PEER, inner))
        body = struct.pack("BxHiII", 0, 0, 0, 0, 0) + _text(IFLA_IFNAME, name) + _attribute(IFLA_LINKINFO, info)
        self._ask(RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, body)

    def set_up(self, name: str) -> None:
        """Let a device work."""
        self._ask(RTM_SETLINK, 0, struct.pack("BxHiII", 0, 0, _index(name), IFF_UP, IFF_UP))

    def add_address(self, name: str, address: str) -> None:
        """Give a device an address of its own, without a network around it."""
        packed = socket.inet_aton(address)
        body = struct.pack("BBBBi", socket.AF_INET, 32, 0, RT_SCOPE_UNIVERSE, _index(name))
        self._ask(
            RTM_NEWADDR,
            NLM_F_CREATE | NLM_F_REPLACE,
            body + _attribute(IFA_LOCAL, packed) + _attribute(IFA_ADDRESS, packed),
        )

    def add_route(self, name: str, to: str = "", via: str = "") -> None:
        """Route the address ``to``, or all, to a device; ``via`` is who takes it there."""
        scope = RT_SCOPE_UNIVERSE if via else RT_SCOPE_LINK
        flags = RTNH_F_ONLINK if via else 0
        length = 32 if to else 0
        body = struct.pack(
            "BBBBBBBBI", socket.AF_INET, length, 0, 0, RT_TABLE_MAIN, RTPROT_STATIC, scope, RTN_UNICAST, flags
        )
        body += _attribute(RTA_DST, socket.inet_aton(to)) if to else b""
        body += _number(RTA_OIF, _index(name))
        body += _attribute(RTA_GATEWAY, socket.inet_aton(via)) if via else b""
        self._ask(RTM_NEWROUTE, NLM_F_CREATE | NLM_F_REPLACE, body)

    def addresses(self) -> set[str]:
        """The IPv4 addresses of all devices."""
        found = set()
        for body in self._ask(RTM_GETADDR, NLM_F_DUMP, struct.pack("BBBBi", socket.AF_INET, 0, 0, 0, 0)):
            attributes = _attributes(body[8:])
            packed = attributes.get(IFA_LOCAL, attributes.get(IFA_ADDRESS))
            if packed is not None:
                found.add(socket.inet_ntoa(packed))
        return found

    def _ask(self, kind: int, flags: int, body: bytes) -> list[bytes]:
        """Send one message; the bodies of the answers. Raises ``OSError``."""
        self._serial += 1
        flags |= NLM_F_REQUEST | NLM_F_ACK
        self._socket.send(HEADER.pack(HEADER.size + len(body), kind, flags, self._serial, 0) + body)
        answers: list[bytes] = []
        while True:
            packet = self._socket.recv(BUFFER)
            while packet:
                length, answer, _, serial, _ = HEADER.unpack_from(packet)
                content, packet = packet[HEADER.size : length], packet[_aligned(length) :]
                if serial != self._serial:
                    continue
                if answer in (NLMSG_ERROR, NLMSG_DONE):
                    number = -struct.unpack_from("i", content)[0] if len(content) >= 4 else 0
                    if number:
                        raise OSError(number, os.strerror(number))
                    return answers
                answers.append(content)


def _open(groups: int) -> socket.socket:
    opened = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, ROUTE)
    opened.bind((0, groups))
    return opened


def _index(name: str) -> int:
    """The number of a device in the caller's namespace."""
    return socket.if_nametoindex(name)


def _aligned(length: int) -> int:
    return (length + 3) & ~3


def _attribute(kind: int, content: bytes) -> bytes:
    length = 4 + len(content)
    return struct.pack("HH", length, kind) + content + bytes(_aligned(length) - length)


def _text(kind: int, text: str) -> bytes:
    return _attribute(kind, text.encode() + b"\0")


def _number(kind: int, number: int) -> bytes:
    return _attribute(kind, struct.pack("I", number))


def _attributes(content: bytes) -> dict[int, bytes]:
    found = {}
    while len(content) >= 4:
        length, kind = struct.unpack_from("HH", content)
        if length < 4:
            break
        found[kind] = content[4:length]
        content = content[_aligned(length) :]
    return found
