"""Services of AWS Query: a form goes in, XML comes out, errors too."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode

import pytest

from lamina.errors import (
    AccessDeniedException,
    ExpiredTokenException,
    NotImplementedException,
    SerializationException,
    ServiceError,
    ServiceException,
    UnrecognizedClientException,
    ValidationException,
)
from lamina.functions import Call
from lamina.http._query_protocol import InvalidAction, QueryProtocol, error_response, is_query
from lamina.http._request import Request

CALL = Call(account_id="1", region="r", request_id="i", access_key_id="k", base_url="http://localhost")
SPACE = "{https://sts.amazonaws.com/doc/2011-06-15/}"
ROLE = {"Action": "AssumeRole", "RoleArn": "arn:aws:iam::1:role/r", "RoleSessionName": "me"}


class Sts:
    """Keeps what it is asked and answers what the test says."""

    def __init__(self) -> None:
        self.params: dict[str, Any] = {}
        self.result: dict[str, Any] = {}
        self.protocol = QueryProtocol({"sts": {"AssumeRole": self.assume_role}})

    async def assume_role(self, call: Call, params: dict[str, Any]) -> dict[str, Any]:
        self.params = params
        return self.result

    async def ask(self, body: bytes, query: bytes = b"") -> ET.Element:
        answer = await self.protocol.answer("sts", request(query=query), CALL, body)
        assert answer.status == 200
        return ET.fromstring(answer.body)

    async def form(self, **fields: str) -> ET.Element:
        return await self.ask(
            urlencode(ROLE | {name.replace("_", "."): value for name, value in fields.items()}).encode()
        )


def request(headers: dict[str, str] | None = None, path: bytes = b"/", query: bytes = b"") -> Request:
    fields = [(name.encode(), value.encode()) for name, value in (headers or {}).items()]
    scope = {"method": "POST", "raw_path": path, "query_string": query, "headers": fields}
    return Request(scope, None)  # type: ignore[arg-type]


@pytest.fixture
def sts() -> Sts:
    return Sts()


async def test_scalars_lists_and_structures_are_read(sts: Sts) -> None:
    await sts.form(
        DurationSeconds="900",
        PolicyArns_member_1_arn="arn:aws:iam::1:policy/first",
        PolicyArns_member_2_arn="arn:aws:iam::1:policy/second",
        Tags_member_1_Key="k",
        Tags_member_1_Value="a b=c",
    )
    assert sts.params == {
        "RoleArn": "arn:aws:iam::1:role/r",
        "RoleSessionName": "me",
        "DurationSeconds": 900,
        "PolicyArns": [{"arn": "arn:aws:iam::1:policy/first"}, {"arn": "arn:aws:iam::1:policy/second"}],
        "Tags": [{"Key": "k", "Value": "a b=c"}],
    }


async def test_the_query_may_be_in_the_url(sts: Sts) -> None:
    await sts.ask(b"", urlencode(ROLE).encode())
    assert sts.params["RoleSessionName"] == "me"


async def test_results_are_written_by_the_model(sts: Sts) -> None:
    sts.result = {
        "Credentials": {"SecretAccessKey": "<&>", "Expiration": datetime(2026, 5, 1, tzinfo=UTC)},
        "PackedPolicySize": 5,
        "Unknown": "x",
    }
    root = await sts.form()
    assert root.tag == f"{SPACE}AssumeRoleResponse"
    result = root.find(f"{SPACE}AssumeRoleResult")
    assert result is not None
    assert [child.tag for child in result] == [f"{SPACE}Credentials", f"{SPACE}PackedPolicySize"]
    assert result.findtext(f"{SPACE}Credentials/{SPACE}SecretAccessKey") == "<&>"
    assert result.findtext(f"{SPACE}Credentials/{SPACE}Expiration") == "2026-05-01T00:00:00Z"
    assert root.findtext(f"{SPACE}ResponseMetadata/{SPACE}RequestId")


@pytest.mark.parametrize("fields", [{"RoleSessionName": "m"}, {"RoleArn": "short"}, {"DurationSeconds": "1"}])
async def test_constraints_of_the_model_hold(sts: Sts, fields: dict[str, str]) -> None:
    with pytest.raises(ValidationException):
        await sts.form(**fields)


@pytest.mark.parametrize("body", [b"\xff=1", b"a", b"&".join([b"a=1"] * 1001), b"Action=AssumeRole&DurationSeconds=x"])
async def test_what_is_no_form_is_refused(sts: Sts, body: bytes) -> None:
    with pytest.raises((SerializationException, InvalidAction)):
        await sts.ask(body)


async def test_operations_that_are_not_there(sts: Sts) -> None:
    with pytest.raises(InvalidAction, match="Could not find operation Nothing for version 1"):
        await sts.ask(b"Action=Nothing&Version=1")
    with pytest.raises(NotImplementedException, match="GetFederationToken of the sts service"):
        await sts.ask(b"Action=GetFederationToken")


@pytest.mark.parametrize(
    ("error", "status", "code", "fault"),
    [
        (UnrecognizedClientException("m"), 403, "InvalidClientTokenId", "Sender"),
        (ExpiredTokenException("m"), 403, "ExpiredToken", "Sender"),
        (AccessDeniedException("m"), 403, "AccessDenied", "Sender"),
        (ValidationException("m"), 400, "ValidationError", "Sender"),
        (InvalidAction("m"), 400, "InvalidAction", "Sender"),
        (NotImplementedException("m"), 501, "NotImplemented", "Receiver"),
        (ServiceException("m"), 500, "ServiceException", "Receiver"),
    ],
)
def test_errors_have_the_codes_of_the_protocol(error: ServiceError, status: int, code: str, fault: str) -> None:
    answer = error_response(request(), error)
    root = ET.fromstring(answer.body)
    found = [root.findtext(f"{SPACE}Error/{SPACE}{name}") for name in ("Type", "Code", "Message")]
    assert (answer.status, found) == (status, [fault, code, "m"])


def test_an_error_is_xml_whatever_the_request_had_in_it() -> None:
    answer = error_response(request(), ValidationException("a<b>\0\x1b\ud800\uffff&c"))
    assert ET.fromstring(answer.body).findtext(f"{SPACE}Error/{SPACE}Message") == "a<b>&c"


@pytest.mark.parametrize(
    ("headers", "path", "expected"),
    [
        ({"content-type": "application/x-www-form-urlencoded; charset=utf-8"}, b"/", True),
        ({"content-type": "application/x-www-form-urlencoded"}, b"/2015-03-31/functions", False),
        ({"authorization": "AWS4-HMAC-SHA256 Credential=k/20260501/us-east-1/sts/aws4_request"}, b"/", True),
        ({"authorization": "AWS4-HMAC-SHA256 Credential=k/20260501/us-east-1/lambda/aws4_request"}, b"/", False),
        ({"content-type": "application/x-www-form-urlencoded", "x-amz-target": "a.b"}, b"/", False),
        ({}, b"/", False),
    ],
)
def test_what_is_answered_as_xml(headers: dict[str, str], path: bytes, expected: bool) -> None:
    assert is_query(request(headers, path)) is expected
