"""Asynchronous invocations: accepted, run later, tried again, not lost."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from demo._service import Service

from ._waiting import Recorder, until
from .conftest import Functions, client

RECORDS = """
import json, time
def handler(event, context):
    print("RAN", json.dumps([{0!r}, event, context.aws_request_id]))
    {1}
"""


@pytest.fixture(scope="module")
def quick(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A service that tries again soon."""
    started = Service(tmp_path_factory.mktemp("events") / "data", "--retry-delay", "0.2")
    yield started
    started.stop()


@pytest.fixture
def events(quick: Service) -> Functions:
    return Functions(client(quick.address))


@pytest.fixture
def runs(quick: Service) -> Callable[[str], list[Any]]:
    """What a function has recorded so far."""
    return Recorder(client(quick.address, "logs")).runs


def send(functions: Functions, name: str, payload: Any = None, **members: Any) -> str:
    """Send an event; its request id."""
    answer = functions.client.invoke(FunctionName=name, InvocationType="Event", Payload=json.dumps(payload), **members)
    assert answer["StatusCode"] == 202
    assert answer["Payload"].read() == b""
    assert "ExecutedVersion" not in answer
    return answer["ResponseMetadata"]["RequestId"]


def test_an_event_runs(events: Functions, runs: Callable[[str], list[Any]]) -> None:
    name = events.create(RECORDS.format("one", "return 1"))
    request_id = send(events, name, {"a": "ü"})
    until(lambda: runs(name) == [["one", {"a": "ü"}, request_id]])


def test_an_event_for_a_version(events: Functions, runs: Callable[[str], list[Any]]) -> None:
    name = events.create(RECORDS.format("one", "return 1"), Publish=True)
    events.client.get_waiter("published_version_active").wait(FunctionName=name, Qualifier="1")
    events.update(name, RECORDS.format("two", "return 2"))
    request_id = send(events, name, Qualifier="1")
    until(lambda: runs(name) == [["one", None, request_id]])


@pytest.mark.slow
@pytest.mark.parametrize("body", ["raise ValueError('no')", "__import__('os')._exit(1)"])
def test_two_retries_with_the_same_request_id_then_it_is_dropped(
    events: Functions, runs: Callable[[str], list[Any]], body: str
) -> None:
    name = events.create(RECORDS.format("one", body))
    request_id = send(events, name)
    until(lambda: len(runs(name)) >= 3)
    # An event sent after the last retry has its own three runs; a fourth of the first would come before its last.
    second = send(events, name)
    until(lambda: [run[2] for run in runs(name)].count(second) == 3)
    assert [run[2] for run in runs(name)] == [request_id] * 3 + [second] * 3


@pytest.mark.slow
def test_an_event_that_waits_runs_with_new_code(events: Functions, runs: Callable[[str], list[Any]]) -> None:
    name = events.create(RECORDS.format("old", "raise ValueError('no')"))
    request_id = send(events, name)
    until(lambda: runs(name))
    events.update(name, RECORDS.format("new", "return 1"))
    until(lambda: runs(name)[-1] == ["new", None, request_id])


@pytest.mark.slow
def test_throttled_events_run_later(events: Functions, runs: Callable[[str], list[Any]]) -> None:
    name = events.create(RECORDS.format("one", "time.sleep(0.2)"))
    events.client.put_function_concurrency(FunctionName=name, ReservedConcurrentExecutions=1)
    sent = {send(events, name, number) for number in range(4)}
    until(lambda: {run[2] for run in runs(name)} == sent, seconds=40)
    assert len(runs(name)) == 4


def test_an_event_of_a_deleted_function_is_dropped(events: Functions, runs: Callable[[str], list[Any]]) -> None:
    name = events.create(RECORDS.format("one", "raise ValueError('no')"))
    send(events, name)
    until(lambda: runs(name))
    events.client.delete_function(FunctionName=name)
    other = events.create(RECORDS.format("other", "return 1"))
    send(events, other)
    until(lambda: runs(other))


@pytest.mark.parametrize("members", [{}, {"Qualifier": "9"}])
def test_an_event_for_nothing_is_refused(events: Functions, members: dict[str, str]) -> None:
    with pytest.raises(events.client.exceptions.ResourceNotFoundException):
        events.client.invoke(FunctionName="nothing", InvocationType="Event", **members)


def test_the_payload_of_an_event_has_a_limit(events: Functions) -> None:
    name = events.create(RECORDS.format("one", "return 1"))
    payload = b'"%s"' % (b"x" * 1_048_575)
    with pytest.raises(ClientError) as refused:
        events.client.invoke(FunctionName=name, InvocationType="Event", Payload=payload)
    assert refused.value.response["Error"] == {
        "Code": "RequestEntityTooLargeException",
        "Message": "1048577 byte payload is too large for the Event invocation type (limit 1048576 bytes)",
    }
    assert events.client.invoke(FunctionName=name, InvocationType="Event", Payload=payload[:-2] + b'"')


def test_a_bad_payload_is_refused_at_once(events: Functions) -> None:
    name = events.create(RECORDS.format("one", "return 1"))
    with pytest.raises(events.client.exceptions.InvalidRequestContentException):
        events.client.invoke(FunctionName=name, InvocationType="Event", Payload=b"{")


def test_a_dry_run_runs_nothing(events: Functions, runs: Callable[[str], list[Any]]) -> None:
    name = events.create(RECORDS.format("one", "return 1"))
    answer = events.client.invoke(FunctionName=name, InvocationType="DryRun", Payload=b"1")
    assert (answer["StatusCode"], answer["Payload"].read()) == (204, b"")
    request_id = send(events, name, 2)
    until(lambda: runs(name))
    assert runs(name) == [["one", 2, request_id]]


def test_a_dry_run_of_nothing_is_refused(events: Functions) -> None:
    with pytest.raises(events.client.exceptions.ResourceNotFoundException):
        events.client.invoke(FunctionName="nothing", InvocationType="DryRun")


@pytest.mark.slow
def test_what_is_queued_survives_a_restart(data: Path) -> None:
    service = Service(data, "--retry-delay", "0.5")
    functions = Functions(client(service.address))
    name = functions.create(RECORDS.format("old", "raise ValueError('no')"))
    request_id = send(functions, name, "kept")
    before = Recorder(client(service.address, "logs"))
    until(lambda: before.runs(name))
    functions.update(name, RECORDS.format("new", "return 1"))
    service.stop()
    service = Service(data, "--retry-delay", "0.5")
    try:
        after = Recorder(client(service.address, "logs"))
        until(lambda: after.runs(name)[-1] == ["new", "kept", request_id])
    finally:
        service.stop()
