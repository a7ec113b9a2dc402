"""The Signer API as its clients reach it: boto3, the AWS CLI and ``lamina sign``."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import threading
from collections.abc import Awaitable, Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from botocore.exceptions import ClientError

from lamina.errors import ServiceError
from lamina.functions import Call
from lamina.http import ServiceModel, Verifier, _body, _operations
from lamina.http._request import Request
from lamina.http._routing import Router
from lamina.http._serialising import Response, serialise_error
from lamina.settings import AccessKey
from lamina.signing import Authority, Trust, inspect
from lamina.state import SqliteState
from tests.acceptance.conftest import client
from tests.unit.signing.world import PLATFORM, Signer, files_of, package

AWS = Path(sys.executable).with_name("aws")
ACCOUNT, REGION = "000000000000", "us-east-1"
ARN = f"arn:aws:signer:{REGION}:{ACCOUNT}:/signing-profiles/team"


class SignerApp:
    """The service model ``signer`` over HTTP, with nothing else beside it."""

    def __init__(self, signer: Signer) -> None:
        self._model = ServiceModel.load("signer")
        self._router = Router(self._model.operations.values())
        self._handlers = signer.api.operations()
        self._verifier = Verifier(_find_key, lambda: datetime.now(UTC))

    async def __call__(self, scope: Any, receive: Callable[[], Awaitable[Any]], send: Any) -> None:
        assert scope["type"] == "http"
        request = Request(scope, receive)
        try:
            response = await self._answer(request)
        except ServiceError as error:
            response = serialise_error(self._model, error, request.id)
        await send({"type": "http.response.start", "status": response.status, "headers": response.headers})
        await send({"type": "http.response.body", "body": response.body})

    async def _answer(self, request: Request) -> Response:
        found = self._verifier.begin(request.method, request.raw_path, request.query_string, request.headers)
        assert found.service == self._model.signing_name
        match = self._router.route(request.method, request.raw_path, request.query_string)
        limit = _operations.limit(match.operation)
        too_large = _body.request_too_large(match.operation.name, limit)
        body = await _body.read(request.receive, request.fields, limit, too_large)
        self._verifier.check(found, body.sha256)
        call = Call(
            account_id=found.account_id,
            region=found.region,
            request_id=request.id,
            access_key_id=found.access_key_id,
            base_url=request.base_url,
        )
        return await _operations.answer(self._handlers, match, request, call, body)


def _find_key(access_key_id: str) -> AccessKey | None:
    return AccessKey(access_key_id=access_key_id, secret_access_key="test", account_id=ACCOUNT)


class Served:
    """An application on a free port of loopback, in a thread with a loop of its own."""

    def __init__(self, app: Any) -> None:
        self._ready = threading.Event()
        config = uvicorn.Config(app, host="127.0.0.1", port=0, log_level="error", lifespan="off")
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._run)
        self._thread.start()
        assert self._ready.wait(20)
        port = self._server.servers[0].sockets[0].getsockname()[1]
        self.address = f"http://127.0.0.1:{port}"

    def stop(self) -> None:
        self._server.should_exit = True
        self._thread.join(20)

    def _run(self) -> None:
        startup = self._server.startup

        async def announce(sockets: Any = None) -> None:
            await startup(sockets)
            self._ready.set()

        self._server.startup = announce  # type: ignore[method-assign]
        self._server.run()


@pytest.fixture
def signer(tmp_path: Path) -> Iterator[Signer]:
    state = SqliteState.in_memory()
    yield Signer(state, tmp_path / "signing")
    state.close()


@pytest.fixture
def address(signer: Signer) -> Iterator[str]:
    served = Served(SignerApp(signer))
    yield served.address
    served.stop()


@pytest.fixture
def boto(address: str) -> Any:
    # GetRevocationStatus is sent to a host of its own, ``data-…``, unless the client is told not to.
    return client(address, "signer", key="AKIATEST", inject_host_prefix=False)


def job_members(data: bytes, signer: Signer) -> dict[str, Any]:
    signer.objects.objects["source", "app.zip", "v1"] = data
    return {
        "source": {"s3": {"bucketName": "source", "key": "app.zip", "version": "v1"}},
        "destination": {"s3": {"bucketName": "signed", "prefix": "out/"}},
        "profileName": "team",
    }


def trusted(signer: Signer, data: bytes, arn: str) -> bool:
    """Whether a function under Enforce that trusts this profile version takes the package."""
    trust = Trust(config_arn="", allowed=frozenset({arn}), policy="Enforce", change=1)
    return asyncio.run(signer.verification.check(data, trust, "f")) is not None


def test_a_package_is_signed_as_sam_and_terraform_do(boto, signer):
    made = boto.put_signing_profile(
        profileName="team", platformId=PLATFORM, signatureValidityPeriod={"value": 5, "type": "YEARS"}, tags={"a": "b"}
    )
    started = boto.start_signing_job(**job_members(package(), signer))
    boto.get_waiter("successful_signing_job").wait(jobId=started["jobId"], WaiterConfig={"Delay": 0, "MaxAttempts": 1})
    job = boto.describe_signing_job(jobId=started["jobId"])
    at = job["signedObject"]["s3"]

    assert (made["arn"], made["profileVersionArn"]) == (ARN, f"{ARN}/{made['profileVersion']}")
    assert at == {"bucketName": "signed", "key": f"out/{started['jobId']}.zip"}
    assert job["signatureExpiresAt"].year - job["completedAt"].year == 5
    assert trusted(signer, signer.objects.objects["signed", at["key"], None], made["profileVersionArn"])


def test_profiles(boto):
    made = boto.put_signing_profile(profileName="team", platformId=PLATFORM, tags={"a": "b"})
    shown = boto.get_signing_profile(profileName="team")
    assert (shown["status"], shown["tags"]) == ("Active", {"a": "b"})
    assert shown["signatureValidityPeriod"] == {"value": 135, "type": "MONTHS"}

    boto.tag_resource(resourceArn=ARN, tags={"c": "d"})
    boto.untag_resource(resourceArn=ARN, tagKeys=["a"])
    assert boto.list_tags_for_resource(resourceArn=ARN)["tags"] == {"c": "d"}

    added = boto.add_profile_permission(
        profileName="team", action="signer:StartSigningJob", principal="210987654321", statementId="one"
    )
    listed = boto.list_profile_permissions(profileName="team")
    assert [each["statementId"] for each in listed["permissions"]] == ["one"]
    boto.remove_profile_permission(profileName="team", statementId="one", revisionId=added["revisionId"])

    at = datetime.now(UTC).replace(microsecond=0)
    version = made["profileVersion"]
    boto.revoke_signing_profile(profileName="team", profileVersion=version, reason="leaked", effectiveTime=at)
    assert boto.get_signing_profile(profileName="team")["revocationRecord"]["revocationEffectiveFrom"] == at
    boto.cancel_signing_profile(profileName="team")
    pages = boto.get_paginator("list_signing_profiles").paginate(statuses=["Revoked", "Canceled"])
    assert [each["profileName"] for page in pages for each in page["profiles"]] == ["team"]
    assert boto.list_signing_profiles()["profiles"] == []


def test_jobs_and_their_revocation(boto, signer):
    arn = boto.put_signing_profile(profileName="team", platformId=PLATFORM)["profileVersionArn"]
    good = boto.start_signing_job(**job_members(package(), signer))["jobId"]
    bad = boto.start_signing_job(**job_members(b"no zip", signer))["jobId"]
    pages = boto.get_paginator("list_signing_jobs").paginate(PaginationConfig={"PageSize": 1})
    assert {job["jobId"] for page in pages for job in page["jobs"]} == {good, bad}
    assert "not a zip file" in boto.describe_signing_job(jobId=bad)["statusReason"]

    boto.revoke_signature(jobId=good, reason="leaked")
    assert boto.describe_signing_job(jobId=good)["revocationRecord"]["reason"] == "leaked"
    job_arn = f"arn:aws:signer:{REGION}:{ACCOUNT}:/signing-jobs/{good}"
    status = boto.get_revocation_status(
        signatureTimestamp=datetime.now(UTC) - timedelta(days=1),
        platformId=PLATFORM,
        profileVersionArn=arn,
        jobArn=job_arn,
        certificateHashes=["00" * 96, "11" * 96],
    )
    assert status["revokedEntities"] == [job_arn]


def test_errors_are_signers_own(boto):
    with pytest.raises(boto.exceptions.ResourceNotFoundException) as missing:
        boto.get_signing_profile(profileName="team")
    assert missing.value.response["ResponseMetadata"]["HTTPStatusCode"] == 404
    assert missing.value.response["message"] == "The signing profile team does not exist."
    assert "Type" not in missing.value.response
    with pytest.raises(boto.exceptions.NotFoundException) as gone:
        boto.list_tags_for_resource(resourceArn=ARN)
    assert gone.value.response["ResponseMetadata"]["HTTPStatusCode"] == 404
    with pytest.raises(boto.exceptions.ValidationException) as invalid:
        boto.put_signing_profile(profileName="te-am", platformId=PLATFORM)
    assert "at 'profileName' failed to satisfy constraint" in invalid.value.response["Error"]["Message"]
    boto.meta.events.register("before-send.signer", _spoil)
    with pytest.raises(ClientError, match="InvalidSignatureException"):
        boto.list_signing_platforms()


def _spoil(request: Any, **_: Any) -> None:
    request.headers["X-Amz-Date"] = datetime.now(UTC).strftime("%Y%m%dT%H%M00Z")
    request.headers["Authorization"] = request.headers["Authorization"][:-4] + b"0000"


def run(address: str, *command: str | Path, cwd: Path) -> subprocess.CompletedProcess[str]:
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(cwd),
        "AWS_ENDPOINT_URL": address,
        "AWS_ACCESS_KEY_ID": "AKIATEST",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": REGION,
        "AWS_EC2_METADATA_DISABLED": "true",
    }
    return subprocess.run(
        [str(part) for part in command],
        cwd=cwd,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_the_aws_cli(address, tmp_path, signer):
    put = run(
        address, AWS, "signer", "put-signing-profile", "--profile-name", "team", "--platform-id", PLATFORM, cwd=tmp_path
    )
    assert put.returncode == 0, put.stderr
    members = job_members(package(), signer)
    source, destination = json.dumps(members["source"]), json.dumps(members["destination"])
    start = ("start-signing-job", "--source", source, "--destination", destination, "--profile-name", "team")
    started = run(address, AWS, "signer", *start, cwd=tmp_path)
    assert started.returncode == 0, started.stderr
    job_id = json.loads(started.stdout)["jobId"]
    waited = run(address, AWS, "signer", "wait", "successful-signing-job", "--job-id", job_id, cwd=tmp_path)
    assert waited.returncode == 0, waited.stderr
    signed = signer.objects.objects["signed", f"out/{job_id}.zip", None]

    assert trusted(signer, signed, json.loads(put.stdout)["profileVersionArn"])


# The command is joined to ``lamina`` elsewhere; here it stands alone.
SIGN = """
import sys
from pathlib import Path
import click
from lamina.cli._endpoint import Endpoint
from lamina.cli._sign import sign
url, package, profile, *output = sys.argv[1:]
try:
    sign(Endpoint(url, "us-east-1"), Path(package), profile=profile, output=Path(output[0]) if output else None)
except click.ClickException as error:
    sys.exit(error.message)
"""


def lamina_sign(address: str, folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return run(address, sys.executable, "-c", SIGN, address, *arguments, cwd=folder)


def test_lamina_sign_signs_a_file_beside_a_running_service(address, boto, signer, tmp_path):
    arn = boto.put_signing_profile(profileName="team", platformId=PLATFORM)["profileVersionArn"]
    (tmp_path / "app.zip").write_bytes(package())
    first = lamina_sign(address, tmp_path, "app.zip", "team")
    second = lamina_sign(address, tmp_path, "app.zip", "team", "other.zip")

    assert (first.returncode, second.returncode) == (0, 0), first.stderr + second.stderr
    assert first.stdout.startswith(f"app-signed.zip: signed with {arn} by arn:aws:signer:")
    for name in ("app-signed.zip", "other.zip"):
        assert trusted(signer, (tmp_path / name).read_bytes(), arn)
    assert (tmp_path / "app.zip").read_bytes() == package()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["app-signed.zip", "app.zip", "other.zip", "signing"]


@pytest.mark.parametrize(
    ("content", "arguments", "message"),
    [
        (None, ("app.zip", "team"), "app.zip: No such file or directory"),
        (b"", ("app.zip", "team"), "app.zip is not a zip file that can be signed"),
        (b"no zip", ("app.zip", "team"), "app.zip is not a zip file that can be signed"),
        (package().replace(b"KIMS", b"KIMT"), ("app.zip", "team"), "app.zip is not a zip file that can be signed"),
        (package(), ("app.zip", "none"), "The signing profile none does not exist."),
        (package(), ("app.zip", "team", "missing/out.zip"), "No such file or directory"),
    ],
)
def test_lamina_sign_says_what_is_wrong(address, boto, tmp_path, content, arguments, message):
    boto.put_signing_profile(profileName="team", platformId=PLATFORM)
    if content is not None:
        (tmp_path / "app.zip").write_bytes(content)
    refused = lamina_sign(address, tmp_path, *arguments)

    assert refused.returncode == 1
    assert message in refused.stderr
    assert "Traceback" not in refused.stderr
    assert not list(tmp_path.glob("*signed*"))


def test_lamina_sign_does_not_sign_twice(address, boto, tmp_path):
    boto.put_signing_profile(profileName="team", platformId=PLATFORM)
    (tmp_path / "app.zip").write_bytes(package())
    lamina_sign(address, tmp_path, "app.zip", "team")
    again = lamina_sign(address, tmp_path, "app-signed.zip", "team")

    assert (again.returncode, again.stderr.strip()) == (1, "app-signed.zip is signed already")


def test_lamina_sign_without_a_service(tmp_path):
    (tmp_path / "app.zip").write_bytes(package())
    refused = lamina_sign("http://127.0.0.1:9", tmp_path, "app.zip", "team")

    assert refused.returncode == 1
    assert "127.0.0.1:9" in refused.stderr


def test_what_one_server_has_signed_another_takes_that_trusts_its_root(boto, signer, tmp_path):
    boto.put_signing_profile(profileName="team", platformId=PLATFORM)
    started = boto.start_signing_job(**job_members(package(), signer))
    signed = signer.objects.objects["signed", f"out/{started['jobId']}.zip", None]
    (tmp_path / "root.pem").write_bytes(signer.authority.root_pem())
    other = Authority(tmp_path / "other", tmp_path / "root.pem")
    found = inspect(memoryview(signed), other, datetime.now(UTC))

    assert found is not None
    assert not found.is_own
    assert files_of(signed).keys() >= files_of(package()).keys()
