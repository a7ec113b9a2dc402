"""Services of JSON 1.1: what a header names is run, and everything else is refused in their words."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from lamina.errors import (
    KMSInvalidStateException,
    NotImplementedException,
    SerializationException,
    ServiceError,
    ServiceException,
    ValidationException,
)
from lamina.functions import Call
from lamina.http._json_protocol import JsonProtocol, error_response
from lamina.http._request import Request
from lamina.http._serialising import Response

CALL = Call(account_id="1", region="r", request_id="i", access_key_id="k", base_url="http://localhost")


async def decrypt(call: Call, params: dict[str, Any]) -> dict[str, Any]:
    return {"Plaintext": params["CiphertextBlob"], "KeyId": "k", "unknown": 1}


async def plain(call: Call, params: dict[str, Any]) -> dict[str, Any]:
    return {"given": params}


async def nothing(call: Call, params: dict[str, Any]) -> dict[str, Any]:
    return {}


@pytest.fixture(scope="module")
def protocol() -> JsonProtocol:
    return JsonProtocol({"kms": {"Decrypt": decrypt, "DisableKey": nothing}, "logs": {"GetLogEvents": plain}})


def request(target: str) -> Request:
    scope = {"method": "POST", "raw_path": b"/", "query_string": b"", "headers": [(b"x-amz-target", target.encode())]}
    return Request(scope, None)  # type: ignore[arg-type]


async def ask(protocol: JsonProtocol, service: str, target: str, body: bytes) -> Response:
    return await protocol.answer(service, request(target), CALL, body)


async def test_members_are_read_and_written_by_the_model(protocol: JsonProtocol) -> None:
    answer = await ask(protocol, "kms", "TrentService.Decrypt", b'{"CiphertextBlob": "aGk=", "Foreign": 1}')
    assert answer.status == 200
    assert orjson.loads(answer.body) == {"Plaintext": "aGk=", "KeyId": "k"}
    headers = dict(answer.headers)
    assert headers[b"content-type"] == b"application/x-amz-json-1.1"
    assert headers[b"content-length"] == b"%d" % len(answer.body)


async def test_an_operation_without_output_has_an_empty_answer(protocol: JsonProtocol) -> None:
    answer = await ask(protocol, "kms", "TrentService.DisableKey", b'{"KeyId": "k"}')
    assert (answer.status, answer.body) == (200, b"")


@pytest.mark.parametrize(
    ("body", "error", "message"),
    [
        (
            b"{}",
            ValidationException,
            "1 validation error detected: Value null at 'keyId' failed to satisfy constraint: Member must not be null",
        ),
        (
            b'{"KeyId": ""}',
            ValidationException,
            "1 validation error detected: Value '' at 'keyId' failed to satisfy constraint: "
            "Member must have length greater than or equal to 1",
        ),
        (b'{"KeyId": 1}', SerializationException, "NUMBER_VALUE can not be converted to a String"),
        (b"nonsense", SerializationException, None),
    ],
)
async def test_requests_that_break_the_model(
    protocol: JsonProtocol, body: bytes, error: type[ServiceError], message: str | None
) -> None:
    with pytest.raises(error) as raised:
        await ask(protocol, "kms", "TrentService.DisableKey", body)
    assert message is None or str(raised.value) == message


async def test_the_handlers_of_logs_get_plain_json(protocol: JsonProtocol) -> None:
    answer = await ask(protocol, "logs", "Logs_20140328.GetLogEvents", b'{"a": [1]}')
    assert orjson.loads(answer.body) == {"given": {"a": [1]}}
    assert orjson.loads((await ask(protocol, "logs", "Logs_20140328.GetLogEvents", b"")).body) == {"given": {}}
    with pytest.raises(SerializationException):
        await ask(protocol, "logs", "Logs_20140328.GetLogEvents", b"[]")


@pytest.mark.parametrize(
    ("service", "target"),
    [
        ("kms", "TrentService.Sign"),
        ("kms", "Logs_20140328.GetLogEvents"),
        ("kms", "DisableKey"),
        ("logs", "Logs_20140328.DisableKey"),
        ("kms", ""),
    ],
)
async def test_what_is_not_there_is_said_not_to_be(protocol: JsonProtocol, service: str, target: str) -> None:
    with pytest.raises(NotImplementedException, match=f"of the {service} service is not part of Lamina"):
        await ask(protocol, service, target, b"{}")


def test_it_knows_what_it_serves(protocol: JsonProtocol) -> None:
    assert protocol.serves("kms")
    assert protocol.serves("logs")
    assert not protocol.serves("lambda")


@pytest.mark.parametrize(
    ("error", "status", "document"),
    [
        (ValidationException("m"), 400, {"__type": "ValidationException", "message": "m"}),
        (KMSInvalidStateException("m"), 400, {"__type": "KMSInvalidStateException", "message": "m"}),
        (ValidationException(None), 400, {"__type": "ValidationException"}),
        (NotImplementedException("m"), 501, {"__type": "NotImplementedException", "message": "m"}),
        (ServiceException("m"), 500, {"__type": "ServiceException", "message": "m"}),
    ],
)
def test_errors(error: ServiceError, status: int, document: dict[str, str]) -> None:
    answer = error_response(request("TrentService.Decrypt"), error)
    assert (answer.status, orjson.loads(answer.body)) == (status, document)
