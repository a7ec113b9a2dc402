"""SnapStart with real environments."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import botocore.exceptions
import pytest

from demo._service import Service
from lamina.runtimes import Runtimes, RuntimeUnavailable

from ._waiting import until
from .conftest import QUICKLY, Functions, client

RUNTIME = "python3.12"
SNAP_START = {"ApplyOn": "PublishedVersions"}

UNIQUE = """
import os, random, tempfile, uuid
SEEN = {
    "random": random.random(),
    "uuid": str(uuid.uuid4()),
    "bytes": os.urandom(8).hex(),
    "hash": hash("the same text"),
    "process": os.readlink("/proc/self/ns/pid") + str(os.stat("/proc/self").st_ctime_ns),
}
open("/tmp/mine", "x").write(SEEN["uuid"])
def handler(event, context):
    import time
    time.sleep(event or 0)
    return {**SEEN, "later": random.random(), "file": open("/tmp/mine").read(), "files": os.listdir("/tmp")}
"""

HOOKS = """
import os, time
from snapshot_restore_py import register_after_restore, register_before_snapshot
RAN = []
register_before_snapshot(RAN.append, "before 1")
register_before_snapshot(RAN.append, "before 2")
@register_after_restore
def first():
    RAN.append("after 1")
register_after_restore(lambda *, name: RAN.append(name), name="after 2")
time.sleep(0.3)
def handler(event, context):
    return {"ran": RAN, "type": os.environ["AWS_LAMBDA_INITIALIZATION_TYPE"]}
"""


@pytest.fixture(scope="module", autouse=True)
def _python() -> None:
    try:
        Runtimes.discover().resolve(RUNTIME)
    except RuntimeUnavailable as error:
        pytest.skip(str(error))


def published(functions: Functions, source: str, **members: Any) -> str:
    """A function with SnapStart and its version 1, Active."""
    name = functions.create(source, Runtime=RUNTIME, SnapStart=SNAP_START, **members)
    answer = functions.client.publish_version(FunctionName=name)
    assert (answer["State"], answer["StateReasonCode"], answer["SnapStart"]["OptimizationStatus"]) == (
        "Pending",
        "Creating",
        "Off",
    )
    functions.client.get_waiter("published_version_active").wait(FunctionName=name, Qualifier="1", WaiterConfig=QUICKLY)
    return name


def lines(service: Service, name: str) -> list[str]:
    """What the function has logged, over all streams."""
    logs = client(service.address, "logs")
    return [event["message"] for event in logs.filter_log_events(logGroupName=f"/aws/lambda/{name}")["events"]]


def test_a_published_version_is_initialised_and_frozen(service: Service, functions: Functions) -> None:
    name = published(functions, HOOKS)
    until(lambda: any(line.startswith("INIT_START") for line in lines(service, name)))
    assert functions.client.get_function_configuration(FunctionName=name, Qualifier="1")["SnapStart"] == {
        "ApplyOn": "PublishedVersions",
        "OptimizationStatus": "On",
    }
    assert functions.client.get_function_configuration(FunctionName=name)["SnapStart"]["OptimizationStatus"] == "Off"
    answer = functions.call(name, Qualifier="1")
    assert answer == {"ran": ["before 2", "before 1", "after 1", "after 2"], "type": "snap-start"}
    assert functions.call(name) == {"ran": [], "type": "on-demand"}


def test_a_restore_is_quick_and_in_the_log(service: Service, functions: Functions) -> None:
    name = published(functions, HOOKS)
    answer = functions.client.invoke(FunctionName=name, Qualifier="1", LogType="Tail")
    assert answer["StatusCode"] == 200
    until(lambda: any(line.startswith("REPORT") for line in lines(service, name)))
    (report,) = [line for line in lines(service, name) if line.startswith("REPORT")]
    parts = dict(part.split(": ", 1) for part in report.strip().split("\t"))
    assert "Init Duration" not in parts
    assert float(parts["Restore Duration"].removesuffix(" ms")) < 250  # its initialisation takes 300
    duration, billed = float(parts["Duration"].removesuffix(" ms")), int(parts["Billed Duration"].removesuffix(" ms"))
    assert billed - int(parts["Billed Restore Duration"].removesuffix(" ms")) == -(-duration // 1)
    # Another is initialised to take its place.
    written = [line.split()[0] for line in lines(service, name) if not line.startswith("INIT_START")]
    start = written.index("RESTORE_START")
    assert written[start : start + 4] == ["RESTORE_START", "RESTORE_REPORT", "START", "END"]


def test_each_environment_is_its_own(functions: Functions) -> None:
    name = published(functions, UNIQUE, Timeout=20)
    first = functions.call(name, Qualifier="1")
    assert functions.call(name, Qualifier="1")["uuid"] == first["uuid"]
    with ThreadPoolExecutor(4) as threads:
        seen = list(threads.map(lambda _: functions.call(name, 1, Qualifier="1"), range(4)))
    environments = {each["uuid"] for each in seen}
    assert len(environments) > 1
    for what in ("random", "bytes", "hash", "process"):
        assert len({each[what] for each in seen}) == len(environments), what
    assert len({each["later"] for each in seen}) == len(seen)
    assert all(each["file"] == each["uuid"] and each["files"] == ["mine"] for each in seen)


def test_a_version_that_cannot_be_initialised_fails(functions: Functions) -> None:
    name = functions.create("import nothing_of_that_name\n", Runtime=RUNTIME, SnapStart=SNAP_START)
    functions.client.publish_version(FunctionName=name)

    def configuration() -> dict[str, Any]:
        return functions.client.get_function_configuration(FunctionName=name, Qualifier="1")

    until(lambda: configuration()["State"] != "Pending")
    failed = configuration()
    assert (failed["State"], failed["StateReasonCode"]) == ("Failed", "FunctionError")
    assert failed["StateReason"] == "Unable to import module 'app': No module named 'nothing_of_that_name'"
    assert failed["SnapStart"]["OptimizationStatus"] == "Off"
    with pytest.raises(botocore.exceptions.ClientError, match="currently in the following state: Failed"):
        functions.client.invoke(FunctionName=name, Qualifier="1")


def test_a_version_is_not_invoked_before_it_is_ready(functions: Functions) -> None:
    name = functions.create(
        "import time\ntime.sleep(1)\ndef handler(e, c):\n    return 1\n", Runtime=RUNTIME, SnapStart=SNAP_START
    )
    functions.client.publish_version(FunctionName=name)
    with pytest.raises(functions.client.exceptions.SnapStartNotReadyException) as caught:
        functions.client.invoke(FunctionName=name, Qualifier="1")
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 409
    functions.client.get_waiter("published_version_active").wait(FunctionName=name, Qualifier="1", WaiterConfig=QUICKLY)
    assert functions.call(name, Qualifier="1") == 1


def test_a_failing_hook_before_the_snapshot(functions: Functions) -> None:
    source = "import snapshot_restore_py\nsnapshot_restore_py.register_before_snapshot(lambda: 1 / 0)\n"
    name = functions.create(source + "def handler(e, c):\n    pass\n", Runtime=RUNTIME, SnapStart=SNAP_START)
    functions.client.publish_version(FunctionName=name)
    read = functions.client.get_function_configuration
    until(lambda: read(FunctionName=name, Qualifier="1")["State"] == "Failed")
    assert read(FunctionName=name, Qualifier="1")["StateReason"] == "division by zero"


def test_a_failing_hook_after_the_restore(functions: Functions) -> None:
    source = "import snapshot_restore_py\nsnapshot_restore_py.register_after_restore(lambda: 1 / 0)\n"
    name = published(functions, source + "def handler(e, c):\n    pass\n")
    with pytest.raises(functions.client.exceptions.SnapStartException) as caught:
        functions.client.invoke(FunctionName=name, Qualifier="1")
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 400
    assert "afterRestore() runtime hook" in caught.value.response["Message"]


@pytest.mark.slow
def test_a_hook_after_the_restore_has_ten_seconds(functions: Functions) -> None:
    source = "import time, snapshot_restore_py\nsnapshot_restore_py.register_after_restore(time.sleep, 60)\n"
    name = published(functions, source + "def handler(e, c):\n    pass\n")
    began = time.monotonic()
    with pytest.raises(functions.client.exceptions.SnapStartTimeoutException) as caught:
        functions.client.invoke(FunctionName=name, Qualifier="1")
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 408
    assert 10 <= time.monotonic() - began < 20


def test_a_restart_makes_them_again(start: Callable[..., Service]) -> None:
    first = start()
    functions = Functions(client(first.address))
    name = published(functions, HOOKS)
    first.stop()
    second = start()
    answer = client(second.address).invoke(FunctionName=name, Qualifier="1")
    assert json.loads(answer["Payload"].read())["type"] == "snap-start"


def test_without_any_kept_it_is_initialised_when_it_is_invoked(start: Callable[..., Service]) -> None:
    functions = Functions(client(start("--snapshots", "0").address))
    name = published(functions, HOOKS)
    assert functions.call(name, Qualifier="1")["ran"] == ["before 2", "before 1", "after 1", "after 2"]


@pytest.mark.parametrize(
    ("members", "what"),
    [
        ({"Runtime": "python3.11"}, "python3.11"),
        ({"Runtime": "provided.al2023"}, "provided.al2023"),
        ({"Runtime": RUNTIME, "EphemeralStorage": {"Size": 513}}, "EphemeralStorage of more than 512 MB"),
    ],
)
def test_what_cannot_have_it(functions: Functions, members: dict[str, Any], what: str) -> None:
    with pytest.raises(functions.client.exceptions.InvalidParameterValueException) as caught:
        functions.create("def handler(e, c):\n    pass\n", SnapStart=SNAP_START, **members)
    assert str(caught.value).endswith(f"{what} is not supported for SnapStart enabled functions.")
