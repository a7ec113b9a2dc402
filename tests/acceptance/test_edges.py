"""Requests that no good client sends, and what they are answered with."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from urllib.parse import urlsplit

import pytest
from botocore.exceptions import ClientError

from demo._service import Service

from ._raw import FUNCTIONS, JSON, SETTINGS, send, sign, signed
from .conftest import ROLE, RUNTIME, Functions, client, package

SAYS = "def handler(event, context):\n    return {!r}\n"
MISMATCH = "The request signature we calculated does not match the signature you provided."


class TestCredentials:
    def test_an_unsigned_request(self, service: Service) -> None:
        answer = send(service, "GET", SETTINGS)
        assert (answer.status, answer.code) == (403, "MissingAuthenticationTokenException")
        assert answer.message == "Missing Authentication Token"

    def test_an_unknown_key(self, service: Service) -> None:
        answer = signed(service, "GET", SETTINGS, key="AKIANOBODY")
        assert (answer.status, answer.code) == (403, "UnrecognizedClientException")
        assert answer.message == "The security token included in the request is invalid."

    @pytest.mark.parametrize("key", ["test", "123456789012"])
    def test_a_wrong_secret(self, service: Service, key: str) -> None:
        answer = signed(service, "GET", SETTINGS, key=key, secret="wrong")
        assert (answer.status, answer.code) == (403, "InvalidSignatureException")
        assert answer.message is not None
        assert answer.message.startswith(MISMATCH)

    @pytest.mark.parametrize(
        "authorization",
        ["", "x", "Basic dGVzdDp0ZXN0", "AWS4-HMAC-SHA256", "AWS4-HMAC-SHA256 Credential=test, Signature=1", "\xff"],
    )
    def test_a_broken_authorization(self, service: Service, authorization: str) -> None:
        answer = send(service, "GET", SETTINGS, headers={"Authorization": authorization})
        assert answer.status in {400, 403}
        assert answer.message

    def test_a_body_that_was_changed(self, service: Service) -> None:
        headers = sign(service, "POST", FUNCTIONS, b"{}")
        assert send(service, "POST", FUNCTIONS, b"[]", headers).code == "InvalidSignatureException"

    @pytest.mark.parametrize(
        ("minutes", "text"),
        [(-6, "Signature expired: {0} is now earlier than "), (6, "Signature not yet current: {0}")],
    )
    def test_a_clock_that_is_wrong(
        self, service: Service, monkeypatch: pytest.MonkeyPatch, minutes: int, text: str
    ) -> None:
        moment = datetime.now(UTC) + timedelta(minutes=minutes)
        monkeypatch.setattr("botocore.auth.get_current_datetime", lambda: moment.replace(tzinfo=None))
        answer = signed(service, "GET", SETTINGS)
        assert (answer.status, answer.code) == (403, "InvalidSignatureException")
        assert answer.message is not None
        assert answer.message.startswith(text.format(f"{moment:%Y%m%dT%H%M%SZ}"))
        assert answer.message.endswith("5 min.)")

    def test_a_service_that_is_not_here(self, service: Service) -> None:
        answer = signed(service, "GET", "/", scope="sqs")
        assert (answer.status, answer.code) == (501, "NotImplementedException")
        assert answer.message is not None
        assert "sqs" in answer.message

    def test_a_presigned_request(self, service: Service, functions: Functions) -> None:
        name = functions.create(SAYS.format(1))
        url = functions.client.generate_presigned_url("get_function", {"FunctionName": name}, ExpiresIn=60)
        with urllib.request.urlopen(url) as answer:
            assert json.load(answer)["Configuration"]["FunctionName"] == name
        with pytest.raises(urllib.error.HTTPError, match="403"):
            urllib.request.urlopen(url.replace("X-Amz-Expires=60", "X-Amz-Expires=61"))

    def test_the_key_of_downloads_opens_nothing_else(self, service: Service) -> None:
        assert signed(service, "GET", SETTINGS, key="LAMINADOWNLOADS").code == "UnrecognizedClientException"
        answer = signed(service, "GET", f"/_lamina/packages/{'0' * 64}")
        assert answer.code == "UnrecognizedClientException"


class TestWebPages:
    @pytest.mark.parametrize(
        "headers",
        [
            {"Origin": "https://example.com"},
            {"Origin": "null"},
            {"Sec-Fetch-Site": "cross-site"},
            {"Host": "rebound.example.com"},
            {"Host": "127.0.0.1.example.com:4566"},
        ],
    )
    def test_they_are_refused(self, service: Service, headers: dict[str, str]) -> None:
        answer = send(service, "GET", SETTINGS, headers=sign(service, "GET", SETTINGS, headers=headers))
        assert (answer.status, answer.code) == (403, "ForbiddenException")

    def test_a_preflight_gets_nothing(self, service: Service) -> None:
        headers = {"Origin": "https://example.com", "Access-Control-Request-Method": "POST"}
        answer = send(service, "OPTIONS", FUNCTIONS, headers=headers)
        assert answer.status == 403
        assert not [name for name in answer.headers if name.lower().startswith("access-control")]

    def test_localhost_by_name(self, service: Service) -> None:
        port = urlsplit(service.address).port
        headers = sign(service, "GET", SETTINGS, headers={"Host": f"localhost:{port}"})
        assert send(service, "GET", SETTINGS, headers=headers).status == 200


class TestRequests:
    @pytest.mark.parametrize("body", [b"{", b"[]", b"1", b'"x"', b"\xff\xfe", b"{'a': 1}", b'{"FunctionName": 1e999}'])
    def test_a_body_that_is_no_object(self, service: Service, body: bytes) -> None:
        answer = signed(service, "POST", FUNCTIONS, body, JSON)
        assert answer.status == 400
        assert answer.code in {"SerializationException", "InvalidRequestContentException"}

    def test_a_deep_body(self, service: Service) -> None:
        answer = signed(service, "POST", FUNCTIONS, b'{"a":' * 5000 + b"1" + b"}" * 5000, JSON)
        assert answer.status == 400

    @pytest.mark.parametrize(
        ("method", "path"),
        [
            ("GET", "/"),
            ("PATCH", FUNCTIONS),
            ("GET", "/2015-03-31"),
            ("POST", "/2015-03-31/functions/x/y/z"),
            ("GET", "/../etc/passwd"),
        ],
    )
    def test_an_unknown_operation(self, service: Service, method: str, path: str) -> None:
        answer = signed(service, method, path)
        assert (answer.status, answer.code) == (404, "UnknownOperationException")

    @pytest.mark.parametrize(("path", "name"), [("/2018-10-31/layers", "ListLayers")])
    def test_an_operation_that_is_not_built_yet(self, service: Service, path: str, name: str) -> None:
        answer = signed(service, "GET", path)
        assert (answer.status, answer.code) == (501, "NotImplementedException")
        assert answer.message is not None
        assert name in answer.message

    def test_every_answer_has_a_request_id(self, service: Service) -> None:
        for answer in (send(service, "GET", "/"), signed(service, "GET", "/"), signed(service, "GET", SETTINGS)):
            assert answer.headers["x-amzn-RequestId"]


class TestSizes:
    LIMITS = (
        ("POST", FUNCTIONS, 70_167_211, "CreateFunction"),
        ("PUT", f"{FUNCTIONS}/x/code", 70_167_211, "UpdateFunctionCode"),
        ("PUT", f"{FUNCTIONS}/x/configuration", 6_291_456, "UpdateFunctionConfiguration"),
    )

    @pytest.mark.parametrize(("method", "path", "limit", "name"), LIMITS)
    def test_a_declared_size(self, service: Service, method: str, path: str, limit: int, name: str) -> None:
        headers = sign(service, method, path) | {"Content-Length": str(limit + 1)}
        answer = send(service, method, path, headers=headers)
        assert (answer.status, answer.code) == (413, "RequestEntityTooLargeException")
        assert answer.message == f"Request must be smaller than {limit} bytes for the {name} operation"

    def test_a_declared_payload(self, service: Service) -> None:
        path = f"{FUNCTIONS}/x/invocations"
        headers = sign(service, "POST", path) | {"Content-Length": "6291457"}
        answer = send(service, "POST", path, headers=headers)
        assert answer.status == 413
        assert answer.message == (
            "6291457 byte payload is too large for the RequestResponse invocation type (limit 6291456 bytes)"
        )

    def test_a_body_that_tells_no_size(self, service: Service) -> None:
        path = f"{FUNCTIONS}/x/configuration"
        headers = sign(service, "PUT", path) | {"Transfer-Encoding": "chunked"}
        chunks = (bytes(65_536) for _ in range(97))
        answer = send(service, "PUT", path, chunks, headers, encode_chunked=True)
        assert (answer.status, answer.code) == (413, "RequestEntityTooLargeException")

    @pytest.mark.parametrize("length", ["-1", "x", "1, 2", "99999999999999999999999"])
    def test_a_length_that_is_none(self, service: Service, length: str) -> None:
        headers = sign(service, "POST", FUNCTIONS) | {"Content-Length": length}
        assert send(service, "POST", FUNCTIONS, headers=headers).status in {400, 413}


class TestAccounts:
    def test_another_account_sees_nothing(self, service: Service, functions: Functions) -> None:
        name = functions.create(SAYS.format(1))
        other = client(service.address, key="444444444444")
        assert other.list_functions()["Functions"] == []
        with pytest.raises(other.exceptions.ResourceNotFoundException, match=f"444444444444:function:{name}"):
            other.get_function(FunctionName=name)
        arn = f"arn:aws:lambda:us-east-1:000000000000:function:{name}"
        for call in (other.get_function, other.invoke, other.delete_function):
            with pytest.raises(ClientError) as refused:
                call(FunctionName=arn)
            assert refused.value.response["Error"]["Code"] == "AccessDeniedException"
        with pytest.raises(ClientError):
            other.list_tags(Resource=arn)
        logs = client(service.address, "logs", key="444444444444")
        assert logs.describe_log_groups()["logGroups"] == []

    def test_the_same_name_in_two_accounts(self, service: Service, functions: Functions) -> None:
        name = functions.create(SAYS.format("one"))
        other = client(service.address, key="333333333333")
        code = {"ZipFile": package(SAYS.format("other"))}
        made = other.create_function(FunctionName=name, Runtime=RUNTIME, Handler="app.handler", Role=ROLE, Code=code)
        assert made["FunctionArn"] == f"arn:aws:lambda:us-east-1:333333333333:function:{name}"
        other.get_waiter("function_active_v2").wait(FunctionName=name)
        assert (functions.call(name), Functions(other).call(name)) == ("one", "other")
        other.delete_function(FunctionName=name)
        assert functions.call(name) == "one"

    def test_another_region_sees_nothing(self, service: Service, functions: Functions) -> None:
        name = functions.create(SAYS.format(1))
        other = client(service.address, region="eu-west-1")
        assert other.list_functions()["Functions"] == []
        with pytest.raises(other.exceptions.ResourceNotFoundException, match=f"eu-west-1:000000000000:function:{name}"):
            other.invoke(FunctionName=name)
        with pytest.raises(other.exceptions.ResourceNotFoundException) as refused:
            other.get_function(FunctionName=f"arn:aws:lambda:us-east-1:000000000000:function:{name}")
        assert refused.value.response["Error"]["Message"] == (
            "Functions from 'us-east-1' are not reachable in this region ('eu-west-1')"
        )


@pytest.fixture(scope="module")
def trusting(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    started = Service(tmp_path_factory.mktemp("auth") / "data", "--auth", "off")
    yield started
    started.stop()


class TestAuthOff:
    def test_any_key_and_secret(self, trusting: Service) -> None:
        assert signed(trusting, "GET", SETTINGS, key="anyone", secret="anything").status == 200

    def test_web_pages_are_still_refused(self, trusting: Service) -> None:
        headers = {"Origin": "https://example.com"}
        assert signed(trusting, "GET", SETTINGS, headers=headers).status == 403

    def test_the_location_still_downloads(self, trusting: Service) -> None:
        functions = Functions(client(trusting.address))
        name = functions.create(SAYS.format(1))
        location = functions.client.get_function(FunctionName=name)["Code"]["Location"]
        with urllib.request.urlopen(location) as answer:
            assert answer.read() == package(SAYS.format(1))
