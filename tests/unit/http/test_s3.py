"""The gateway between a client that botocore plays and a store that writes down what reaches it."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from lamina.http import S3Gateway, Verifier
from lamina.http._request import Request
from lamina.http._s3_chunks import unsigned
from lamina.http._s3_forward import path_of
from lamina.http._sigv4 import OutOfTime
from lamina.objects import Exchange, MemoryObjects, NoUpstream, Upstream, UpstreamDown
from lamina.settings import AccessKey

KEY = AccessKey(access_key_id="AKIDCLIENT", secret_access_key="client", account_id="123456789012")
HOST = "127.0.0.1:4566"
SIGNED = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"
OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nx-amz-version-id: v\r\nconnection: close\r\nserver: s\r\n\r\nok"


class Store:
    """An upstream that reads a request to its end, or as far as ``reads`` says, and gives one answer."""

    def __init__(self, answer: bytes = OK, *, reads: int | None = None) -> None:
        self.answer = answer
        self.reads = reads
        self.head = b""
        self.body = b""
        self.ended = asyncio.Event()
        self.endpoint = ""

    async def upstream(self) -> Upstream:
        return Upstream(
            endpoint=self.endpoint, access_key_id="INTERNAL", secret_access_key="internal", session_token="token"
        )

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            self.head = await reader.readuntil(b"\r\n\r\n")
            if self.reads is None:
                await self._read(reader)
            else:
                self.body = await reader.readexactly(self.reads)
            writer.write(self.answer)
            await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError) as error:
            self.body = getattr(error, "partial", b"")
        finally:
            writer.close()
            self.ended.set()

    async def _read(self, reader: asyncio.StreamReader) -> None:
        fields = self.fields
        if "content-length" in fields:
            self.body = await reader.readexactly(int(fields["content-length"]))
        elif fields.get("transfer-encoding") == "chunked":
            while size := int(await reader.readline(), 16):
                self.body += (await reader.readexactly(size + 2))[:-2]
            await reader.readline()

    @property
    def fields(self) -> dict[str, str]:
        lines = self.head.decode().split("\r\n")[1:-2]
        return dict(line.split(": ", 1) for line in lines)


class Client:
    """Signs like S3's clients and receives ASGI's answer."""

    def __init__(self, gateway: S3Gateway) -> None:
        self.gateway = gateway
        self.status = 0
        self.headers: dict[bytes, bytes] = {}
        self.body = b""
        self.whole = False

    async def send(
        self, request: AWSRequest, *pieces: bytes, gone: bool = False, stalls: bool = False, piece: int = 1000
    ) -> int:
        prepared = request.prepare()
        raw = prepared.body or b""
        parts = list(pieces) or [raw[at : at + piece] for at in range(0, len(raw), piece)] or [b""]
        messages = [{"type": "http.request", "body": each, "more_body": True} for each in parts]
        messages[-1]["more_body"] = gone or stalls
        path, _, query = prepared.url.partition(HOST)[2].partition("?")
        headers = [
            (name.lower().encode(), value if isinstance(value, bytes) else str(value).encode())
            for name, value in prepared.headers.items()
        ]
        if not any(name == b"host" for name, _ in headers):
            headers.append((b"host", HOST.encode()))
        scope = {
            "method": request.method,
            "raw_path": path.encode(),
            "query_string": query.encode(),
            "headers": headers,
        }
        left = asyncio.Event()

        async def receive() -> Any:
            if messages:
                return messages.pop(0)
            if not gone:
                await left.wait()
            return {"type": "http.disconnect"}

        await self.gateway.answer(Request({"scheme": "http", "type": "http", **scope}, receive), self._receive)
        return self.status

    async def _receive(self, message: Any) -> None:
        if message["type"] == "http.response.start":
            self.status, self.headers = message["status"], dict(message["headers"])
        else:
            self.body += message["body"]
            self.whole = not message.get("more_body", False)

    @property
    def code(self) -> str:
        return self.body.decode().partition("<Code>")[2].partition("</Code>")[0]


def put(body: bytes = b"content", payload: str | None = None, target: str = "/code/k", **headers: str) -> AWSRequest:
    """A signed request; ``payload`` is what is said of the body instead of its hash."""

    class Signer(S3SigV4Auth):
        def payload(self, request: AWSRequest) -> str:
            return payload or hashlib.sha256(body).hexdigest()

    named = {name.replace("_", "-"): value for name, value in headers.items()}
    request = AWSRequest("PUT", f"http://{HOST}{target}", headers=named, data=body)
    Signer(Credentials(KEY.access_key_id, KEY.secret_access_key), "s3", "eu-central-1").add_auth(request)
    request.headers["Content-Length"] = str(len(body))
    return request


@pytest.fixture
async def open_gateway() -> AsyncIterator[Callable[..., Any]]:
    servers = []

    async def make(store: Store, *, check: bool = True) -> Client:
        server = await asyncio.start_server(store.serve, "127.0.0.1", 0)
        servers.append(server)
        store.endpoint = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        return client_of(store, check=check)

    yield make
    for server in servers:
        server.close()


def client_of(store: Any, *, check: bool = True) -> Client:
    def find(name: str) -> AccessKey | None:
        return KEY if name == KEY.access_key_id else None

    def now() -> datetime:
        return datetime.now(UTC)

    return Client(S3Gateway(store, Verifier(find, now, check_signatures=check), now))


async def test_signs_anew_and_passes_all_else_on(open_gateway):
    store = Store()
    client = await open_gateway(store)
    request = put(
        b"content", target="/code/a%20b%2Fc?x-id=PutObject&uploads", x_amz_meta_a="b", content_type="t/x", via="1.0 p"
    )

    assert await client.send(request) == 200
    assert store.head.startswith(b"PUT /code/a%20b/c?uploads=&x-id=PutObject HTTP/1.1\r\n")
    assert store.body == b"content"
    assert store.fields["x-amz-meta-a"] == "b"
    assert store.fields["content-type"] == "t/x"
    assert store.fields["x-amz-content-sha256"] == hashlib.sha256(b"content").hexdigest()
    assert store.fields["x-amz-security-token"] == "token"
    assert "Credential=INTERNAL/" in store.fields["authorization"]
    assert "eu-central-1/s3" in store.fields["authorization"]
    assert "AKIDCLIENT" not in store.head.decode()
    assert (client.body, client.whole) == (b"ok", True)
    assert client.headers == {b"content-length": b"2", b"x-amz-version-id": b"v"}


async def test_the_new_signature_is_right(open_gateway):
    store = Store()
    client = await open_gateway(store)
    await client.send(put(target="/code/%C3%BC+(1)!?a=b%20c&tagging", x_amz_tagging="a=b"))
    line, *_ = store.head.decode().split("\r\n")
    path, _, query = line.split(" ")[1].partition("?")
    internal = AccessKey(access_key_id="INTERNAL", secret_access_key="internal", account_id="0")
    verifier = Verifier(lambda _: internal, lambda: datetime.now(UTC))
    headers = [(name.encode(), value.encode()) for name, value in store.fields.items()]

    found = verifier.begin("PUT", path.encode(), query.encode(), headers)
    verifier.check(found, hashlib.sha256(b"content").hexdigest())


@pytest.mark.parametrize("most", [1, 7, 1000])
async def test_a_body_that_is_not_the_signed_one_never_gets_there_whole(open_gateway, most):
    store = Store()
    client = await open_gateway(store)
    request = put(b"c" * 500, payload=hashlib.sha256(b"other").hexdigest())

    assert await client.send(request, piece=most) == 400
    await asyncio.wait_for(store.ended.wait(), 5)
    assert client.code == "XAmzContentSHA256Mismatch"
    assert len(store.body) < 500


async def test_who_may_not_reaches_nothing(open_gateway):
    store = Store()
    client = await open_gateway(store)
    request = put()
    request.headers["Authorization"] = request.headers["Authorization"][:-4] + "0000"

    assert await client.send(request) == 403
    assert client.code == "SignatureDoesNotMatch"
    assert store.head == b""


async def test_a_header_that_was_signed_cannot_be_changed(open_gateway):
    client = await open_gateway(Store())
    request = put(x_amz_acl="private")
    request.headers.replace_header("x-amz-acl", "public-read")

    assert await client.send(request) == 403


async def test_the_hash_of_the_body_must_be_there(open_gateway):
    client = await open_gateway(Store())
    request = AWSRequest("PUT", f"http://{HOST}/code/k", headers={"host": HOST}, data=b"")
    from botocore.auth import SigV4Auth

    SigV4Auth(Credentials(KEY.access_key_id, KEY.secret_access_key), "s3", "eu-central-1").add_auth(request)

    assert await client.send(request) == 400
    assert client.code == "InvalidRequest"


async def test_a_signature_of_another_time_is_told_from_a_wrong_one(open_gateway):
    client = await open_gateway(Store())
    request = put()
    client.gateway._verifier._now = lambda: datetime(2001, 1, 1, tzinfo=UTC)

    assert await client.send(request) == 403
    assert client.code == "RequestTimeTooSkewed"
    assert OutOfTime("elsewhere").code == "InvalidSignatureException"


@pytest.mark.parametrize("payload", ["abc", "STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD"])
async def test_unknown_forms_of_payload_are_refused(open_gateway, payload):
    client = await open_gateway(Store())

    assert await client.send(put(payload=payload)) == 400
    assert client.code == "InvalidArgument"


@pytest.mark.parametrize("payload", ["UNSIGNED-PAYLOAD", "STREAMING-UNSIGNED-PAYLOAD-TRAILER"])
async def test_what_is_not_signed_is_passed_on_as_it_is(open_gateway, payload):
    store = Store()
    client = await open_gateway(store)
    body = b"5\r\nabcde\r\n0\r\nx-amz-checksum-crc32:AAAA\r\n\r\n"
    extra = {"content_encoding": "aws-chunked", "x_amz_trailer": "x-amz-checksum-crc32"}

    assert await client.send(put(body, payload, **extra)) == 200
    assert store.body == body
    assert store.fields["x-amz-content-sha256"] == payload
    assert "content-encoding" not in store.fields
    assert store.fields["x-amz-trailer"] == "x-amz-checksum-crc32"


def in_chunks(*chunks: bytes, trailer: bytes = b"", damage: int | None = None, **headers: str) -> AWSRequest:
    """A request whose body is in signed chunks, of which that of the number ``damage`` is not right."""
    payload = SIGNED + "-TRAILER" if trailer else SIGNED
    size = str(sum(map(len, chunks)))
    request = put(b"", payload, x_amz_decoded_content_length=size, content_encoding="aws-chunked,gzip", **headers)
    stamp = request.headers["X-Amz-Date"]
    scope = f"{stamp[:8]}/eu-central-1/s3/aws4_request"
    key = b"AWS4client"
    for part in (stamp[:8], "eu-central-1", "s3", "aws4_request"):
        key = hmac.digest(key, part.encode(), "sha256")
    previous = request.headers["Authorization"].rpartition("=")[2]
    body = b""
    for number, data in enumerate((*chunks, b"")):
        hashes = hashlib.sha256(b"").hexdigest(), hashlib.sha256(data).hexdigest()
        text = "\n".join(("AWS4-HMAC-SHA256-PAYLOAD", stamp, scope, previous, *hashes))
        previous = hmac.digest(key, text.encode(), "sha256").hex()
        sent = data[:-1] + b"!" if number == damage and data else data
        shown = previous if number != damage or data else "0" * 64
        body += f"{len(data):x};chunk-signature={shown}\r\n".encode() + sent + b"\r\n" * bool(data)
    if trailer:
        text = "\n".join(
            ("AWS4-HMAC-SHA256-TRAILER", stamp, scope, previous, hashlib.sha256(trailer + b"\n").hexdigest())
        )
        signature = hmac.digest(key, text.encode(), "sha256").hex()
        if damage == -1:
            signature = "0" * 64
        body += trailer + f"\r\nx-amz-trailer-signature:{signature}\r\n".encode()
    request.data = body + b"\r\n"
    request.headers.replace_header("Content-Length", str(len(request.data)))
    return request


@pytest.mark.parametrize("piece", [1, 100, 100_000])
async def test_signed_chunks_reach_the_store_as_content(open_gateway, piece):
    store = Store()
    client = await open_gateway(store)

    assert await client.send(in_chunks(b"a" * 300, b"\r\n0;\r\n", b"c"), piece=piece) == 200
    assert store.body == b"a" * 300 + b"\r\n0;\r\n" + b"c"
    assert store.fields["content-encoding"] == "gzip"
    assert store.fields["x-amz-content-sha256"] == "UNSIGNED-PAYLOAD"
    assert "x-amz-decoded-content-length" not in store.fields


async def test_signed_trailers_reach_the_store(open_gateway):
    store = Store()
    client = await open_gateway(store)
    request = in_chunks(b"abcde", trailer=b"x-amz-checksum-crc32:hYfYWA==", x_amz_trailer="x-amz-checksum-crc32")

    assert await client.send(request, piece=11) == 200
    assert store.body == b"5\r\nabcde\r\n0\r\nx-amz-checksum-crc32:hYfYWA==\r\n\r\n"
    assert store.fields["x-amz-content-sha256"] == "STREAMING-UNSIGNED-PAYLOAD-TRAILER"
    assert store.fields["x-amz-decoded-content-length"] == "5"


@pytest.mark.parametrize("damage", [0, 1, 2])
async def test_a_chunk_that_was_changed_never_reaches_the_store(open_gateway, damage):
    store = Store()
    client = await open_gateway(store)

    status = await client.send(in_chunks(b"first", b"second", damage=damage))
    await asyncio.wait_for(store.ended.wait(), 5)
    assert (status, client.code) == (403, "SignatureDoesNotMatch")
    assert b"!" not in store.body


async def test_trailers_that_were_changed_are_refused(open_gateway):
    client = await open_gateway(Store())
    request = in_chunks(b"a", trailer=b"x-amz-checksum-crc32:AAAA", damage=-1, x_amz_trailer="x-amz-checksum-crc32")

    assert await client.send(request) == 403


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"5",
        b"zz\r\n",
        b"5\r\nab",
        b"2\r\nabXX0\r\n",
        b"1" * 17 + b"\r\n",
        b"f" * 2000,
        b"fffffff\r\n",
        b"0\r\n" + b"x" * 20_000,
    ],
)
async def test_chunks_of_no_form_are_refused(body):
    async def source() -> AsyncIterator[bytes]:
        for at in range(0, len(body), 500):
            yield body[at : at + 500]

    from lamina.errors import IncompleteSignatureException

    with pytest.raises(IncompleteSignatureException):
        async for _ in unsigned(source(), SimpleNamespace(signature="x"), trailers=True, check=False):
            pass


async def test_with_auth_off_nothing_of_the_signature_counts(open_gateway):
    store = Store()
    client = await open_gateway(store, check=False)
    request = put(b"content", payload="0" * 64)
    request.headers["Authorization"] = request.headers["Authorization"][:-4] + "0000"

    assert await client.send(request) == 200
    assert store.body == b"content"


async def test_a_client_that_leaves_stores_nothing(open_gateway):
    store = Store()
    client = await open_gateway(store)
    request = put(b"c" * 500)

    await client.send(request, b"c" * 100, gone=True)
    await asyncio.wait_for(store.ended.wait(), 5)
    assert (client.status, len(store.body) < 500) == (0, True)


async def test_a_store_may_refuse_before_it_has_read_all(open_gateway):
    refusal = b"HTTP/1.1 403 F\r\ncontent-length: 3\r\nconnection: close\r\n\r\nno!"
    client = await open_gateway(Store(refusal, reads=0))

    assert await client.send(put(b"c" * 500), b"c" * 100, stalls=True) == 403
    assert client.body == b"no!"


@pytest.mark.parametrize("answer", [b"", b"what?\r\n\r\n", b"HTTP/1.1 2"])
async def test_a_store_that_breaks_off_is_said_to_be_down(open_gateway, answer):
    client = await open_gateway(Store(answer))

    assert await client.send(put()) == 503
    assert client.code == "ServiceUnavailable"


async def test_half_an_object_never_looks_like_a_whole_one(open_gateway, caplog):
    client = await open_gateway(Store(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhalf"))
    await client.send(put())

    assert (client.status, client.body, client.whole) == (200, b"half", False)
    assert "broke off in the middle" in caplog.text


async def test_an_endpoint_that_is_the_server_itself_makes_no_loop(open_gateway):
    store = Store()
    client = await open_gateway(store)

    assert await client.send(put(via="1.1 lamina")) == 508
    assert store.head == b""


async def test_without_a_store_it_says_what_to_do():
    class Nothing(MemoryObjects):
        async def upstream(self) -> Upstream:
            raise NoUpstream("pip install 'lamina[s3]'")

    client = client_of(Nothing())

    assert await client.send(put()) == 501
    assert client.code == "NotImplemented"
    assert b"pip install 'lamina[s3]'" in client.body


async def test_failures_inside_are_not_shown(caplog):
    class Broken(MemoryObjects):
        async def upstream(self) -> Upstream:
            raise RuntimeError("secret")

    client = client_of(Broken())

    assert await client.send(put()) == 500
    assert b"secret" not in client.body
    assert "failed inside" in caplog.text


async def test_nobody_listens():
    with pytest.raises(UpstreamDown, match="cannot be reached"):
        async with Exchange("http://127.0.0.1:1", "GET", b"/", [(b"host", b"x")]):
            pass


@pytest.mark.parametrize(
    ("host", "path"),
    [
        ("localhost:4566", b"/k"),
        ("127.0.0.1:4566", b"/k"),
        ("code.localhost:4566", b"/code/k"),
        ("Code.Localhost.", b"/code/k"),
        ("a.b.localhost", b"/a.b/k"),
        ("code.s3.localhost", b"/code/k"),
        ("s3.localhost:1", b"/k"),
        ("code.example.com", b"/k"),
    ],
)
def test_the_bucket_may_stand_in_the_host(host, path):
    assert path_of(request(host=host)) == path


@pytest.mark.parametrize(
    ("fields", "query", "is_s3"),
    [
        ({"authorization": "AWS4-HMAC-SHA256 Credential=k/20260101/r/s3/aws4_request, Sig"}, b"", True),
        ({"authorization": "AWS4-HMAC-SHA256 Credential=k/20260101/r/lambda/aws4_request, Sig"}, b"", False),
        (
            {"authorization": "AWS4-HMAC-SHA256 Credential=k/20260101/r/lambda/aws4_request"},
            b"AWSAccessKeyId=&Signature=",
            False,
        ),
        ({}, b"X-Amz-Credential=k%2F20260101%2Fr%2Fs3%2Faws4_request", True),
        ({}, b"X-Amz-Credential=k%2F20260101%2Fr%2Flambda%2Faws4_request", False),
        ({}, b"AWSAccessKeyId=k&Signature=x&Expires=1", True),
        ({}, b"", False),
    ],
)
def test_knows_what_is_for_s3(fields, query, is_s3):
    assert S3Gateway.is_for(request(query, **fields)) is is_s3


def request(query: bytes = b"", **fields: str) -> Request:
    headers = [(name.encode(), value.encode()) for name, value in fields.items()]
    scope = {"scheme": "http", "method": "GET", "raw_path": b"/k", "query_string": query, "headers": headers}

    async def receive() -> Any:
        return {"type": "http.disconnect"}

    return Request(scope, receive)


def test_the_gateway_knows_nothing_of_functions():
    folder = Path(__file__).parents[3] / "src/lamina"
    for path in [*folder.glob("objects/*.py"), *folder.glob("http/_s3*.py")]:
        for name in ("functions", "deploy", "execution"):
            assert f"lamina.{name}" not in path.read_text(), path
