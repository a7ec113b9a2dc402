"""What environments do beyond one invocation: bytecode, bursts, freezing, formats of the log."""

from __future__ import annotations

import base64
import json
import sys
import time
from concurrent.futures import ThreadPoolExecutor

from .conftest import Functions

TAG = f"cpython-3{sys.version_info.minor}"


def test_a_package_of_some_size_is_compiled_before_it_serves(functions: Functions) -> None:
    filler = "\n".join(f"def unused_{n}(): return {n} + {n}" for n in range(1000))
    source = f"{filler}\nimport os\ndef handler(event, context):\n    return os.listdir('/var/task/__pycache__')\n"
    assert len(source) > 16_384
    assert functions.call(functions.create(source)) == [f"app.{TAG}.pyc"]


def test_what_does_not_compile_is_reported_when_it_runs(functions: Functions) -> None:
    filler = "\n".join(f"unused_{n} = {n}" for n in range(2000))
    error = functions.fail(functions.create(f"{filler}\ndef handler(:\n"))
    assert error["errorType"] == "Runtime.UserCodeSyntaxError"


def test_a_burst_gets_an_environment_each(functions: Functions) -> None:
    name = functions.create(
        "import time, uuid\nME = str(uuid.uuid4())\ndef handler(e, c):\n    time.sleep(1)\n    return ME\n"
    )
    with ThreadPoolExecutor(12) as pool:
        found = list(pool.map(lambda _: functions.call(name), range(12)))
    assert len(set(found)) == 12


def test_a_frozen_environment_does_nothing_between_invocations(functions: Functions) -> None:
    source = """
import threading, time
ticks = 0
def tick():
    global ticks
    while True:
        time.sleep(0.01)
        ticks += 1
threading.Thread(target=tick, daemon=True).start()
def handler(event, context):
    return ticks
"""
    name = functions.create(source)
    functions.call(name)
    time.sleep(0.5)
    before = functions.call(name)
    time.sleep(1.5)
    assert functions.call(name) - before < 60


def test_functions_that_log_json_get_platform_events(functions: Functions) -> None:
    source = "import logging\ndef handler(e, c):\n    logging.getLogger().error('oh %s', 'no')\n"
    name = functions.create(source, LoggingConfig={"LogFormat": "JSON"})
    tail = base64.b64decode(functions.client.invoke(FunctionName=name, LogType="Tail")["LogResult"]).decode()
    start, logged, report = (json.loads(line) for line in tail.splitlines())
    assert start["type"] == "platform.start"
    assert (logged["level"], logged["message"]) == ("ERROR", "oh no")
    assert report["record"]["metrics"]["memorySizeMB"] == 128


def test_variables_for_the_start_of_the_interpreter_have_their_effect(functions: Functions) -> None:
    source = "import sys\ndef handler(e, c): return sys.flags.optimize\n"
    name = functions.create(source, Environment={"Variables": {"PYTHONOPTIMIZE": "2"}})
    assert functions.call(name) == 2
