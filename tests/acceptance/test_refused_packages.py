"""Packages that are refused, and leave the function as it was."""

from __future__ import annotations

import pytest
from botocore.exceptions import ClientError

from demo._service import Service

from ._raw import FUNCTIONS, JSON, signed
from .conftest import Functions, package

SAYS = "def handler(event, context):\n    return {!r}\n"
TOO_LARGE = "Zipped size must be smaller than 52428800 bytes"
NO_ZIP = "Could not unzip uploaded file. Please check your file, then try to upload again."


@pytest.fixture(scope="module")
def name(functions: Functions) -> str:
    return functions.create(SAYS.format("kept"))


def refused(functions: Functions, name: str, data: bytes) -> tuple[str, str]:
    """Code and message; the function is unharmed."""
    with pytest.raises(ClientError) as refused:
        functions.client.update_function_code(FunctionName=name, ZipFile=data)
    assert functions.call(name) == "kept"
    error = refused.value.response["Error"]
    return error["Code"], error["Message"]


@pytest.mark.parametrize(
    "data", [b"no zip", b"PK\x03\x04", package("x")[:-10], package("x")[10:], package("x", "../escape.py")]
)
def test_no_zip(functions: Functions, name: str, data: bytes) -> None:
    assert refused(functions, name, data) == ("InvalidParameterValueException", NO_ZIP)


@pytest.mark.parametrize("data", [b"", b"PK\x05\x06" + bytes(18)])
def test_nothing(functions: Functions, name: str, data: bytes) -> None:
    code, message = refused(functions, name, data)
    assert (code, message) == ("InvalidParameterValueException", "Uploaded file must be a non-empty zip")


@pytest.mark.slow
def test_too_large(functions: Functions, name: str) -> None:
    data = package("x") + bytes(52_428_801)
    assert refused(functions, name, data) == ("RequestEntityTooLargeException", TOO_LARGE)


@pytest.mark.slow
def test_a_bomb(functions: Functions, name: str) -> None:
    data = package(bytes(262_144_001), "bomb")
    assert len(data) < 1_000_000
    assert refused(functions, name, data) == (
        "InvalidParameterValueException",
        "Unzipped size must be smaller than 262144000 bytes",
    )


def test_no_base64(service: Service, name: str) -> None:
    answer = signed(service, "PUT", f"{FUNCTIONS}/{name}/code", b'{"ZipFile": "*"}', JSON)
    assert (answer.status, answer.code) == (400, "SerializationException")
