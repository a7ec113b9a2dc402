"""Rows of docs/update-function-code.md: what breaks inside, and too many calls."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from demo._service import Service

from .conftest import ROLE, Functions, client, package

SAYS = "def handler(event, context):\n    return {!r}\n"


@contextmanager
def answering(status: int, body: bytes) -> Iterator[str]:
    """A server that answers everything so; its address."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_HEAD = do_GET

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    serving = threading.Thread(target=server.serve_forever)
    serving.start()
    try:
        yield f"127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        serving.join()
        server.server_close()


def broken(made: Any, operation: str, **members: Any) -> tuple[str, str]:
    """The id and the whole text of an answer that says that something inside broke."""
    with pytest.raises(ClientError) as error:
        getattr(made, operation)(**members)
    response = error.value.response
    assert response["ResponseMetadata"]["HTTPStatusCode"] == 500
    assert response["Error"]["Code"] == "ServiceException"
    request_id = response["ResponseMetadata"]["RequestId"]
    assert len(request_id) == 36
    return request_id, str(response)


def test_service_exception(start: Callable[..., Service], tmp_path: Path) -> None:
    log = tmp_path / "log"
    with log.open("wb") as file:
        service = start(log=file)
        functions = Functions(client(service.address))
        name = functions.create(SAYS.format("old"))
        before = functions.client.get_function_configuration(FunctionName=name)["RevisionId"]
        blobs = service.data / "blobs"
        blobs.rename(service.data / "elsewhere")
        blobs.write_text("no folder")
        request_id, answer = broken(
            functions.client, "update_function_code", FunctionName=name, ZipFile=package(SAYS.format("new"))
        )
        assert "NotADirectory" not in answer
        assert "Traceback" not in answer
        assert str(service.data) not in answer
        assert request_id in log.read_text()
        assert f"NotADirectoryError: [Errno 20] Not a directory: '{blobs}" in log.read_text()
        assert functions.call(name) == "old"
        assert functions.client.get_function_configuration(FunctionName=name)["RevisionId"] == before
        blobs.unlink()
        (service.data / "elsewhere").rename(blobs)
        functions.update(name, SAYS.format("new"))
        assert functions.call(name) == "new"


def test_service_exception_of_a_store_and_a_registry(start: Callable[..., Service], tmp_path: Path) -> None:
    log = tmp_path / "log"
    keys = ("--s3-access-key-id", "k", "--s3-secret-access-key", "s")
    with log.open("wb") as file, answering(418, b"a secret of the registry") as host:
        functions = Functions(client(start("--s3-endpoint", "http://127.0.0.1:9", *keys, log=file).address))
        name = functions.create(SAYS.format("old"))
        members = {"FunctionName": name, "S3Bucket": "bucket", "S3Key": "key"}
        _, answer = broken(functions.client, "update_function_code", **members)
        assert "The object store cannot be reached." in answer
        assert "127.0.0.1:9" not in answer
        assert "127.0.0.1:9" in log.read_text()
        assert functions.call(name) == "old"

        image = {"FunctionName": "image", "Role": ROLE, "PackageType": "Image", "Code": {"ImageUri": f"{host}/app:v1"}}
        _, answer = broken(functions.client, "create_function", **image)
        assert "The service encountered an internal error." in answer
        assert "secret" not in answer
        assert "418" not in answer
        [cause] = [line for line in log.read_text().splitlines() if f"cannot resolve the image {host}/app:v1" in line]
        assert "418" in cause


def test_too_many_requests(start: Callable[..., Service]) -> None:
    service = start("--control-rate", "2")
    members = {"FunctionName": "nobody", "ZipFile": package(SAYS.format("new"))}

    def answer(made: Any) -> dict[str, Any]:
        with pytest.raises(ClientError) as error:
            made.update_function_code(**members)
        return error.value.response

    hasty = client(service.address)
    answers = [answer(hasty)]
    while answers[-1]["Error"]["Code"] == "ResourceNotFoundException":
        assert len(answers) < 200
        answers.append(answer(hasty))
    assert len(answers) > 2
    refused = answers[-1]
    assert (refused["Error"]["Code"], refused["Error"]["Message"]) == ("TooManyRequestsException", "Rate exceeded")
    assert refused["ResponseMetadata"]["HTTPStatusCode"] == 429
    assert refused["Reason"] == "CallerRateLimitExceeded"
    assert refused["ResponseMetadata"]["HTTPHeaders"]["retry-after"] == "1"
    # Another Region has calls of its own, and a client that tries again, as boto3 does by itself, gets through.
    elsewhere = client(service.address, region="eu-west-1")
    assert answer(elsewhere)["Error"]["Code"] == "ResourceNotFoundException"
    patient = boto3.client(
        "lambda", endpoint_url=service.address, region_name="us-east-1", aws_access_key_id="test",
        aws_secret_access_key="test", config=Config(retries={"mode": "standard", "total_max_attempts": 10}),
    )  # fmt: skip
    through = [answer(patient) for _ in range(3)]
    assert {each["Error"]["Code"] for each in through} == {"ResourceNotFoundException"}
    assert sum(each["ResponseMetadata"]["RetryAttempts"] for each in through) >= 1


def test_no_rate_by_default(functions: Functions) -> None:
    for _ in range(60):
        functions.client.get_account_settings()
