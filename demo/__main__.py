"""``make demo``: ends non-zero if anything is not as it should be."""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path

import boto3
from botocore.config import Config
from rich.console import Console

from demo._package import build, changed
from demo._report import Report
from demo._service import Service

NAME = "greeter"
RUNTIME = f"python3.{sys.version_info.minor}"
ROLE = "arn:aws:iam::000000000000:role/demo"
BEFORE, AFTER = "Hello", "Grüß Gott"


class Unexpected(Exception):
    """Something is not as it should be."""


def main() -> None:
    """Run the demo and print what happened."""
    console = Console()
    report = Report(console)
    with tempfile.TemporaryDirectory(prefix="lamina-demo-") as folder:
        with report.step("pack the application with its dependencies"):
            package = build(Path(folder))
        report.say(f"{package.files} files, {len(package.zip) / 1e6:.1f} MB zipped")
        with report.step("start the service"):
            service = Service(Path(folder) / "data")
        try:
            run(report, service.address, package.zip, changed(package, BEFORE, AFTER))
        finally:
            service.stop()
    report.table()


def run(report: Report, address: str, first: bytes, second: bytes) -> None:
    """Create, invoke, update, invoke, publish, update: with boto3, as any client would."""
    client = boto3.client(
        "lambda",
        endpoint_url=address,
        region_name="us-east-1",
        aws_access_key_id="test",
        aws_secret_access_key="test",
        config=Config(retries={"max_attempts": 0}, read_timeout=120),
    )

    def greeting(qualifier: str = "$LATEST") -> str:
        event = _request("/greet/Ada", {"locale": "de"})
        answer = client.invoke(FunctionName=NAME, Qualifier=qualifier, Payload=event)
        body: str = answer["Payload"].read().decode()
        if "FunctionError" in answer:
            raise Unexpected(f"the function failed: {body}")
        return body

    with report.step("create_function"):
        client.create_function(
            FunctionName=NAME,
            Runtime=RUNTIME,
            Handler="app.handler",
            Role=ROLE,
            Code={"ZipFile": first},
            Timeout=30,
            MemorySize=512,
        )
    with report.step("wait: function_active_v2"):
        client.get_waiter("function_active_v2").wait(FunctionName=NAME)
    with report.step("invoke, cold"):
        before = greeting()
    _expect("the first answer", BEFORE, before)
    report.say(before)
    with report.step("invoke, warm"):
        greeting()
    with report.step("publish_version"):
        version = client.publish_version(FunctionName=NAME)["Version"]
    with report.step("update_function_code, one line changed"):
        client.update_function_code(FunctionName=NAME, ZipFile=second)
    with report.step("wait: function_updated_v2"):
        client.get_waiter("function_updated_v2").wait(FunctionName=NAME)
    with report.step("invoke $LATEST, the new code"):
        after = greeting()
    _expect("the answer after the update", AFTER, after)
    report.say(after)
    with report.step(f"invoke version {version}, the old code"):
        kept = greeting(version)
    _expect(f"the answer of version {version}", BEFORE, kept)
    report.say(f"version {version} still says: {kept}")


def _request(path: str, query: dict[str, str]) -> bytes:

    return json.dumps(
        {
            "version": "2.0",
            "rawPath": path,
            "rawQueryString": "&".join(f"{name}={value}" for name, value in query.items()),
            "headers": {"host": "demo"},
            "requestContext": {"http": {"method": "GET", "path": path, "sourceIp": "127.0.0.1"}},
            "isBase64Encoded": False,
        }
    ).encode()


def _expect(what: str, greeting: str, body: str) -> None:

    answer = json.loads(body)
    text = json.loads(answer["body"])["greeting"] if answer.get("statusCode") == 200 else body
    if not text.startswith(greeting):
        raise Unexpected(f"{what} should begin with {greeting!r}: {text}")


if __name__ == "__main__":
    try:
        main()
    except Unexpected as error:
        sys.exit(f"demo failed: {error}")
