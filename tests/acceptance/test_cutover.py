"""The cut-over under load: nobody fails, and nobody who has seen ``Successful`` reaches old code."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from bench._cutover import FLAGS, Site, run
from bench._http import Connection, signed
from bench._image import can_be_made
from demo._service import Service
from tests._registry import PROGRAM, Registry, push

from ._shell_image import can_run_images
from ._waiting import Recorder, until
from .conftest import QUICKLY, Functions, client, package

pytestmark = pytest.mark.slow

UPDATES = 60
NUMBER = "def handler(event, context):\n    return {}\n"


class Callers:
    """Call without a pause until told to stop; ``check`` is given the number that had been seen before each call."""

    def __init__(self, address: str) -> None:
        self._address = address
        self.seen = 0
        self.calls = 0
        self.failures: list[Any] = []
        self._stop = threading.Event()

    @contextmanager
    def calling(self, checks: list[tuple[str, Callable[[int, int], bool]]]) -> Iterator[None]:
        """A caller for each of ``checks``: a path, and whether an answer is right."""
        threads = [threading.Thread(target=self._call, args=check) for check in checks]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            self._stop.set()
            for thread in threads:
                thread.join()

    def _call(self, path: str, right: Callable[[int, int], bool]) -> None:
        connection = Connection(self._address)
        request = signed(self._address, "POST", path, b"null")
        try:
            while not self._stop.is_set():
                before = self.seen
                status, body = connection.send(request)
                self.calls += 1
                if status != 200 or not body.isdigit() or not right(int(body), before):
                    self.failures.append((path, before, status, body))
        except OSError as error:
            self.failures.append((path, repr(error)))
        finally:
            connection.close()


def invocations(name: str, qualifier: str = "$LATEST") -> str:
    """The path to invoke at."""
    return f"/2015-03-31/functions/{name}/invocations?Qualifier={quote(qualifier)}"


def deploy(functions: Functions, name: str, number: int) -> None:
    """Update the code, and look at the status without pause until it is successful."""
    functions.client.update_function_code(FunctionName=name, ZipFile=package(NUMBER.format(number)))
    while True:
        found = functions.client.get_function_configuration(FunctionName=name)
        if found["LastUpdateStatus"] == "Successful":
            return
        assert found["LastUpdateStatus"] == "InProgress", found


def test_callers_without_pause_while_updates_go_through(tmp_path: Path) -> None:
    """P8, shortened: zips, S3 objects and images by turns, and callers in processes of their own."""
    has_images = PROGRAM is not None and can_be_made() and can_run_images(tmp_path / "level")
    registry = Registry(tmp_path / "registry") if has_images else None
    service = Service(tmp_path / "data", *FLAGS)
    try:
        site = Site(address=service.address, pid=service.pid, data=service.data, registry=registry, push=push)
        outcome = run(site, UPDATES)
    finally:
        service.stop()
        if registry is not None:
            registry.stop()
    tally = outcome.tally
    assert (tally.failed, tally.stale) == (0, 0), tally.told
    assert tally.calls > UPDATES
    assert not outcome.after.grown_since(outcome.before)


def test_callers_without_pause_while_an_alias_moves(service: Service, functions: Functions) -> None:
    name = functions.create(NUMBER.format(1), Publish=True)
    functions.update(name, NUMBER.format(2), Publish=True)
    functions.client.get_waiter("published_version_active").wait(FunctionName=name, Qualifier="2")
    functions.client.create_alias(FunctionName=name, Name="live", FunctionVersion="1")
    callers = Callers(service.address)
    moves: list[int] = [1]
    # ``before`` is how many moves had been seen: the answer is of one of the moves since, the next included.
    check = (invocations(name, "live"), lambda answer, before: answer in moves[before:])
    with callers.calling([check] * 4):
        for turn in range(50):
            moves.append(2 - turn % 2)
            functions.client.update_alias(FunctionName=name, Name="live", FunctionVersion=str(moves[-1]))
            callers.seen = turn + 1
    assert not callers.failures, (len(callers.failures), callers.calls, callers.failures[:5])


def test_a_configuration_cuts_over_as_code_does(service: Service, functions: Functions) -> None:
    source = "import os\ndef handler(event, context):\n    return int(os.environ['NUMBER'])\n"
    name = functions.create(source, Environment={"Variables": {"NUMBER": "0"}})
    callers = Callers(service.address)
    with callers.calling([(invocations(name), lambda answer, before: answer >= before)] * 4):
        for number in range(1, 21):
            variables = {"Variables": {"NUMBER": str(number)}}
            functions.client.update_function_configuration(FunctionName=name, Environment=variables)
            functions.client.get_waiter("function_updated_v2").wait(FunctionName=name, WaiterConfig=QUICKLY)
            callers.seen = number
    assert not callers.failures, (len(callers.failures), callers.calls, callers.failures[:5])


def test_what_runs_during_an_update_ends_with_the_code_it_began_with(service: Service, functions: Functions) -> None:
    source = "import time\ndef handler(event, context):\n    print('RAN 1')\n    time.sleep(1.5)\n    return 'old'\n"
    name = functions.create(source, Timeout=10)
    recorder = Recorder(client(service.address, "logs"))
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(functions.call, name)
        until(lambda: recorder.runs(name))
        deploy(functions, name, 2)
        assert functions.call(name) == 2
        assert not running.done()
        assert running.result() == "old"
    assert recorder.runs(name) == [1]
    assert recorder.ended(name) == 2


def test_what_runs_ends_when_its_function_is_deleted(service: Service, functions: Functions) -> None:
    source = "import time\ndef handler(event, context):\n    print('RAN 1')\n    time.sleep(1)\n    return 'old'\n"
    name = functions.create(source, Timeout=10)
    recorder = Recorder(client(service.address, "logs"))
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(functions.call, name)
        until(lambda: recorder.runs(name))
        functions.client.delete_function(FunctionName=name)
        with pytest.raises(functions.client.exceptions.ResourceNotFoundException):
            functions.client.invoke(FunctionName=name)
        assert running.result() == "old"


def test_of_two_updates_at_once_each_is_whole_or_refused(functions: Functions) -> None:
    name = functions.create(NUMBER.format(0))

    def update(number: int) -> bool:
        own = Functions(client(functions.client.meta.endpoint_url))
        try:
            own.client.update_function_code(FunctionName=name, ZipFile=package(NUMBER.format(number)))
        except own.client.exceptions.ResourceConflictException:
            return False
        return True

    for turn in range(5):
        numbers = range(turn * 10 + 1, turn * 10 + 7)
        with ThreadPoolExecutor(6) as pool:
            accepted = [number for number, taken in zip(numbers, pool.map(update, numbers), strict=True) if taken]
        functions.client.get_waiter("function_updated_v2").wait(FunctionName=name, WaiterConfig=QUICKLY)
        assert accepted
        assert functions.call(name) in accepted


def test_one_revision_id_is_good_for_one_update(functions: Functions) -> None:
    name = functions.create(NUMBER.format(0))
    revision = functions.client.get_function_configuration(FunctionName=name)["RevisionId"]
    code = {"FunctionName": name, "ZipFile": package(NUMBER.format(1)), "RevisionId": revision}
    functions.client.update_function_code(**code)
    functions.client.get_waiter("function_updated_v2").wait(FunctionName=name, WaiterConfig=QUICKLY)
    with pytest.raises(functions.client.exceptions.PreconditionFailedException):
        functions.client.update_function_code(**code)
    assert json.loads(functions.client.invoke(FunctionName=name)["Payload"].read()) == 1
