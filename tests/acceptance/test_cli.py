"""What one does by hand: the AWS CLI against the service, and ``lamina logs``."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from demo._service import Service

from .conftest import ROLE, RUNTIME, Functions, package

pytestmark = pytest.mark.slow

AWS = Path(sys.executable).with_name("aws")
SAYS = "def handler(event, context):\n    print('said', event)\n    return {!r}\n"
NO_UPDATE = (
    "An error occurred (PreconditionFailedException) when calling the UpdateFunctionCode operation: The Revision Id "
    "provided does not match the latest Revision Id. Call the GetFunction/GetAlias API to retrieve the latest "
    "Revision Id"
)


@pytest.fixture(scope="module")
def environment(service: Service, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """What a user exports, and nothing of the user's own settings."""
    home = tmp_path_factory.mktemp("home")
    own = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    return own | {
        "AWS_ENDPOINT_URL": service.address,
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_CONFIG_FILE": str(home / "config"),
        "AWS_PAGER": "",
        "HOME": str(home),
        "PYTHONUNBUFFERED": "1",
    }


class Cli:
    """The AWS CLI in a folder of its own."""

    def __init__(self, environment: dict[str, str], folder: Path) -> None:
        self._environment = environment
        self.folder = folder

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Run one command, whatever comes of it."""
        command = [sys.executable, str(AWS), *words, "--output", "json", "--cli-read-timeout", "30"]
        return subprocess.run(
            command,
            env=self._environment,
            cwd=self.folder,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    def __call__(self, *words: str) -> Any:
        """Run one command that must succeed; what it prints."""
        done = self.run(*words)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout) if done.stdout.strip() else None

    def zip(self, name: str, source: str) -> str:
        """A zip file in the folder, as the CLI wants it."""
        (self.folder / name).write_bytes(package(source))
        return f"fileb://{name}"


@pytest.fixture
def aws(environment: dict[str, str], tmp_path: Path) -> Cli:
    return Cli(environment, tmp_path)


def test_a_function_from_first_to_last(aws: Cli, functions: Functions) -> None:
    name = "by-hand"
    created = aws(
        *("lambda", "create-function", "--function-name", name, "--runtime", RUNTIME, "--role", ROLE),
        *("--handler", "app.handler", "--zip-file", aws.zip("one.zip", SAYS.format("one"))),
    )
    assert created["State"] == "Pending"
    aws("lambda", "wait", "function-active-v2", "--function-name", name)
    (aws.folder / "event.json").write_text('{"from": "file"}')
    payload = ("--payload", "fileb://event.json")

    answer = aws("lambda", "invoke", "--function-name", name, *payload, "--log-type", "Tail", "out.json")
    assert (answer["StatusCode"], answer["ExecutedVersion"]) == (200, "$LATEST")
    assert json.loads((aws.folder / "out.json").read_text()) == "one"
    assert "said {'from': 'file'}" in base64.b64decode(answer["LogResult"]).decode()

    update = ("lambda", "update-function-code", "--function-name", name, "--zip-file")
    tried = aws(*update, aws.zip("two.zip", SAYS.format("two")), "--dry-run")
    digest = hashlib.sha256((aws.folder / "two.zip").read_bytes()).digest()
    assert tried["CodeSha256"] == base64.b64encode(digest).decode()
    refused = aws.run(*update, "fileb://two.zip", "--revision-id", "wrong")
    assert refused.returncode in {254, 255}
    assert refused.stderr.strip() == NO_UPDATE
    published = aws(*update, "fileb://two.zip", "--publish")
    assert published["Version"] == "1"
    aws("lambda", "wait", "function-updated-v2", "--function-name", name)
    aws("lambda", "invoke", "--function-name", name, "out.json")
    assert json.loads((aws.folder / "out.json").read_text()) == "two"

    found = aws("lambda", "get-function", "--function-name", name)
    with urllib.request.urlopen(found["Code"]["Location"]) as download:
        assert download.read() == (aws.folder / "two.zip").read_bytes()
    assert aws("lambda", "delete-function", "--function-name", name) in (None, {"StatusCode": 204})
    gone = aws.run("lambda", "get-function", "--function-name", name)
    assert gone.returncode in {254, 255}
    assert "(ResourceNotFoundException)" in gone.stderr


def test_the_kinds_of_invocation(aws: Cli, functions: Functions) -> None:
    name = functions.create(SAYS.format("one"))
    invoke = ("lambda", "invoke", "--function-name", name, "--payload", "1", "out.json", "--invocation-type")
    assert aws(*invoke, "Event")["StatusCode"] == 202
    assert (aws.folder / "out.json").read_bytes() == b""
    assert aws(*invoke, "DryRun")["StatusCode"] == 204


def test_versions_and_aliases(aws: Cli, functions: Functions) -> None:
    name = functions.create(SAYS.format("one"))
    of = ("--function-name", name)
    assert aws("lambda", "publish-version", *of, "--description", "first")["Version"] == "1"
    functions.update(name, SAYS.format("two"))
    assert aws("lambda", "publish-version", *of)["Version"] == "2"
    alias = aws("lambda", "create-alias", *of, "--name", "live", "--function-version", "1")
    assert alias["AliasArn"].endswith(f":function:{name}:live")
    moved = aws("lambda", "update-alias", *of, "--name", "live", "--function-version", "2")
    assert moved["FunctionVersion"] == "2"
    listed = aws("lambda", "list-versions-by-function", *of)["Versions"]
    assert [each["Version"] for each in listed] == ["$LATEST", "1", "2"]
    assert listed[1]["Description"] == "first"
    answer = aws("lambda", "invoke", *of, "--qualifier", "live", "out.json")
    assert answer["ExecutedVersion"] == "2"


def test_tags_concurrency_and_policy(aws: Cli, functions: Functions) -> None:
    name = functions.create(SAYS.format("one"))
    of = ("--function-name", name)
    arn = functions.client.get_function(FunctionName=name)["Configuration"]["FunctionArn"]
    aws("lambda", "tag-resource", "--resource", arn, "--tags", "team=blue,stage=test")
    assert aws("lambda", "list-tags", "--resource", arn)["Tags"] == {"team": "blue", "stage": "test"}
    reserved = aws("lambda", "put-function-concurrency", *of, "--reserved-concurrent-executions", "3")
    assert reserved == {"ReservedConcurrentExecutions": 3}
    words = ("--statement-id", "s3", "--action", "lambda:InvokeFunction", "--principal", "s3.amazonaws.com")
    aws("lambda", "add-permission", *of, *words)
    policy = json.loads(aws("lambda", "get-policy", *of)["Policy"])
    assert policy["Statement"][0]["Principal"] == {"Service": "s3.amazonaws.com"}


def test_filter_log_events(aws: Cli, functions: Functions) -> None:
    name = functions.create(SAYS.format("one"))
    functions.call(name, "hello")
    pattern = ("--filter-pattern", '"said hello"')
    found = aws("logs", "filter-log-events", "--log-group-name", f"/aws/lambda/{name}", *pattern)
    assert [event["message"].strip() for event in found["events"]] == ["said hello"]


def test_lamina_logs(environment: dict[str, str], functions: Functions) -> None:
    name = functions.create(SAYS.format("one"))
    functions.call(name, "hello")
    command = [sys.executable, "-m", "lamina", "logs", name]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=30, check=True)
    assert "said hello" in done.stdout.splitlines()


def test_lamina_logs_of_nothing_is_one_line(environment: dict[str, str]) -> None:
    command = [sys.executable, "-m", "lamina", "logs", "nothing"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 1
    assert len(done.stderr.strip().splitlines()) == 1


def test_lamina_logs_follow_prints_what_comes(environment: dict[str, str], functions: Functions) -> None:
    name = functions.create(SAYS.format("one"))
    functions.call(name, "before")
    command = [sys.executable, "-m", "lamina", "logs", "--follow", name]
    process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)
    watchdog = threading.Timer(30, process.kill)
    watchdog.start()
    assert process.stdout is not None
    try:
        until(process.stdout.readline, "said before")
        functions.call(name, "after")
        lines = until(process.stdout.readline, "said after")
        assert "said before" not in lines
    finally:
        watchdog.cancel()
        process.kill()
        process.wait()
        process.stdout.close()


def until(readline: Callable[[], str], text: str) -> list[str]:
    """The lines up to the one that is ``text``."""
    lines = []
    while line := readline():
        lines.append(line.rstrip("\n"))
        if lines[-1] == text:
            return lines
    raise AssertionError(f"the output ended without {text!r}: {lines}")
