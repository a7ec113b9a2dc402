"""Payloads and client contexts that cannot be invoked with."""

from __future__ import annotations

import pytest
from botocore.exceptions import ClientError

from demo._service import Service

from .conftest import Functions, client

PREFIX = "Could not parse request body into json: Could not parse payload into json: "
SOURCE = "\n at [Source: REDACTED (`StreamReadFeature.INCLUDE_SOURCE_IN_LOCATION` disabled); line: 1, column: 1]"
EXPECTED = "expected a valid value (JSON String, Number, Array, Object or token 'null', 'true' or 'false')"


@pytest.fixture(scope="module")
def name(functions: Functions) -> str:
    return functions.create("def handler(event, context):\n    return context.client_context is not None\n")


@pytest.mark.parametrize("payload", [b"\x99", b"\x87", b"{", b"{]", b"x", b"nul", b"1 2", b"NaN", b"'a'", b'{"a":}'])
def test_no_json(functions: Functions, name: str, payload: bytes) -> None:
    with pytest.raises(functions.client.exceptions.InvalidRequestContentException) as refused:
        functions.client.invoke(FunctionName=name, Payload=payload)
    answer = refused.value.response
    assert answer["ResponseMetadata"]["HTTPStatusCode"] == 400
    assert answer["Type"] == "User"
    assert answer["message"].startswith(PREFIX)
    assert SOURCE.split(";")[0] in answer["message"]


def test_the_recorded_words(functions: Functions, name: str) -> None:
    with pytest.raises(functions.client.exceptions.InvalidRequestContentException) as refused:
        functions.client.invoke(FunctionName=name, Payload=b"\x99")
    assert refused.value.response["message"] == (
        f"{PREFIX}Unexpected character ((CTRL-CHAR, code 153)): {EXPECTED}{SOURCE}"
    )


@pytest.mark.parametrize("context", ["x", "====", "e30", "MQ==", "bnVsbA==", "W10="])
def test_a_bad_client_context(functions: Functions, name: str, context: str) -> None:
    with pytest.raises(functions.client.exceptions.InvalidParameterValueException) as refused:
        functions.client.invoke(FunctionName=name, ClientContext=context)
    assert refused.value.response["Error"]["Message"] == ("Client context must be a valid Base64-encoded JSON object.")


def test_a_good_client_context(functions: Functions, name: str) -> None:
    assert functions.call(name, ClientContext="eyJjdXN0b20iOiB7ImEiOiAiXHUwMGZjIn19") is True


@pytest.mark.parametrize("member", ["InvocationType", "LogType"])
def test_an_unknown_type(service: Service, name: str, member: str) -> None:
    loose = client(service.address, parameter_validation=False)
    with pytest.raises(ClientError) as refused:
        loose.invoke(FunctionName=name, **{member: "Other"})
    assert refused.value.response["Error"]["Code"] == "ValidationException"
    assert "Value 'Other' at" in refused.value.response["Error"]["Message"]
