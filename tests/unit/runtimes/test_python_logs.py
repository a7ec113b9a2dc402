"""What a Python function writes."""

from __future__ import annotations

import json
import re
from pathlib import Path

from tests.unit.runtimes.conftest import Start

TIME = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d"


def handler(body: str, before: str = "import logging, sys") -> dict[str, str]:
    return {"index.py": f"{before}\ndef handler(event, context):\n    {body}\n"}


def test_output_is_there_before_the_response(start: Start, python: str) -> None:
    function = start(python, handler("print('out'); print('no end', end=''); print('err', file=sys.stderr)"))
    function.invoke()
    assert function.log() == "out\nno enderr\n"


def test_output_is_there_at_once(start: Start, python: str) -> None:
    function = start(python, handler("print('partial', end=''); import os; os._exit(1)"))
    function.read()
    function.begin()
    function.status()
    assert function.log() == "partial"


def test_prints_every_string(start: Start, python: str) -> None:
    function = start(python, handler(r"print('ü \ud800'); logging.warning('\udcff')"))
    assert function.invoke().kind == "response"
    assert function.log().startswith("ü \\ud800\n[WARNING]")


def test_flushes_a_stream_of_the_functions_own(start: Start, python: str) -> None:
    body = "import io; sys.stdout = io.TextIOWrapper(open(1, 'wb', 1000, closefd=False)); print('late')"
    function = start(python, handler(body))
    function.invoke()
    assert function.log() == "late\n"


def test_survives_closed_streams(start: Start, python: str) -> None:
    function = start(python, handler("sys.stdout.close(); sys.stderr = None; return 1"))
    assert function.invoke().json == 1
    assert function.invoke().json == 1


def test_logs_lines_in_the_form_of_aws(start: Start, python: str) -> None:
    function = start(python, handler("logging.getLogger('x').warning('a %s', 1); logging.info('hidden')"))
    function.invoke()
    assert re.fullmatch(rf"\[WARNING\]\t{TIME}\.\d{{3}}Z\trequest-1\ta 1\n", function.log())


def test_logs_what_is_written_during_the_import(start: Start, python: str) -> None:
    function = start(python, handler("pass", before="import logging; logging.error('early')"))
    function.invoke()
    assert re.fullmatch(rf"\[ERROR\]\t{TIME}\.\d{{3}}Z\t\tearly\n", function.log())


def test_logs_an_uncaught_exception_with_no_break_spaces(start: Start, python: str, task_root: Path) -> None:
    function = start(python, handler("raise ValueError('no\\ngood')"))
    function.invoke()
    assert function.log() == (
        "[ERROR] ValueError: no\ngood\nTraceback (most recent call last):\n"
        f'\u00a0\u00a0File "{task_root}/index.py", line 3, in handler\n'
        "\u00a0\u00a0\u00a0\u00a0raise ValueError('no\\ngood')\n"
    )


def test_logs_json(start: Start, python: str) -> None:
    body = "logging.getLogger('x').info('a %s', 1, extra={'order': 7}); logging.debug('hidden')"
    function = start(python, handler(body), AWS_LAMBDA_LOG_FORMAT="JSON", AWS_LAMBDA_LOG_LEVEL="INFO")
    function.invoke()
    record = json.loads(function.log())
    assert re.fullmatch(rf"{TIME}Z", record.pop("timestamp"))
    assert record == {"level": "INFO", "message": "a 1", "logger": "x", "requestId": "request-1", "order": 7}


def test_logs_a_caught_exception_as_json(start: Start, python: str) -> None:
    body = "try: 1 / 0\n    except ZeroDivisionError: logging.exception('failed')"
    function = start(python, handler(body), AWS_LAMBDA_LOG_FORMAT="JSON")
    function.invoke()
    record = json.loads(function.log())
    assert (record["errorType"], record["errorMessage"]) == ("ZeroDivisionError", "division by zero")
    assert record["stackTrace"][0].endswith("in handler\n    try: 1 / 0\n")


def test_logs_an_uncaught_exception_as_json(start: Start, python: str) -> None:
    function = start(python, handler("raise ValueError('x')"), AWS_LAMBDA_LOG_FORMAT="JSON")
    error = function.invoke().json
    record = json.loads(function.log())
    assert record.pop("log_level") == "ERROR"
    assert re.fullmatch(rf"{TIME}Z", record.pop("timestamp"))
    assert record == error
