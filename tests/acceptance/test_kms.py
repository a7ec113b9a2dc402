"""KMS as boto3 and the AWS CLI use it."""

from __future__ import annotations

import asyncio
import base64
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from lamina.kms import OPERATIONS, KeyStore, KmsApi, MasterKey
from lamina.state import SqliteState
from tests.unit.kms.served import Application, client, served

pytestmark = pytest.mark.slow

AWS = Path(sys.executable).with_name("aws")


@contextmanager
def opened(data: Path) -> Iterator[str]:
    """The address of a KMS over a data folder."""
    data.mkdir(exist_ok=True)
    state = SqliteState.open(data)
    try:
        master = asyncio.run(MasterKey.open(data, state))
        store = KeyStore(state, master, lambda: int(time.time() * 1000))
        with served(Application(KmsApi(store).operations())) as address:
            yield address
    finally:
        state.close()


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with opened(tmp_path_factory.mktemp("kms") / "data") as there:
        yield there


@pytest.fixture(scope="module")
def kms(address: str) -> Any:
    return client(address)


@pytest.fixture
def key(kms: Any) -> str:
    arn: str = kms.create_key()["KeyMetadata"]["Arn"]
    return arn


def test_every_operation_is_one_of_kms(kms: Any) -> None:
    names = set(kms.meta.method_to_api_mapping.values())
    assert set(OPERATIONS) <= names


def test_what_terraform_reads_and_writes(kms: Any) -> None:
    made = kms.create_key(
        Description="d", Tags=[{"TagKey": "a", "TagValue": "1"}], BypassPolicyLockoutSafetyCheck=False
    )
    key_id, arn = made["KeyMetadata"]["KeyId"], made["KeyMetadata"]["Arn"]
    kms.enable_key_rotation(KeyId=key_id, RotationPeriodInDays=180)
    described = kms.describe_key(KeyId=key_id)["KeyMetadata"]
    assert (described["Description"], described["KeySpec"]) == ("d", "SYMMETRIC_DEFAULT")
    policy = kms.get_key_policy(KeyId=key_id, PolicyName="default")["Policy"]
    kms.put_key_policy(KeyId=key_id, PolicyName="default", Policy=policy)
    assert kms.get_key_rotation_status(KeyId=arn)["RotationPeriodInDays"] == 180
    assert kms.list_resource_tags(KeyId=key_id)["Tags"] == [{"TagKey": "a", "TagValue": "1"}]
    kms.update_key_description(KeyId=key_id, Description="")
    kms.create_alias(AliasName="alias/terraform", TargetKeyId=key_id)
    entries = [entry for page in kms.get_paginator("list_aliases").paginate() for entry in page["Aliases"]]
    assert [entry["TargetKeyId"] for entry in entries if entry["AliasName"] == "alias/terraform"] == [key_id]
    kms.delete_alias(AliasName="alias/terraform")
    kms.schedule_key_deletion(KeyId=key_id, PendingWindowInDays=7)
    assert kms.describe_key(KeyId=key_id)["KeyMetadata"]["KeyState"] == "PendingDeletion"
    assert key_id in {each["KeyId"] for page in kms.get_paginator("list_keys").paginate() for each in page["Keys"]}


def test_secrets_of_binary_and_text(kms: Any, key: str) -> None:
    secret = bytes(range(256))
    blob = kms.encrypt(KeyId=key, Plaintext=secret, EncryptionContext={"é": "ü"})["CiphertextBlob"]
    assert kms.decrypt(CiphertextBlob=blob, EncryptionContext={"é": "ü"})["Plaintext"] == secret
    made = kms.generate_data_key(KeyId=key, KeySpec="AES_256")
    assert kms.decrypt(CiphertextBlob=made["CiphertextBlob"])["Plaintext"] == made["Plaintext"]
    again = kms.re_encrypt(CiphertextBlob=made["CiphertextBlob"], DestinationKeyId=key)["CiphertextBlob"]
    assert kms.decrypt(CiphertextBlob=again, KeyId=key)["Plaintext"] == made["Plaintext"]
    assert len(kms.generate_random(NumberOfBytes=7)["Plaintext"]) == 7


def test_errors_are_classes_of_the_client(kms: Any, key: str) -> None:
    blob = kms.encrypt(KeyId=key, Plaintext=b"x")["CiphertextBlob"]
    with pytest.raises(kms.exceptions.InvalidCiphertextException):
        kms.decrypt(CiphertextBlob=blob[:-1])
    with pytest.raises(kms.exceptions.NotFoundException, match="Invalid keyId 'none'"):
        kms.describe_key(KeyId="none")
    kms.disable_key(KeyId=key)
    with pytest.raises(kms.exceptions.DisabledException, match="is disabled"):
        kms.decrypt(CiphertextBlob=blob)
    kms.schedule_key_deletion(KeyId=key)
    with pytest.raises(kms.exceptions.KMSInvalidStateException, match="is pending deletion"):
        kms.enable_key(KeyId=key)
    with pytest.raises(kms.exceptions.UnsupportedOperationException):
        kms.create_key(KeySpec="RSA_2048", KeyUsage="SIGN_VERIFY")


@pytest.mark.parametrize(
    ("size", "message"), [(4097, "length less than or equal to 4096"), (0, "length greater than or equal to 1")]
)
def test_the_limits_of_the_model(address: str, key: str, size: int, message: str) -> None:
    with pytest.raises(ClientError, match=message) as raised:
        client(address, parameter_validation=False).encrypt(KeyId=key, Plaintext=bytes(size))
    assert raised.value.response["Error"]["Code"] == "ValidationException"


def test_an_operation_that_is_not_there(kms: Any, key: str) -> None:
    with pytest.raises(ClientError) as raised:
        kms.sign(KeyId=key, Message=b"m", SigningAlgorithm="ECDSA_SHA_256")
    assert raised.value.response["Error"]["Code"] == "NotImplementedException"
    assert raised.value.response["ResponseMetadata"]["HTTPStatusCode"] == 501


def test_keys_outlive_the_server(tmp_path: Path) -> None:
    with opened(tmp_path / "data") as address:
        key = client(address).create_key()["KeyMetadata"]["Arn"]
        blob = client(address).encrypt(KeyId=key, Plaintext=b"secret")["CiphertextBlob"]
    with opened(tmp_path / "data") as address:
        assert client(address).decrypt(CiphertextBlob=blob)["Plaintext"] == b"secret"
    assert b"secret" not in (tmp_path / "data" / "lamina.db").read_bytes()


class Cli:
    """The AWS CLI in a folder of its own."""

    def __init__(self, address: str, folder: Path) -> None:
        own = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
        self.folder = folder
        self._environment = own | {
            "AWS_ENDPOINT_URL": address,
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_DEFAULT_REGION": "eu-west-1",
            "AWS_CONFIG_FILE": str(folder / "config"),
            "AWS_PAGER": "",
            "HOME": str(folder),
        }

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, str(AWS), "kms", *words, "--output", "json", "--cli-read-timeout", "30"]
        return subprocess.run(
            command, env=self._environment, cwd=self.folder, capture_output=True, text=True, timeout=120, check=False
        )

    def __call__(self, *words: str) -> Any:
        done = self.run(*words)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout) if done.stdout else None


@pytest.fixture
def aws(address: str, tmp_path: Path) -> Cli:
    return Cli(address, tmp_path)


def test_by_hand(aws: Cli) -> None:
    key = aws("create-key", "--description", "by hand")["KeyMetadata"]["KeyId"]
    aws("create-alias", "--alias-name", "alias/hand", "--target-key-id", key)
    (aws.folder / "secret").write_bytes(b"secret")
    made = aws("encrypt", "--key-id", "alias/hand", "--plaintext", "fileb://secret", "--encryption-context", "a=1")
    (aws.folder / "blob").write_bytes(base64.b64decode(made["CiphertextBlob"]))
    found = aws("decrypt", "--ciphertext-blob", "fileb://blob", "--encryption-context", "a=1")
    assert base64.b64decode(found["Plaintext"]) == b"secret"
    assert aws("disable-key", "--key-id", key) is None
    refused = aws.run("decrypt", "--ciphertext-blob", "fileb://blob", "--encryption-context", "a=1")
    assert refused.returncode in {254, 255}
    assert "(DisabledException)" in refused.stderr
    assert aws("describe-key", "--key-id", "alias/hand")["KeyMetadata"]["KeyState"] == "Disabled"
