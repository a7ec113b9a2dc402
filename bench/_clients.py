"""Callers as P1 has one: processes with the standard library's client, each sending as soon as it has an answer."""

from __future__ import annotations

import multiprocessing
import socket
import time
from collections.abc import Mapping
from http.client import HTTPConnection
from multiprocessing.queues import Queue
from multiprocessing.synchronize import Barrier


def _call(
    address: str, path: str, headers: Mapping[str, str], seconds: float, together: Barrier, answers: Queue[int]
) -> None:
    connection = HTTPConnection(address)
    connection.connect()
    connection.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    together.wait()
    count, end = 0, time.perf_counter() + seconds
    while time.perf_counter() < end:
        connection.request("POST", path, b"{}", headers)
        response = connection.getresponse()
        response.read()
        if response.status != 200:
            break
        count += 1
    answers.put(count)


def clients_rate(address: str, path: str, headers: Mapping[str, str], callers: int, seconds: float) -> float:
    """Requests a second that a server answers to this many callers."""
    context = multiprocessing.get_context("spawn")
    answers: Queue[int] = context.Queue()
    together = context.Barrier(callers)
    arguments = (address.removeprefix("http://"), path, headers, seconds, together, answers)
    processes = [context.Process(target=_call, args=arguments) for _ in range(callers)]
    for process in processes:
        process.start()
    total = sum(answers.get() for _ in processes)
    for process in processes:
        process.join()
    return total / seconds
