"""The launcher's beginning: find out what the machine allows, choose the level, build its world, serve."""

from __future__ import annotations

import gc
import os
import resource
import signal
import socket

from lamina.sandbox import _messages, _probe
from lamina.sandbox._plain import Plain
from lamina.sandbox._service import Service
from lamina.sandbox._steps import StepFailed
from lamina.sandbox._world import World

TYPE_CHECKING = False
if TYPE_CHECKING:
    from lamina.sandbox._messages import Message


def main(arguments: list[str]) -> None:
    """Serve on the inherited socket until it is closed.

    The arguments are ``<socket> <directory> <isolation> <spares> <cpu> <network> <networks that egress may reach>``.

    The isolation ``probe`` answers what the machine allows, and ends.
    """
    server = socket.socket(fileno=int(arguments[0]))
    os.set_inheritable(server.fileno(), False)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # Each sandbox takes six descriptors.
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    # What is made here is for the eyes of every sandbox's user.
    os.umask(0o022)
    directory, isolation = arguments[1:3]
    try:
        report = _report(directory, isolation)
        _messages.send(server, report)
        if isolation == "probe":
            return
        world = _world(directory, report, arguments[4:])
    except (StepFailed, OSError, ValueError) as error:
        _messages.send(server, {"unavailable": str(error)})
        return
    service = Service(server, world, spares=int(arguments[3]) if report["level"] != "E" else 0)
    # What exists now is shared with all children as long as the collector does not touch it.
    gc.collect()
    gc.freeze()
    _messages.send(server, {"ready": report["level"]})
    service.run()


def _report(directory: str, isolation: str) -> Message:
    findings = _probe.probe(directory)
    level = _probe.choose(findings, "auto" if isolation == "probe" else isolation)
    return {"level": level, "findings": findings, "remedies": _probe.REMEDIES, "needed": _probe.LEVELS}


def _world(directory: str, report: Message, options: list[str]) -> World | Plain:
    cpu, network, allowed = options
    level, findings = report["level"], report["findings"]
    if level == "E":
        return Plain(directory)
    egress = None
    if network == "egress":
        # Few need it, and what it needs is large.
        from lamina.sandbox._egress import Egress

        egress = Egress(tuple(filter(None, allowed.split(","))))
    disk, overlay = not findings["disk for /tmp"], findings["image layers"]
    return World(directory, level, disk=disk, cpu=cpu == "cpu", overlay=overlay, egress=egress)
