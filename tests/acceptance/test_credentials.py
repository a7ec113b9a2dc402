"""Keys that end: those of a function's role, those that STS gives, and what they are not good for."""

from __future__ import annotations

import os
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from demo._service import Service

from .conftest import ROLE, Functions, client

AWS = Path(sys.executable).with_name("aws")
OTHER = "111111111111"
SHOW = """
import os
def handler(event, context):
    return {name: value for name, value in os.environ.items() if name.startswith("AWS_")}
"""


def with_keys(address: str, service: str, keys: dict[str, str], **config: Any) -> Any:
    """A client that signs with temporary keys, as STS answers them."""
    return boto3.client(
        service,
        endpoint_url=address,
        region_name="us-east-1",
        aws_access_key_id=keys["AccessKeyId"],
        aws_secret_access_key=keys["SecretAccessKey"],
        aws_session_token=keys["SessionToken"],
        config=Config(retries={"max_attempts": 0}, **config),
    )


def refused(call: Callable[[], Any]) -> str:
    """The code of the error that a call ends with."""
    with pytest.raises(ClientError) as caught:
        call()
    return str(caught.value.response["Error"]["Code"])


@pytest.fixture(scope="module")
def keys(functions: Functions) -> dict[str, str]:
    """What a function finds in its environment."""
    shown = functions.call(functions.create(SHOW))
    return {
        "AccessKeyId": shown["AWS_ACCESS_KEY_ID"],
        "SecretAccessKey": shown["AWS_SECRET_ACCESS_KEY"],
        "SessionToken": shown["AWS_SESSION_TOKEN"],
    }


@pytest.fixture(scope="module")
def assumed(service: Service) -> dict[str, Any]:
    sts = client(service.address, "sts")
    return sts.assume_role(RoleArn="arn:aws:iam::000000000000:role/deep/deployer", RoleSessionName="ci")


def test_the_keys_of_a_function_are_those_of_its_role(service: Service, functions: Functions) -> None:
    name = functions.create(SHOW, Role="arn:aws:iam::000000000000:role/service-role/worker")
    shown = functions.call(name)
    keys = {
        "AccessKeyId": shown["AWS_ACCESS_KEY_ID"],
        "SecretAccessKey": shown["AWS_SECRET_ACCESS_KEY"],
        "SessionToken": shown["AWS_SESSION_TOKEN"],
    }
    found = with_keys(service.address, "sts", keys).get_caller_identity()
    assert found["Arn"] == f"arn:aws:sts::000000000000:assumed-role/worker/{name}"
    assert found["Account"] == "000000000000"
    assert found["UserId"].endswith(f":{name}")


def test_each_environment_has_keys_of_its_own(functions: Functions) -> None:
    first, second = (functions.call(functions.create(SHOW))["AWS_ACCESS_KEY_ID"] for _ in range(2))
    assert first != second


def test_a_function_cannot_set_them_itself(functions: Functions) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
        code = refused(lambda name=name: functions.create(SHOW, Environment={"Variables": {name: "mine"}}))
        assert code == "InvalidParameterValueException"


def test_lasting_keys_are_the_root_of_their_account(service: Service) -> None:
    found = client(service.address, "sts", key=OTHER).get_caller_identity()
    assert (found["Account"], found["UserId"]) == (OTHER, OTHER)
    assert found["Arn"] == f"arn:aws:iam::{OTHER}:root"


def test_the_aws_command_line_asks_who_it_is(service: Service) -> None:
    environment = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_DEFAULT_REGION": "us-east-1"}
    environment |= {"PATH": os.environ["PATH"], "HOME": "/nonexistent", "AWS_ENDPOINT_URL": service.address}
    command = [str(AWS), "sts", "get-caller-identity", "--query", "Arn", "--output", "text"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.strip() == "arn:aws:iam::000000000000:root"


def test_an_assumed_role_works_for_every_service(service: Service, assumed: dict[str, Any]) -> None:
    keys = assumed["Credentials"]
    assert assumed["AssumedRoleUser"]["Arn"] == "arn:aws:sts::000000000000:assumed-role/deployer/ci"
    found = with_keys(service.address, "sts", keys).get_caller_identity()
    assert found["Arn"] == assumed["AssumedRoleUser"]["Arn"]
    with_keys(service.address, "lambda", keys).list_functions()
    with_keys(service.address, "logs", keys).describe_log_groups()
    with_keys(service.address, "kms", keys).list_keys()
    with_keys(service.address, "signer", keys).list_signing_profiles()


@pytest.mark.parametrize("service_name", ["lambda", "logs", "kms", "signer", "sts", "s3"])
@pytest.mark.parametrize("change", ["token", "no token", "secret", "key"])
def test_a_pair_that_is_not_whole_opens_nothing(
    service: Service, assumed: dict[str, Any], service_name: str, change: str
) -> None:
    keys = dict(assumed["Credentials"])
    token = keys["SessionToken"]
    if change == "token":
        keys["SessionToken"] = token[:10] + ("A" if token[10] != "A" else "B") + token[11:]
    elif change == "no token":
        keys["SessionToken"] = None
    elif change == "secret":
        keys["SecretAccessKey"] = keys["SecretAccessKey"][::-1]
    else:
        keys["AccessKeyId"] = "ASIAAAAAAAAAAAAAAAAA"
    made = with_keys(service.address, service_name, keys)
    calls = {
        "lambda": lambda: made.list_functions(),
        "logs": lambda: made.describe_log_groups(),
        "kms": lambda: made.list_keys(),
        "signer": lambda: made.list_signing_profiles(),
        "sts": lambda: made.get_caller_identity(),
        "s3": lambda: made.list_buckets(),
    }
    wrong_secret = {"SignatureDoesNotMatch", "InvalidSignatureException"}
    unknown = {"UnrecognizedClientException", "InvalidClientTokenId", "InvalidAccessKeyId"}
    assert refused(calls[service_name]) in (wrong_secret if change == "secret" else unknown)


def test_keys_of_one_account_show_nothing_of_another(service: Service, keys: dict[str, str]) -> None:
    theirs = Functions(client(service.address, key=OTHER))
    role = f"arn:aws:iam::{OTHER}:role/r"
    name = theirs.create(SHOW, Role=role)
    arn = theirs.client.get_function(FunctionName=name)["Configuration"]["FunctionArn"]
    mine = with_keys(service.address, "lambda", keys)
    assert arn not in [each["FunctionArn"] for each in mine.list_functions()["Functions"]]
    for call in (mine.get_function, mine.invoke, mine.delete_function):
        assert refused(lambda call=call: call(FunctionName=arn)) in {
            "AccessDeniedException",
            "ResourceNotFoundException",
        }
    sts = with_keys(service.address, "sts", keys)
    assert refused(lambda: sts.assume_role(RoleArn=role, RoleSessionName="me")) == "AccessDenied"
    assert theirs.call(name)["AWS_LAMBDA_FUNCTION_NAME"] == name


def test_another_server_does_not_know_them(keys: dict[str, str], tmp_path: Path) -> None:
    other = Service(tmp_path / "data")
    try:
        made = with_keys(other.address, "lambda", keys)
        assert refused(made.list_functions) == "UnrecognizedClientException"
    finally:
        other.stop()


def test_they_outlive_the_server(start: Callable[..., Service]) -> None:
    first = start()
    given = client(first.address, "sts").assume_role(RoleArn=ROLE, RoleSessionName="me")
    first.stop()
    found = with_keys(start().address, "sts", given["Credentials"]).get_caller_identity()
    assert found["Arn"] == "arn:aws:sts::000000000000:assumed-role/r/me"


def test_a_key_policy_that_names_the_role_decides(service: Service, keys: dict[str, str]) -> None:
    owner, function = client(service.address, "kms"), with_keys(service.address, "kms", keys)
    key_id = owner.create_key()["KeyMetadata"]["KeyId"]
    assert function.encrypt(KeyId=key_id, Plaintext=b"x")["CiphertextBlob"]
    policy = """{"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Principal": {"AWS": "arn:aws:iam::000000000000:root"}, "Action": "kms:*", "Resource": "*"},
        {"Effect": "Deny", "Principal": {"AWS": "%s"}, "Action": "kms:Encrypt", "Resource": "*"}]}"""
    owner.put_key_policy(KeyId=key_id, PolicyName="default", Policy=policy % ROLE)
    assert refused(lambda: function.encrypt(KeyId=key_id, Plaintext=b"x")) == "AccessDeniedException"
    assert owner.encrypt(KeyId=key_id, Plaintext=b"x")["CiphertextBlob"]


@pytest.mark.parametrize("version", ["s3", "s3v4"])
def test_links_to_objects_are_presigned_with_them(service: Service, keys: dict[str, str], version: str) -> None:
    s3 = with_keys(service.address, "s3", keys)
    bucket = f"links-{version}"
    if refused_code(lambda: s3.create_bucket(Bucket=bucket)) == "NotImplemented":
        pytest.skip("there is no object store on this machine")
    s3.put_object(Bucket=bucket, Key="k", Body=b"content")
    signer = with_keys(service.address, "s3", keys, signature_version=version)
    link = signer.generate_presigned_url("get_object", Params={"Bucket": bucket, "Key": "k"})
    with urllib.request.urlopen(link, timeout=10) as answer:
        assert answer.read() == b"content"
    with pytest.raises(urllib.error.HTTPError, match="403"):
        urllib.request.urlopen(link.replace("oken=W", "oken=X"), timeout=10)


def refused_code(call: Callable[[], Any]) -> str:
    """The code of the error that a call ends with, if it does."""
    try:
        call()
    except ClientError as error:
        return str(error.response["Error"]["Code"])
    return ""


def test_a_session_of_the_account(service: Service) -> None:
    sts = client(service.address, "sts", key=OTHER)
    keys = sts.get_session_token(DurationSeconds=900)["Credentials"]
    session = with_keys(service.address, "sts", keys)
    assert session.get_caller_identity()["Arn"] == f"arn:aws:iam::{OTHER}:root"
    assert refused(session.get_session_token) == "AccessDenied"
    assert sts.get_access_key_info(AccessKeyId=keys["AccessKeyId"])["Account"] == OTHER


def test_what_sts_does_not_do_here_says_so(service: Service) -> None:
    sts = client(service.address, "sts")
    assert refused(lambda: sts.get_federation_token(Name="me")) == "NotImplemented"
    with pytest.raises(ClientError, match="cannot honour Policy here"):
        sts.assume_role(RoleArn=ROLE, RoleSessionName="me", Policy="{}")
