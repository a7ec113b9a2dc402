from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest

from lamina.errors import (
    AccessDeniedException,
    InvalidParameterValueException,
    ResourceNotFoundException,
    ServiceException,
    TooManyRequestsException,
    UnknownOperationException,
)
from lamina.http import ServiceModel
from lamina.http._serialising import serialise, serialise_error

ID = "6c3d6f1e-6ef0-4d2b-a1ad-5f9d2a3e8a10"


@pytest.fixture
def answer(model):
    def answer(name, result):
        response = serialise(model.operations[name], result, ID)
        return response.status, dict(response.headers), response.body

    return answer


@pytest.fixture
def refusal(model):
    def refusal(error):
        response = serialise_error(model, error, ID)
        return response.status, dict(response.headers), json.loads(response.body)

    return refusal


def test_writes_what_the_model_knows_and_nothing_else(answer):
    status, headers, body = answer("UpdateFunctionCode", {"FunctionName": "f", "Handler": None, "Secret": 1})

    assert (status, body) == (200, b'{"FunctionName":"f"}')
    assert headers == {
        b"x-amzn-requestid": ID.encode(),
        b"content-type": b"application/json",
        b"content-length": b"20",
    }


def test_writes_nested_members_in_the_order_of_the_result(answer):
    _, _, body = answer("GetFunction", {"Tags": {"b": "1"}, "Configuration": {"Layers": [{"Arn": "x", "No": 1}]}})

    assert body == b'{"Tags":{"b":"1"},"Configuration":{"Layers":[{"Arn":"x"}]}}'


def test_empty_values_are_values(answer):
    _, _, body = answer("CreateFunction", {"Description": "", "Layers": [], "Timeout": 0})

    assert body == b'{"Description":"","Layers":[],"Timeout":0}'


def test_a_result_without_members_is_an_empty_object(answer):
    assert answer("GetFunctionCodeSigningConfig", {})[2] == b"{}"


@pytest.mark.parametrize("name", ["DeleteAlias", "TagResource", "DeleteCodeSigningConfig"])
def test_no_content_has_no_body(answer, name):
    assert answer(name, {}) == (204, {b"x-amzn-requestid": ID.encode()}, b"")


def test_a_member_of_the_result_can_be_the_status(answer):
    assert answer("DeleteFunction", {"StatusCode": 204}) == (204, {b"x-amzn-requestid": ID.encode()}, b"")


def test_a_payload_is_the_whole_body_and_other_members_are_headers(answer):
    result = {"StatusCode": 200, "ExecutedVersion": "$LATEST", "FunctionError": None, "Payload": b"[1]"}

    status, headers, body = answer("Invoke", result)

    assert (status, body) == (200, b"[1]")
    assert headers[b"x-amz-executed-version"] == b"$LATEST"
    assert b"x-amz-function-error" not in headers


def test_an_accepted_event_has_an_empty_body(answer):
    status, headers, body = answer("Invoke", {"StatusCode": 202})

    assert (status, headers[b"content-length"], body) == (202, b"0", b"")


def test_a_header_stays_one_line(answer):
    _, headers, _ = answer("Invoke", {"FunctionError": "a\r\nx-evil: 1\0\u2603"})

    assert headers[b"x-amz-function-error"] == b"a x-evil: 1?"


def test_times_are_epoch_seconds(answer):
    moment = datetime(2026, 1, 1, 0, 0, 0, 500_000, tzinfo=UTC)

    assert answer("GetFunctionEventInvokeConfig", {"LastModified": moment})[2] == b'{"LastModified":1767225600.5}'


def test_makes_a_request_id_when_it_gets_none(model):
    first, second = (serialise(model.operations["ListFunctions"], {}).headers[0] for _ in range(2))

    assert first[0] == b"x-amzn-requestid"
    assert first != second


def test_an_error_has_its_code_and_its_message_as_the_model_spells_it(refusal):
    status, headers, body = refusal(ResourceNotFoundException("Function not found: F:f"))

    assert (status, body) == (404, {"Type": "User", "Message": "Function not found: F:f"})
    assert headers[b"x-amzn-errortype"] == b"ResourceNotFoundException"
    assert headers[b"x-amzn-requestid"] == ID.encode()


def test_a_fault_of_the_service_says_so(refusal):
    assert refusal(ServiceException("x"))[::2] == (500, {"Type": "Service", "Message": "x"})


def test_an_untyped_error_has_its_message_alone(refusal):
    assert refusal(InvalidParameterValueException("x", typed=False))[::2] == (400, {"message": "x"})


def test_an_error_outside_the_model_has_its_message_alone(refusal):
    assert refusal(UnknownOperationException("x"))[::2] == (404, {"message": "x"})
    assert refusal(AccessDeniedException(None))[::2] == (403, {"message": None})


def test_members_of_an_error_go_where_the_model_has_them(refusal):
    error = TooManyRequestsException(
        "Rate Exceeded.", Reason="ReservedFunctionConcurrentInvocationLimitExceeded", retryAfterSeconds="2"
    )

    status, headers, body = refusal(error)

    assert (status, headers[b"retry-after"]) == (429, b"2")
    assert body == {
        "Type": "User",
        "message": "Rate Exceeded.",
        "Reason": "ReservedFunctionConcurrentInvocationLimitExceeded",
    }


def test_an_error_of_a_service_without_types_has_none():
    response = serialise_error(ServiceModel.load("signer"), ResourceNotFoundException("gone"), ID)

    assert (response.status, json.loads(response.body)) == (404, {"message": "gone"})
