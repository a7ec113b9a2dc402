"""The life of environments, as a client sees it: resets, and initialisations that take too long."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from .conftest import Functions

SOURCE = """
import os, pathlib, time
count = 0
note = pathlib.Path("/tmp/note")
def handler(event, context):
    global count
    count += 1
    seen = note.read_text() if note.exists() else ""
    note.write_text(seen + "x")
    if event == "crash":
        os._exit(1)
    if event == "hang":
        time.sleep(60)
    return {"count": count, "seen": seen}
"""


@pytest.mark.parametrize("how", ["crash", "hang"])
def test_files_survive_a_reset_and_memory_does_not(functions: Functions, how: str) -> None:
    name = functions.create(SOURCE, Timeout=1)
    assert functions.call(name) == {"count": 1, "seen": ""}
    functions.fail(name, how)
    assert functions.call(name) == {"count": 1, "seen": "xx"}
    assert functions.call(name) == {"count": 2, "seen": "xxx"}


def test_an_update_begins_with_an_empty_folder(functions: Functions) -> None:
    name = functions.create(SOURCE)
    functions.call(name)
    functions.fail(name, "crash")
    functions.update(name, SOURCE + "\n# again\n")
    assert functions.call(name) == {"count": 1, "seen": ""}


def report(functions: Functions, name: str, payload: Any = None) -> str:
    answer = functions.client.invoke(FunctionName=name, Payload=json.dumps(payload), LogType="Tail")
    return base64.b64decode(answer["LogResult"]).decode()


def test_reports_say_how_it_went(functions: Functions) -> None:
    name = functions.create(SOURCE, Timeout=1)
    first = report(functions, name)
    fields = dict(field.split(": ") for field in first.splitlines()[-1].split("\t")[1:] if ": " in field)
    duration, init = (float(fields[key].split()[0]) for key in ("Duration", "Init Duration"))
    assert abs(int(fields["Billed Duration"].split()[0]) - (duration + init)) <= 1.01
    assert "Status" not in first
    assert "Status: timeout" in report(functions, name, "hang")
    assert "Status: error\tError Type: Runtime.ExitError" in report(functions, name, "crash")


@pytest.mark.slow
def test_an_initialisation_of_more_than_ten_seconds_is_tried_again(functions: Functions) -> None:
    slow_once = """
    import pathlib, time
    print("begins", flush=True)
    time.sleep(11)
    def handler(event, context):
        return context.get_remaining_time_in_millis()
    """
    import textwrap

    name = functions.create(textwrap.dedent(slow_once), Timeout=14)
    left = functions.call(name)
    assert 0 < left < 3_500
