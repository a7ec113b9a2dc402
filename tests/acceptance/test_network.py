"""What a function reaches: the services of Lamina with its own keys, the upstream, and nothing else."""

from __future__ import annotations

import errno
import http.server
import json
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from demo._service import Service

from .conftest import Functions, client

OTHER = "111111111111"
# Runs the event's "code" with boto3 at hand, and returns what it calls ``result``.
RUN = """
import json, os, socket, boto3, urllib.request
from botocore.exceptions import ClientError

def code_of(call):
    try:
        call()
    except ClientError as error:
        return error.response["Error"]["Code"]
    return "done"

def handler(event, context):
    names = globals() | {"result": None}
    exec(event["code"], names)
    return json.loads(json.dumps(names["result"], default=str))
"""
BIG = {"MemorySize": 512, "Timeout": 60}


class Inside:
    """A function that runs what it is sent."""

    def __init__(self, functions: Functions, **members: Any) -> None:
        self.functions = functions
        self.name = functions.create(RUN, **BIG | members)

    def run(self, code: str) -> Any:
        return self.functions.call(self.name, {"code": code})


@pytest.fixture(scope="module")
def inside(functions: Functions) -> Inside:
    return Inside(functions)


def test_every_service_of_lamina_answers(inside: Inside) -> None:
    found = inside.run("""
result = {
    "sts": boto3.client("sts").get_caller_identity()["Arn"],
    "lambda": os.environ["AWS_LAMBDA_FUNCTION_NAME"] in
        [each["FunctionName"] for each in boto3.client("lambda").list_functions()["Functions"]],
    "logs": os.environ["AWS_LAMBDA_LOG_GROUP_NAME"] in
        [each["logGroupName"] for each in boto3.client("logs").describe_log_groups()["logGroups"]],
    "signer": isinstance(boto3.client("signer").list_signing_profiles()["profiles"], list),
}
kms = boto3.client("kms")
key = kms.create_key()["KeyMetadata"]["KeyId"]
sealed = kms.encrypt(KeyId=key, Plaintext=b"secret")["CiphertextBlob"]
result["kms"] = kms.decrypt(CiphertextBlob=sealed)["Plaintext"].decode()
""")
    arn = f"arn:aws:sts::000000000000:assumed-role/r/{inside.name}"
    assert found == {"sts": arn, "lambda": True, "logs": True, "signer": True, "kms": "secret"}


def test_objects_are_written_and_read(inside: Inside, service: Service) -> None:
    found = inside.run("""
s3 = boto3.client("s3")
result = code_of(lambda: s3.create_bucket(Bucket="from-inside"))
if result == "done":
    s3.put_object(Bucket="from-inside", Key="k", Body=b"x" * 3_000_000)
    result = len(s3.get_object(Bucket="from-inside", Key="k")["Body"].read())
""")
    if found == "NotImplemented":
        pytest.skip("there is no object store on this machine")
    assert found == 3_000_000
    assert client(service.address, "s3").head_object(Bucket="from-inside", Key="k")["ContentLength"] == 3_000_000


def test_a_function_calls_another_and_loads_its_code(inside: Inside, functions: Functions) -> None:
    other = functions.create("def handler(event, context): return event * 2")
    found = inside.run(f"""
aws = boto3.client("lambda")
answer = json.loads(aws.invoke(FunctionName={other!r}, Payload="21")["Payload"].read())
link = aws.get_function(FunctionName={other!r})["Code"]["Location"]
result = [answer, urllib.request.urlopen(link).read(2).decode()]
""")
    assert found == [42, "PK"]


def test_whoever_has_no_keys_is_refused(inside: Inside) -> None:
    found = inside.run("""
def status(path, **headers):
    request = urllib.request.Request(os.environ["AWS_ENDPOINT_URL"] + path, headers=headers)
    try:
        return urllib.request.urlopen(request).status
    except urllib.error.HTTPError as error:
        return error.code
import urllib.error
result = [status("/2015-03-31/functions"), status("/_lamina/anything"), status("/", Origin="http://page")]
""")
    assert found == [403, 403, 403]


@pytest.mark.parametrize("auth", ["on", "off"])
def test_keys_that_everybody_knows_do_not_work_inside(start: Callable[..., Service], auth: str) -> None:
    service = start("--auth", auth)
    inside = Inside(Functions(client(service.address)))
    found = inside.run(f"""
def ask(name, secret="test", **more):
    made = boto3.client("lambda", aws_access_key_id=name, aws_secret_access_key=secret, **more)
    return code_of(made.list_functions)
mine = os.environ["AWS_ACCESS_KEY_ID"], os.environ["AWS_SESSION_TOKEN"]
result = [ask("test"), ask("{OTHER}"), ask("000000000000"), ask(mine[0], aws_session_token=mine[1])]
""")
    assert found == ["UnrecognizedClientException"] * 3 + ["InvalidSignatureException"]
    assert inside.run("result = code_of(boto3.client('lambda').list_functions)") == "done"


def test_an_account_sees_itself(service: Service, inside: Inside) -> None:
    theirs = Inside(Functions(client(service.address, key=OTHER)), Role=f"arn:aws:iam::{OTHER}:role/r")
    look = """
aws = boto3.client("lambda")
arns = [each["FunctionArn"] for each in aws.list_functions()["Functions"]]
result = [boto3.client("sts").get_caller_identity()["Account"], sorted({arn.split(":")[4] for arn in arns})]
"""
    assert inside.run(look) == ["000000000000", ["000000000000"]]
    assert theirs.run(look) == [OTHER, [OTHER]]
    arn = f"arn:aws:lambda:us-east-1:000000000000:function:{inside.name}"
    taken = theirs.run(f"result = code_of(lambda: boto3.client('lambda').invoke(FunctionName={arn!r}))")
    assert taken in {"AccessDeniedException", "ResourceNotFoundException"}


def test_an_endpoint_of_ones_own_stays(functions: Functions) -> None:
    own = Inside(functions, Environment={"Variables": {"AWS_ENDPOINT_URL": "http://127.0.0.1:9"}})
    assert own.run("result = os.environ['AWS_ENDPOINT_URL']") == "http://127.0.0.1:9"


def test_many_connections_are_no_harm_to_others(inside: Inside, functions: Functions, service: Service) -> None:
    before = _descriptors(service)
    inside.run("""
globals()["kept"] = [socket.create_connection(("127.0.0.1", 4566)) for _ in range(150)]
""")
    assert _descriptors(service) < before + 100
    assert Inside(functions).run("result = code_of(boto3.client('lambda').list_functions)") == "done"
    assert client(service.address).list_functions()["Functions"]


def _descriptors(service: Service) -> int:
    return len(list(Path(f"/proc/{service._process.pid}/fd").iterdir()))


def test_without_a_network_nothing_answers(start: Callable[..., Service]) -> None:
    inside = Inside(Functions(client(start("--network", "none").address)))
    found = inside.run("""
try:
    socket.create_connection(("127.0.0.1", 4566))
except OSError as error:
    result = [type(error).__name__, "AWS_ENDPOINT_URL" in os.environ, "AWS_SESSION_TOKEN" in os.environ]
""")
    assert found == ["ConnectionRefusedError", False, True]


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
@pytest.mark.skipif(any(shutil.which(name) is None for name in ("slirp4netns", "nft")), reason="slirp4netns, nftables")
def test_with_a_way_out_the_gateway_is_there_too(start: Callable[..., Service]) -> None:
    inside = Inside(Functions(client(start("--network", "egress", "--egress-allow", "10.1.0.0/16").address)))
    found = inside.run("result = boto3.client('sts').get_caller_identity()['Arn'], socket.if_nameindex()")
    assert found == [f"arn:aws:sts::000000000000:assumed-role/r/{inside.name}", [[1, "lo"], [2, "eth0"]]]
    refused = inside.run("""
try:
    socket.create_connection(("169.254.169.254", 80), 5)
except OSError as error:
    result = error.errno
""")
    assert refused == errno.EHOSTUNREACH


def test_the_gateway_is_there_for_ordinary_users(start: Callable[..., Service]) -> None:
    inside = Inside(Functions(client(start("--isolation", "B").address)))
    found = inside.run("result = boto3.client('sts').get_caller_identity()['Arn']")
    assert found == f"arn:aws:sts::000000000000:assumed-role/r/{inside.name}"


def test_without_isolation_it_is_at_another_port_and_as_closed(start: Callable[..., Service]) -> None:
    service = start("--isolation", "E")
    functions = Functions(client(service.address))
    name = functions.create("""
import os, urllib.error, urllib.request
def handler(event, context):
    try:
        urllib.request.urlopen(os.environ["AWS_ENDPOINT_URL"] + "/2015-03-31/functions")
    except urllib.error.HTTPError as error:
        return [os.environ["AWS_ENDPOINT_URL"], error.code, error.headers["x-amzn-errortype"]]
""")
    endpoint, *refusal = functions.call(name)
    assert endpoint not in {service.address, "http://127.0.0.1:4566"}
    assert refusal == [403, "MissingAuthenticationTokenException"]


class Upstream(http.server.ThreadingHTTPServer):
    """Another server: keeps the requests, and answers each with what it was asked."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.requests: list[dict[str, Any]] = []
        self.address = f"http://127.0.0.1:{self.server_address[1]}"


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Upstream

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        headers = {name.lower(): value for name, value in self.headers.items()}
        self.server.requests.append({"path": self.path, "headers": headers, "body": body})
        answer = json.dumps({"QueueUrls": [f"http://{headers['host']}/000000000000/q"]}).encode()
        self.send_response(200)
        self.send_header("content-type", "application/x-amz-json-1.0")
        self.send_header("content-length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def upstream() -> Iterator[Upstream]:
    with Upstream() as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def test_other_services_are_asked_of_the_upstream(start: Callable[..., Service], upstream: Upstream) -> None:
    service = start("--upstream", upstream.address)
    inside = Inside(Functions(client(service.address, key=OTHER)), Role=f"arn:aws:iam::{OTHER}:role/r")
    urls = client(service.address, "sqs").list_queues(QueueNamePrefix="ä")["QueueUrls"]
    assert urls == [f"{service.address}/000000000000/q"]
    urls = inside.run("result = boto3.client('sqs').list_queues()['QueueUrls']")
    assert urls == ["http://127.0.0.1:4566/000000000000/q"]
    outer, inner = upstream.requests
    assert json.loads(outer["body"]) == {"QueueNamePrefix": "ä"}
    assert "Credential=test/" in outer["headers"]["authorization"]
    assert f"Credential={OTHER}/" in inner["headers"]["authorization"]
    assert "x-amz-security-token" not in inner["headers"]
    assert inner["headers"]["x-amz-target"] == "AmazonSQS.ListQueues"


def test_nobody_comes_to_the_upstream_without_keys(start: Callable[..., Service], upstream: Upstream) -> None:
    service = start("--upstream", upstream.address)
    inside = Inside(Functions(client(service.address)))
    code = "result = code_of(boto3.client('sqs', aws_access_key_id='test', aws_secret_access_key='test').list_queues)"
    assert inside.run(code) == "UnrecognizedClientException"
    with pytest.raises(ClientError) as caught:
        client(service.address, "sqs", key="nobody").list_queues()
    assert caught.value.response["Error"]["Code"] == "UnrecognizedClientException"
    assert upstream.requests == []


def test_an_upstream_that_is_away_is_an_error_that_says_so(start: Callable[..., Service]) -> None:
    sqs = client(start("--upstream", "http://127.0.0.1:9").address, "sqs")
    with pytest.raises(ClientError, match="upstream for the service sqs cannot be reached") as caught:
        sqs.list_queues()
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 503


def test_an_upstream_that_is_lamina_itself_is_found_out(start: Callable[..., Service]) -> None:
    first = start()
    address = first.address
    first.stop()
    second = start("--port", address.rpartition(":")[2], "--upstream", address)
    with pytest.raises(ClientError, match="is this server itself"):
        client(second.address, "sqs").list_queues()


@pytest.mark.parametrize(
    "flags", [("--upstream", "localhost:4566"), ("--network", "open"), ("--egress-allow", "10.1.0.0/33")]
)
def test_what_cannot_be_meant_is_one_line(flags: tuple[str, str]) -> None:
    command = [sys.executable, "-m", "lamina", "serve", "--port", "0", *flags]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode != 0
    assert f"{flags[0]} cannot be '{flags[1]}'" in done.stderr
