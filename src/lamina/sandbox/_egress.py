"""A way to the Internet for sandboxes: one router for all of them, and what it closes.

The router is the network namespace of the launcher. A pair of devices leads from it to each sandbox, made before the
sandbox has a program, and one device leads on to slirp4netns, a process in the host's network namespace that takes
connections there as any program of the server's user would. So nothing of the host's network is changed: no forwarding,
no rules, no devices. What is closed is closed in the router, where no sandbox has any rights:

- whatever is no answer and does not come from the address of the sandbox at that device;
- other sandboxes and the router itself;
- this machine, by all addresses that it has, as they change; private, local and reserved addresses, those where clouds
  have their metadata among them; multicast; IPv6 as a whole;
- except the resolver, and what the operator allows.
"""

from __future__ import annotations

import os
import select
import shutil
import socket
import struct
import subprocess

from lamina.sandbox import _privileges
from lamina.sandbox._netlink import RTMGRP_IPV4_IFADDR, Netlink
from lamina.sandbox._network import DEVICE, ROUTER
from lamina.sandbox._steps import Step

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn

UPLINK = "tap0"
# For tests of devices between each other (RFC 2544): in nobody's way, and only the router has routes to it.
NETWORK = "198.18.0.0/16"
FIRST, LAST = 0xC6120010, 0xC612FFF0
UPLINK_NETWORK = "198.19.255.0/24"
RESOLVER = "198.19.255.3"
CLOSED = (
    "0.0.0.0/8",
    "10.0.0.0/8",
    "100.64.0.0/10",
    "127.0.0.0/8",
    "169.254.0.0/16",
    "172.16.0.0/12",
    "192.0.0.0/24",
    "192.168.0.0/16",
    "198.18.0.0/15",
    "224.0.0.0/3",
)
SETTINGS = {"ip_forward": "1", "conf/all/rp_filter": "1", "conf/default/rp_filter": "1"}
PROGRAMS = {"slirp4netns": "slirp4netns", "nft": "nftables"}
PATH = "/usr/sbin:/usr/bin:/sbin:/bin:/usr/local/sbin:/usr/local/bin"
RULES = """
table inet lamina {{
  set allowed {{ type ipv4_addr; flags interval; auto-merge; {allowed} }}
  set closed {{ type ipv4_addr; flags interval; auto-merge; elements = {{ {closed} }} }}
  set host {{ type ipv4_addr; }}
  chain input {{
    type filter hook input priority 0; policy drop;
    iifname "s*" reject with icmp type admin-prohibited
  }}
  chain forward {{
    type filter hook forward priority 0; policy drop;
    meta nfproto ipv6 drop
    ct state established,related accept
    ct state new iifname "s*" oifname "{uplink}" ip saddr {network} jump leaving
    iifname "s*" reject with icmp type admin-prohibited
  }}
  chain leaving {{
    ip daddr {resolver} udp dport 53 accept
    ip daddr {resolver} tcp dport 53 accept
    ip daddr @allowed accept
    ip daddr @closed reject with icmp type admin-prohibited
    ip daddr @host reject with icmp type admin-prohibited
    accept
  }}
  chain leave {{ type nat hook postrouting priority 100; oifname "{uplink}" masquerade; }}
}}
"""
ENOENT, ETIMEDOUT = 2, 110
PATIENCE_SECONDS = 10.0
RESTART_SECONDS = 0.5


class Egress:
    """The router. It is made in the host's network namespace, and ``open`` is called in one of the launcher's own."""

    def __init__(self, allowed: tuple[str, ...] = ()) -> None:
        """Start what stays outside. ``allowed`` are networks, in CIDR form, that are open although they are closed."""
        with Step("find a way to the Internet"):
            self._slirp, self._nft = (_program(name) for name in PROGRAMS)
        self._allowed = allowed
        self._host = Netlink(RTMGRP_IPV4_IFADDR)
        self._known: set[str] = set()
        self._start, theirs = os.pipe2(os.O_CLOEXEC)[::-1]
        self._ready, ready = os.pipe2(os.O_CLOEXEC)
        launcher = os.getpid()
        self.pid = os.fork()
        if self.pid == 0:
            os.close(self._start)
            os.close(self._ready)
            _stay_outside(self._slirp, launcher, theirs, ready)
        os.close(theirs)
        os.close(ready)

    def open(self) -> None:
        """Make this network namespace the router, and connect it."""
        self._inner = Netlink()
        with Step("set the rules of the router"):
            for name, value in SETTINGS.items():
                _write(f"/proc/sys/net/ipv4/{name}", value)
            self._inner.set_up("lo")
            self._inner.add_address("lo", ROUTER)
            self._rule(
                RULES.format(
                    allowed=f"elements = {{ {', '.join(self._allowed)} }}" if self._allowed else "",
                    closed=", ".join(CLOSED),
                    uplink=UPLINK,
                    network=NETWORK,
                    resolver=RESOLVER,
                )
            )
            self.refresh()
        with Step("start slirp4netns"):
            os.write(self._start, b"1")
            if not select.select([self._ready], [], [], PATIENCE_SECONDS)[0]:
                raise OSError(ETIMEDOUT, os.strerror(ETIMEDOUT))
            if os.read(self._ready, 1) != b"1":
                raise OSError(ENOENT, "it has ended at once; is there a /dev/net/tun that this user may open?")

    @property
    def resolver(self) -> str:
        """``/etc/resolv.conf``."""
        return f"nameserver {RESOLVER}\n"

    def fileno(self) -> int:
        """Readable when the host's addresses have changed: ``refresh`` then."""
        return self._host.fileno()

    def refresh(self) -> None:
        """Close the addresses that the host has now."""
        self._host.drain()
        found = self._host.addresses()
        if found != self._known:
            elements = f"add element inet lamina host {{ {', '.join(sorted(found))} }}\n" if found else ""
            self._rule(f"flush set inet lamina host\n{elements}")
            self._known = found

    def attach(self, serial: int, pid: int) -> None:
        """Make a pair of devices to the sandbox of the process ``pid``; ``serial`` is the launcher's number for it."""
        name, address = f"s{serial}", self.address(serial)
        with Step("connect the sandbox to the router"):
            self._inner.add_pair(name, DEVICE, pid)
            self._inner.set_up(name)
            self._inner.add_route(name, to=address)

    def address(self, serial: int) -> str:
        """The address of a sandbox; two have the same one only when tens of thousands were made between them."""
        return socket.inet_ntoa(struct.pack("!I", FIRST + serial % (LAST - FIRST)))

    def _rule(self, text: str) -> None:
        done = subprocess.run([self._nft, "-f", "-"], input=text.encode(), capture_output=True, check=False)
        if done.returncode != 0:
            raise OSError(done.returncode, f"nft: {done.stderr.decode(errors='replace').strip()[:200]}")


def _program(name: str) -> str:
    path = shutil.which(name, path=PATH)
    if path is None:
        raise OSError(ENOENT, f"{name} is not installed (apt-get install {PROGRAMS[name]})")
    return path


def _write(path: str, text: str) -> None:
    with open(path, "w", encoding="ascii") as file:
        file.write(text)


def _stay_outside(program: str, launcher: int, start: int, ready: int) -> NoReturn:
    """Keep slirp4netns running as long as the launcher does."""
    try:
        _privileges.die_with_parent()
        os.setsid()
        if os.read(start, 1) == b"1":
            _keep_running(program, launcher, start, ready)
    finally:
        os._exit(0)


def _keep_running(program: str, launcher: int, start: int, ready: int) -> None:
    options = ["--configure", "--mtu=1500", f"--cidr={UPLINK_NETWORK}", "--disable-host-loopback", "--enable-sandbox"]
    options += [f"--exit-fd={start}", f"--ready-fd={ready}"]
    told = False
    while True:
        running = subprocess.Popen(
            [program, *options, str(launcher), UPLINK],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            pass_fds=[start, ready],
        )
        status = running.wait()
        if not told:
            os.write(ready, b"0")
            told = True
        if status == 0 or select.select([start], [], [], RESTART_SECONDS)[0]:
            return
