"""Python 2.7 functions, where this machine still has it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from demo._service import Service
from lamina.runtimes import Runtimes

from .conftest import Functions, client

pytestmark = pytest.mark.skipif("python2.7" not in Runtimes.discover().names, reason="there is no Python 2.7 here")


@pytest.fixture(scope="module")
def functions(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Functions]:
    service = Service(tmp_path_factory.mktemp("python2") / "data", "--deprecated-runtimes", "allow")
    yield Functions(client(service.address))
    service.stop()


def test_runs_and_fails_as_it_did(functions: Functions) -> None:
    source = """# coding: utf-8
import os, sys
calls = []
def handler(event, context):
    calls.append(1)
    if event == "fail":
        raise ValueError(u"no lück")
    print u"hellö"
    return [list(sys.version_info[:2]), event, len(calls), os.getcwd(), isinstance(event, unicode)]
"""
    name = functions.create(source, Runtime="python2.7")
    assert functions.call(name, "ü") == [[2, 7], "ü", 1, "/var/task", True]
    assert functions.fail(name, "fail") == {
        "errorMessage": "no lück",
        "errorType": "ValueError",
        "stackTrace": [["/var/task/app.py", 7, "handler", 'raise ValueError(u"no lück")']],
    }
    assert functions.call(name, 1)[2] == 3


def test_the_service_refuses_it_as_aws_does() -> None:
    """By default: see ``deprecated_runtimes``."""
    from lamina.errors import InvalidParameterValueException
    from lamina.functions._members import check_runtime

    with pytest.raises(InvalidParameterValueException, match=r"python2\.7 is no longer supported"):
        check_runtime("python2.7", allow_ended=False)
