from __future__ import annotations

import hashlib
import re
import shutil
import subprocess
import threading
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from urllib.parse import quote

import pytest
from botocore.auth import S3SigV4Auth, S3SigV4QueryAuth, SigV4Auth, SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from hypothesis import given
from hypothesis import strategies as st

from lamina.errors import (
    IncompleteSignatureException,
    InvalidSignatureException,
    MissingAuthenticationTokenException,
    ServiceError,
    UnrecognizedClientException,
)
from tests.unit.http._signing import HOST, KEY, credentials, raw_headers, signed, verifier, verify

MISMATCH = (
    "The request signature we calculated does not match the signature you provided. Check your AWS Secret Access Key "
    "and signing method. Consult the service documentation for details."
)
PATH = b"/2015-03-31/functions/f"


def test_tells_who_signed_and_for_what():
    found = verify(signed(token="session"))

    assert (found.access_key_id, found.account_id) == (KEY.access_key_id, KEY.account_id)
    assert (found.region, found.service, found.session_token) == ("eu-central-1", "lambda", "session")


def test_never_shows_a_key():
    assert KEY.secret_access_key not in repr(verify(signed()))
    assert repr(verify(signed()).signing_key) not in repr(verify(signed()))


@pytest.mark.parametrize(
    "target",
    [
        "",
        "/",
        "/a/",
        "//a//b/",
        "/a/./b/../c",
        "/2015-03-31/functions/f/invocations?Qualifier=%24LATEST",
        "/2015-03-31/functions/arn%3Aaws%3Alambda%3Aeu-central-1%3A123456789012%3Afunction%3Af",
        "/2015-03-31/functions/arn:aws:lambda:eu-central-1:123456789012:function:f",
        "/with%20space/%C3%A9/%2F/~",
        "/a?b",
        "/a?b=&a=1",
        "/a?b=2&a=2&a=1&A=3",
        "/a?tagKeys=a%20b&tagKeys=a%2Bb&tagKeys=%C3%A9",
        "/a?Qualifier=$LATEST",
        "/a?x=a:b/c",
        "/a?x=%7e&y=%2f",
        "/a?&&b=1&",
    ],
)
def test_accepts_what_botocore_signs(target):
    verify(signed("POST", target, b'{"a":1}'))


@given(path=st.text(max_size=20), name=st.text(min_size=1, max_size=5), value=st.text(max_size=10))
def test_accepts_all_paths_and_queries_that_botocore_signs(path, name, value):
    verify(signed("GET", f"/{quote(path, safe='')}/x?{quote(name, safe='')}={quote(value, safe='')}"))


@pytest.mark.parametrize("value", ["a  b", "  a", "a\tb   c ", "", "a,b"])
def test_accepts_headers_with_any_space(value):
    verify(signed(headers={"X-Amz-Meta-Thing": value}))


def test_a_repeated_header_is_signed_as_one():
    request = AWSRequest("GET", f"http://{HOST}/a")
    request.headers["X-Amz-Thing"] = "a  b"
    request.headers["X-Amz-Thing"] = "c"
    SigV4Auth(credentials(), "lambda", "eu-central-1").add_auth(request)

    verify(request)


@pytest.mark.parametrize("path", ["/bucket/key%20with%3Aall", "/bucket//a/../b", "/bucket/%C3%A9"])
def test_a_path_of_s3_is_encoded_once(path):
    verify(signed("GET", path, signer=S3SigV4Auth, service="s3"))


@pytest.mark.parametrize(
    ("method", "target", "body"),
    [
        ("PUT", "/2015-03-31/functions/f", b"body"),
        ("POST", "/2015-03-31/functions/g", b"body"),
        ("POST", "/2015-03-31/functions/f?Qualifier=1", b"body"),
        ("POST", "/2015-03-31/functions/f", b"other"),
    ],
)
def test_refuses_a_request_that_was_changed(method, target, body):
    request = signed("POST", "/2015-03-31/functions/f", b"body")
    request.method, request.url = method, f"http://{HOST}{target}"

    with pytest.raises(InvalidSignatureException) as caught:
        verify(request, body=body)
    assert caught.value.message == MISMATCH


def test_refuses_a_signed_header_that_was_changed_or_lost():
    request = signed(headers={"X-Amz-Invocation-Type": "DryRun"})
    changed = [(n, b"Event" if n == b"x-amz-invocation-type" else v) for n, v in raw_headers(request)]
    lost = [(n, v) for n, v in raw_headers(request) if n != b"x-amz-invocation-type"]

    for headers in (changed, lost):
        authentication = verifier().begin("GET", PATH, b"", headers)
        with pytest.raises(InvalidSignatureException):
            verifier().check(authentication, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855")


def test_refuses_a_wrong_secret():
    request = signed()
    request.headers.replace_header("Authorization", request.headers["Authorization"][:-4] + "0000")

    with pytest.raises(InvalidSignatureException):
        verify(request)


@pytest.mark.skipif(shutil.which("curl") is None, reason="there is no curl")
@pytest.mark.parametrize(
    "target",
    [
        "/2015-03-31/functions/f/invocations?Qualifier=%24LATEST",
        "/2015-03-31/functions/arn%3Aaws%3Alambda/invocations",
        "/2015-03-31/functions/arn:aws:lambda/invocations",
        "/2018-10-31/layers?find=LayerVersion&Arn=x",
    ],
)
def test_accepts_what_curl_signs(target):
    received: list[tuple[str, list[tuple[bytes, bytes]]]] = []

    class Recorder(BaseHTTPRequestHandler):
        def do_GET(self):
            received.append((self.path, [(n.lower().encode(), v.encode()) for n, v in self.headers.items()]))
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_):
            pass

    with HTTPServer(("127.0.0.1", 0), Recorder) as server:
        thread = threading.Thread(target=server.handle_request)
        thread.start()
        user = f"{KEY.access_key_id}:{KEY.secret_access_key}"
        url = f"http://127.0.0.1:{server.server_port}{target}"
        subprocess.run(
            ["curl", "-qs", "--noproxy", "*", "--aws-sigv4", "aws:amz:eu-central-1:lambda", "--user", user, url],
            check=True,
            timeout=20,
        )
        thread.join()

    (sent, headers) = received[0]
    path, _, query = sent.encode().partition(b"?")
    verifier().check(verifier().begin("GET", path, query, headers), hashlib.sha256(b"").hexdigest())


def test_a_declared_hash_must_be_that_of_the_body():
    request = signed("PUT", body=b"body", headers={"X-Amz-Content-SHA256": "0" * 64})

    with pytest.raises(InvalidSignatureException):
        verify(request)


def test_a_declared_hash_is_verified():
    request = signed("PUT", "/b/k", b"body", signer=S3SigV4Auth, service="s3")

    assert "X-Amz-Content-SHA256" in request.headers
    verify(request)
    with pytest.raises(InvalidSignatureException):
        verify(request, body=b"other")


def test_an_unsigned_payload_may_be_any():
    request = signed("PUT", body=b"body", headers={"X-Amz-Content-SHA256": "UNSIGNED-PAYLOAD"})

    assert not verify(request, body=b"other").needs_body_hash


def test_a_request_without_credentials_is_told_so():
    with pytest.raises(MissingAuthenticationTokenException, match=r"^Missing Authentication Token$"):
        verifier().begin("GET", PATH, b"Qualifier=1", [(b"host", b"x")])


def test_an_unknown_key_is_told_so():
    request = signed()
    request.headers.replace_header(
        "Authorization", request.headers["Authorization"].replace("AKIDEXAMPLE", "AKIDOTHER")
    )

    with pytest.raises(UnrecognizedClientException, match=r"^The security token included in the request is invalid\.$"):
        verify(request)


@pytest.mark.parametrize("minutes", [-4, 0, 4])
def test_a_clock_may_differ_by_less_than_five_minutes(minutes):
    verify(signed(), verifier(late=timedelta(minutes=minutes)))


def test_an_old_signature_is_refused_with_the_times():
    with pytest.raises(InvalidSignatureException) as caught:
        verify(signed(), verifier(late=timedelta(minutes=6)))

    message = caught.value.message or ""
    stamp = r"\d{8}T\d{6}Z"
    assert re.fullmatch(rf"Signature expired: {stamp} is now earlier than {stamp} \({stamp} - 5 min\.\)", message)


def test_a_signature_of_the_future_is_refused():
    with pytest.raises(InvalidSignatureException, match=r"^Signature not yet current: .* is still later than .* 5 min"):
        verify(signed(), verifier(late=timedelta(minutes=-6)))


def test_the_day_of_the_scope_must_be_that_of_the_request():
    request = signed()
    request.headers.replace_header("X-Amz-Date", "20200101T000000Z")

    with pytest.raises(InvalidSignatureException, match=r"^Date in Credential scope does not match YYYYMMDD"):
        verify(request)


@pytest.mark.parametrize("signer", [SigV4QueryAuth, S3SigV4QueryAuth])
def test_accepts_what_botocore_presigns(signer):
    service = "s3" if signer is S3SigV4QueryAuth else "lambda"

    request = signed(target="/a%3Ab/c?x=1", signer=signer, service=service, token="session", expires=900)

    assert verify(request, verifier(late=timedelta(minutes=14))).session_token == "session"


def test_a_presigned_url_expires():
    request = signed(signer=SigV4QueryAuth, expires=90)

    with pytest.raises(InvalidSignatureException, match=r"^Signature expired: .* - 90 sec\.\)$"):
        verify(request, verifier(late=timedelta(seconds=92)))


@pytest.mark.parametrize("old", ["x=1", "X-Amz-Expires=900", "X-Amz-SignedHeaders=host", "X-Amz-Signature="])
def test_refuses_a_presigned_url_that_was_changed(old):
    request = signed(target="/a?x=1", signer=SigV4QueryAuth, expires=900)
    assert old in request.url
    request.url = request.url.replace(old, old + "0" if old[-1].isdigit() else old + "%3Ba" * (old[-1] == "t"))
    if old.endswith("="):
        request.url = request.url[:-4] + "0000"

    with pytest.raises(ServiceError):
        verify(request)


@pytest.mark.parametrize(
    ("header", "reason"),
    [
        ("Basic dXNlcjpwYXNz", "Authorization header requires 'Credential' parameter."),
        ("AWS4-HMAC-SHA256 SignedHeaders=host, Signature=00", "Authorization header requires 'Credential' parameter."),
        ("AWS4-HMAC-SHA256 Credential=a/b, SignedHeaders=host", "Authorization header requires 'Signature' parameter."),
        ("AWS4-HMAC-SHA256 Credential=a/b, Signature=00", "Authorization header requires 'SignedHeaders' parameter."),
        ("AWS4-HMAC-SHA256 Credential=a/b, SignedHeaders=host, Signature=00", "Credential must have exactly 5"),
        (
            "AWS4-ECDSA-P256-SHA256 Credential=a/20260101/r/s/aws4_request, SignedHeaders=host, Signature=00",
            "Unsupported AWS 'algorithm'",
        ),
        ("", "Authorization header requires 'Credential' parameter."),
        (
            "AWS4-HMAC-SHA256 Credential=a/20260101/r/s/aws4_request, Credential=a, SignedHeaders=host, Signature=00",
            "Authorization header has parts that are not known or stand twice.",
        ),
    ],
)
@pytest.mark.parametrize("check_signatures", [True, False])
def test_a_header_that_lacks_a_part_is_told_which(header, reason, check_signatures):
    headers = [(b"host", b"x"), (b"x-amz-date", b"20260101T000000Z"), (b"authorization", header.encode())]

    with pytest.raises(IncompleteSignatureException) as caught:
        verifier(check_signatures=check_signatures).begin("GET", PATH, b"", headers)
    assert (caught.value.message or "").startswith(reason)


def test_the_message_does_not_repeat_the_header():
    headers = [(b"authorization", b"Bearer c2VjcmV0")]

    with pytest.raises(IncompleteSignatureException) as caught:
        verifier().begin("GET", PATH, b"", headers)
    assert "c2VjcmV0" not in (caught.value.message or "")
    assert "requires existence of either a 'X-Amz-Date' or a 'Date' header." in (caught.value.message or "")


@pytest.mark.parametrize(
    ("credential", "names"),
    [
        ("a/20260101/../s/aws4_request", "host"),
        ("a/20260101/r/s/aws5_request", "host"),
        ("a/2026/r/s/aws4_request", "host"),
        ("a/20260101/r//aws4_request", "host"),
        ("a/20260101/r/s/aws4_request", "x-amz-date"),
    ],
)
def test_a_scope_that_cannot_be_is_refused(credential, names):
    header = f"AWS4-HMAC-SHA256 Credential={credential}, SignedHeaders={names}, Signature=00"
    headers = [(b"x-amz-date", b"20260101T000000Z"), (b"authorization", header.encode())]

    with pytest.raises(InvalidSignatureException):
        verifier().begin("GET", PATH, b"", headers)


@pytest.mark.parametrize("date", ["", "yesterday", "20261301T000000Z", "20260101T000000", "²0260101T000000Z"])
def test_a_date_that_is_none_is_refused(date):
    request = signed()
    request.headers.replace_header("X-Amz-Date", date)

    with pytest.raises(IncompleteSignatureException, match=r"^Date must be in ISO-8601 'basic format'"):
        verify(request)


def test_without_checks_any_signature_and_time_will_do():
    request = signed()
    request.headers.replace_header("Authorization", request.headers["Authorization"][:-4] + "0000")

    verify(request, verifier(late=timedelta(days=9), check_signatures=False))


@given(authorization=st.binary(max_size=60), query=st.binary(max_size=60))
def test_no_bytes_crash_it(authorization, query):
    scope = b"Credential=AKIDEXAMPLE/20260101/r/lambda/aws4_request,SignedHeaders=host,Signature="
    for header in (authorization, b"AWS4-HMAC-SHA256 " + authorization, b"AWS4-HMAC-SHA256 " + scope + authorization):
        headers = [(b"authorization", header), (b"date", query)]
        with pytest.raises(ServiceError):
            verifier().begin("GET", authorization, query, headers)
    with pytest.raises(ServiceError):
        verifier().begin("GET", b"/", b"X-Amz-Signature=0&X-Amz-Algorithm=" + query, [])


def test_parts_of_the_header_may_stand_in_any_order():
    request = signed()
    algorithm, rest = request.headers["Authorization"].split(" ", 1)
    request.headers.replace_header("Authorization", f"{algorithm} {','.join(reversed(rest.split(', ')))}")

    verify(request)


def test_a_date_header_serves_in_place_of_the_amazon_one():
    request = signed(headers={"Date": "now"})

    assert "X-Amz-Date" not in request.headers
    verify(request)
