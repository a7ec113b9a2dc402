from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from lamina.errors import (
    AccessDeniedException,
    InvalidParameterValueException,
    ResourceNotFoundException,
    ServiceException,
    ValidationException,
)
from lamina.signing import PAYLOAD_FORMAT, Authority, SignerApi, add_signature, digests_to_sign, write_payload
from lamina.signing._validity import expiry
from lamina.state import SqliteState, StateFull
from tests.unit.signing.world import ACCOUNT, OTHER, PLATFORM, PREFIX, FakeObjects, Signer, package

TIME = datetime(2026, 1, 31, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("validity", "expected"),
    [
        ((30, "DAYS"), datetime(2026, 3, 2, 12, tzinfo=UTC)),
        ((1, "MONTHS"), datetime(2026, 2, 28, 12, tzinfo=UTC)),
        ((135, "MONTHS"), datetime(2037, 4, 30, 12, tzinfo=UTC)),
        ((2, "YEARS"), datetime(2028, 1, 31, 12, tzinfo=UTC)),
    ],
)
def test_expiry(validity, expected):
    assert expiry(TIME, validity) == expected


async def test_a_job_is_done_when_it_is_first_looked_at(signer):
    profile = await signer.profile(signatureValidityPeriod={"value": 1, "type": "DAYS"})
    job = await signer.start()
    job_id, now = job["jobId"], signer.clock.moment

    assert job == {
        "jobId": job_id,
        "createdAt": now,
        "completedAt": now,
        "status": "Succeeded",
        "statusReason": None,
        "isRevoked": False,
        "profileName": "team",
        "profileVersion": profile["profileVersion"],
        "platformId": PLATFORM,
        "platformDisplayName": "AWS Lambda",
        "signatureExpiresAt": now + timedelta(days=1),
        "signingParameters": None,
        "jobOwner": ACCOUNT,
        "jobInvoker": ACCOUNT,
        "requestedBy": f"arn:aws:iam::{ACCOUNT}:root",
        "source": {"s3": {"bucketName": "source", "key": "app.zip", "version": "v1"}},
        "signedObject": {"s3": {"bucketName": "signed", "key": f"out/{job_id}.zip"}},
    }
    signed = signer.objects.objects["signed", f"out/{job_id}.zip", None]
    found = await signer.check(signed, None)
    assert (found.job_arn, found.profile_version_arn) == (
        f"{PREFIX}/signing-jobs/{job_id}",
        profile["profileVersionArn"],
    )


async def test_a_repeated_token_answers_with_the_job_that_it_has_started(signer):
    await signer.profile()
    first = await signer.start(clientRequestToken="same")
    again = await signer.start(clientRequestToken="same")

    assert first["jobId"] == again["jobId"]
    assert len((await signer.do("ListSigningJobs"))["jobs"]) == 1
    with pytest.raises(ValidationException, match="another request"):
        await signer.start(clientRequestToken="same", destination={"s3": {"bucketName": "elsewhere"}})


async def test_the_same_token_at_once_starts_one_job(signer):
    await signer.profile()
    jobs = await asyncio.gather(*(signer.start(clientRequestToken="same") for _ in range(5)))

    assert len({job["jobId"] for job in jobs}) == 1
    assert len(signer.objects.objects) == 2


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "not a zip file that can be signed"),
        (b"no zip", "not a zip file that can be signed"),
        (package({}), "not a zip file that can be signed: no entries"),
        (package()[:-3], "not a zip file that can be signed"),
        (add_signature(memoryview(package()), b"whose?"), "is signed already"),
    ],
)
async def test_what_cannot_be_signed_fails_with_a_reason(signer, data, reason):
    await signer.profile()
    job = await signer.start(data)

    assert job["status"] == "Failed"
    assert reason in job["statusReason"]
    assert "signedObject" not in job
    assert list(signer.objects.objects) == [("source", "app.zip", "v1")]


@pytest.mark.parametrize(
    ("failure", "reason"),
    [
        (InvalidParameterValueException("S3 Error Code: AccessDenied."), "S3 Error Code: AccessDenied."),
        (RuntimeError("a mistake"), "The service encountered an internal error."),
    ],
)
async def test_an_object_that_cannot_be_read_fails_the_job(signer, failure, reason):
    await signer.profile()
    signer.objects.failure = failure
    job = await signer.start()

    assert (job["status"], job["statusReason"]) == ("Failed", reason)


async def test_keys_that_cannot_be_used_fail_the_job(signer, tmp_path):
    await signer.profile()
    (tmp_path / "signing").write_bytes(b"in the way")

    assert (await signer.start())["statusReason"] == "The signing keys of the server cannot be used."
    with pytest.raises(ServiceException):
        await sign_payload(signer)


@pytest.mark.parametrize(
    ("changed", "text"),
    [
        ({"source": {}}, "needs an S3 object"),
        ({"destination": {}}, "needs an S3 object"),
        ({"destination": {"s3": {}}}, "needs an S3 object"),
        ({"source": {"s3": {"bucketName": "plain", "key": "k", "version": "v"}}}, "must have versioning enabled"),
        ({"source": {"s3": {"bucketName": "missing", "key": "k", "version": "v"}}}, "NoSuchBucket"),
        ({"source": {"s3": {"bucketName": "source", "key": "k"}}}, "source.s3.version"),
    ],
)
async def test_jobs_that_cannot_be(signer, changed, text):
    await signer.profile()
    with pytest.raises(ValidationException, match=text):
        await signer.start(**changed)
    assert (await signer.do("ListSigningJobs"))["jobs"] == []


async def test_a_job_needs_its_profile(signer):
    with pytest.raises(ResourceNotFoundException):
        await signer.start()


async def test_another_account_signs_with_permission(signer):
    await signer.profile()
    with pytest.raises(AccessDeniedException):
        await signer.start(account_id=OTHER, profileOwner=ACCOUNT)
    await signer.do(
        "AddProfilePermission",
        profileName="team",
        action="signer:StartSigningJob",
        principal=OTHER,
        statementId="s",
    )
    members = {
        "source": {"s3": {"bucketName": "source", "key": "app.zip", "version": "v1"}},
        "destination": {"s3": {"bucketName": "signed"}},
        "profileName": "team",
        "profileOwner": ACCOUNT,
        "clientRequestToken": "t",
    }
    signer.objects.objects["source", "app.zip", "v1"] = package()
    started = await signer.do("StartSigningJob", account_id=OTHER, **members)
    shown = await signer.do("DescribeSigningJob", account_id=OTHER, jobId=started["jobId"])

    assert (started["jobOwner"], shown["jobInvoker"], shown["status"]) == (ACCOUNT, OTHER, "Succeeded")
    assert (await signer.do("DescribeSigningJob", jobId=started["jobId"]))["jobOwner"] == ACCOUNT
    with pytest.raises(ResourceNotFoundException):
        await signer.do("DescribeSigningJob", account_id="9" * 12, jobId=started["jobId"])
    with pytest.raises(AccessDeniedException):
        await signer.do("RevokeSignature", account_id=OTHER, jobId=started["jobId"], jobOwner=ACCOUNT, reason="r")


async def test_a_job_that_takes_long_is_in_progress(signer, monkeypatch):
    monkeypatch.setattr("lamina.signing._jobs._WAIT_SECONDS", 0.01)
    await signer.profile()
    held = asyncio.Event()
    read = signer.objects.read

    async def slow(location, most):
        await held.wait()
        return await read(location, most)

    monkeypatch.setattr(signer.objects, "read", slow)
    job = await signer.start()
    assert (job["status"], "signedObject" in job) == ("InProgress", False)

    held.set()
    await signer.api._jobs.wait(job["jobId"], 10)
    assert (await signer.do("DescribeSigningJob", jobId=job["jobId"]))["status"] == "Succeeded"


async def test_a_job_goes_on_when_its_caller_leaves(signer, monkeypatch):
    await signer.profile()
    reading, held = asyncio.Event(), asyncio.Event()
    read = signer.objects.read

    async def slow(location, most):
        reading.set()
        await held.wait()
        return await read(location, most)

    monkeypatch.setattr(signer.objects, "read", slow)
    caller = asyncio.create_task(signer.start())
    await reading.wait()
    caller.cancel()
    held.set()
    job_id = (await signer.do("ListSigningJobs"))["jobs"][0]["jobId"]
    await signer.api._jobs.wait(job_id, 10)

    assert (await signer.do("DescribeSigningJob", jobId=job_id))["status"] == "Succeeded"


async def interrupted(folder, cancel_profile=False):
    """A data folder whose server was stopped in the middle of a job; the id of the job."""
    state = SqliteState.open(folder)
    signer = Signer(state, folder / "signing")
    await signer.profile()
    reading = asyncio.Event()

    async def hang(location, most):
        reading.set()
        await asyncio.Event().wait()

    signer.objects.read = hang
    caller = asyncio.create_task(signer.start())
    await reading.wait()
    await signer.api.close()
    job_id = (await caller)["jobId"]
    if cancel_profile:
        await signer.do("CancelSigningProfile", profileName="team")
    state.close()
    return job_id


@pytest.mark.parametrize(
    ("objects", "cancel_profile", "status", "reason"),
    [
        ({("source", "app.zip", "v1"): package()}, False, "Succeeded", None),
        ({}, False, "Failed", "NoSuchKey"),
        ({("source", "app.zip", "v1"): package()}, True, "Failed", "not active any more"),
    ],
)
async def test_an_interrupted_job_is_ended_by_the_next_start(tmp_path, objects, cancel_profile, status, reason):
    job_id = await interrupted(tmp_path, cancel_profile)
    state = SqliteState.open(tmp_path)
    try:
        signer = Signer(state, tmp_path / "signing")
        signer.objects.objects |= objects
        assert (await signer.do("DescribeSigningJob", jobId=job_id))["status"] == "InProgress"
        await signer.api.recover()
        await signer.api._jobs.wait(job_id, 10)
        job = await signer.do("DescribeSigningJob", jobId=job_id)
        assert job["status"] == status
        assert reason is None or reason in job["statusReason"]
        assert (("signed", f"out/{job_id}.zip", None) in signer.objects.objects) == (status == "Succeeded")
    finally:
        state.close()


async def test_the_end_of_a_job_waits_for_a_full_disk(signer, monkeypatch):
    monkeypatch.setattr("lamina.signing._runner._AGAIN_SECONDS", 0)
    await signer.profile()
    write, failures = signer.state.write, [StateFull("full")] * 3

    async def full(work):
        if signer.objects.objects.keys() - {("source", "app.zip", "v1")} and failures:
            raise failures.pop()
        return await write(work)

    monkeypatch.setattr(signer.state, "write", full)
    assert (await signer.start())["status"] == "Succeeded"
    assert failures == []


async def jobs(signer, **params):
    return [each["jobId"] for each in (await signer.do("ListSigningJobs", **params))["jobs"]]


async def test_lists_the_newest_first_and_by_what_is_asked(signer):
    await signer.profile(signatureValidityPeriod={"value": 1, "type": "DAYS"})
    good = (await signer.start())["jobId"]
    signer.clock.forward(seconds=1)
    failed = (await signer.start(b"no zip"))["jobId"]
    signer.clock.forward(seconds=1)
    revoked = (await signer.start())["jobId"]
    await signer.do("RevokeSignature", jobId=revoked, reason="leaked")
    end = signer.clock.moment + timedelta(days=1)

    assert await jobs(signer) == [revoked, failed, good]
    assert await jobs(signer, status="Failed") == [failed]
    assert await jobs(signer, isRevoked=True) == [revoked]
    assert await jobs(signer, isRevoked=False) == [failed, good]
    assert await jobs(signer, platformId="other") == []
    assert await jobs(signer, jobInvoker=OTHER) == []
    assert await jobs(signer, requestedBy=f"arn:aws:iam::{ACCOUNT}:root", jobInvoker=ACCOUNT) == [revoked, failed, good]
    assert await jobs(signer, signatureExpiresBefore=end) == [good]
    assert await jobs(signer, signatureExpiresAfter=end - timedelta(seconds=1)) == [revoked]


async def test_lists_in_pages_also_within_one_moment(signer):
    await signer.profile()
    made = {(await signer.start())["jobId"] for _ in range(5)}
    seen, token = [], {}
    for _ in range(3):
        page = await signer.do("ListSigningJobs", maxResults=2, **token)
        seen += [each["jobId"] for each in page["jobs"]]
        token = {"nextToken": page.get("nextToken")}

    assert (len(seen), set(seen), token) == (5, made, {"nextToken": None})


async def test_a_revoked_job_says_why_once_and_for_all(signer):
    await signer.profile()
    job_id = (await signer.start())["jobId"]
    at = signer.clock.moment
    await signer.do("RevokeSignature", jobId=job_id, reason="leaked")
    signer.clock.forward(days=1)
    await signer.do("RevokeSignature", jobId=job_id, reason="again")
    job = await signer.do("DescribeSigningJob", jobId=job_id)

    assert job["revocationRecord"] == {
        "reason": "leaked",
        "revokedAt": at,
        "revokedBy": f"arn:aws:iam::{ACCOUNT}:root",
    }


async def test_what_cannot_be_revoked(signer):
    await signer.profile()
    failed = (await signer.start(b"no zip"))["jobId"]
    with pytest.raises(ValidationException, match="has signed nothing"):
        await signer.do("RevokeSignature", jobId=failed, reason="r")
    for params in ({"jobId": "none"}, {"jobId": failed, "jobOwner": OTHER}):
        with pytest.raises(ResourceNotFoundException):
            await signer.do("RevokeSignature", reason="r", **params)


async def test_revocation_status(signer):
    profile = await signer.profile()
    job = await signer.start()
    at = job["createdAt"]
    asked = {
        "signatureTimestamp": at,
        "platformId": PLATFORM,
        "profileVersionArn": profile["profileVersionArn"],
        "jobArn": f"{PREFIX}/signing-jobs/{job['jobId']}",
        "certificateHashes": ["0" * 192],
    }
    assert await signer.do("GetRevocationStatus", **asked) == {"revokedEntities": []}

    await signer.do("RevokeSignature", jobId=job["jobId"], reason="r")
    assert await signer.do("GetRevocationStatus", **asked) == {"revokedEntities": [asked["jobArn"]]}

    revoke = {"profileName": "team", "profileVersion": profile["profileVersion"], "reason": "r"}
    await signer.do("RevokeSigningProfile", **revoke, effectiveTime=at + timedelta(seconds=1))
    assert await signer.do("GetRevocationStatus", **asked) == {"revokedEntities": [asked["jobArn"]]}
    later = asked | {"signatureTimestamp": at + timedelta(seconds=1)}
    both = [asked["profileVersionArn"], asked["jobArn"]]
    assert await signer.do("GetRevocationStatus", **later) == {"revokedEntities": both}


async def sign_payload(signer, payload=None, payload_format=PAYLOAD_FORMAT, **params):
    digests = digests_to_sign(memoryview(package()))
    return await signer.do(
        "SignPayload",
        profileName="team",
        payload=write_payload(digests) if payload is None else payload,
        payloadFormat=payload_format,
        **params,
    )


async def test_a_package_is_signed_by_its_digests(signer):
    profile = await signer.profile()
    answer = await sign_payload(signer)
    found = await signer.check(add_signature(memoryview(package()), answer["signature"]), None)
    job = await signer.do("DescribeSigningJob", jobId=answer["jobId"])

    assert found.profile_version_arn == profile["profileVersionArn"]
    assert answer["metadata"] == {
        "signingProfileVersionArn": found.profile_version_arn,
        "signingJobArn": found.job_arn,
    }
    assert (answer["jobOwner"], job["status"]) == (ACCOUNT, "Succeeded")
    assert job["signatureExpiresAt"] == found.expires_at
    assert "source" not in job

    await signer.do("RevokeSignature", jobId=answer["jobId"], reason="r")
    assert await signer.check(add_signature(memoryview(package()), answer["signature"]), None) is None


@pytest.mark.parametrize(
    "payload",
    [
        b"x",
        b"[]",
        b"{}",
        b'{"contentDigest": 1, "framingDigest": 2}',
        b'{"contentDigest": "AAAA", "framingDigest": "AAAA"}',
        b'{"contentDigest": "\xc3\xa4", "framingDigest": "AAAA"}',
    ],
)
async def test_payloads_that_are_no_digests(signer, payload):
    await signer.profile()
    with pytest.raises(ValidationException, match="payload"):
        await sign_payload(signer, payload)
    assert await jobs(signer) == []


async def test_payloads_of_images_are_not_signed(signer):
    await signer.profile()
    with pytest.raises(ValidationException, match="format must be"):
        await sign_payload(signer, payload_format="application/vnd.cncf.notary.payload.v1+json")


async def test_payloads_need_an_active_profile_of_the_caller(signer):
    with pytest.raises(ResourceNotFoundException):
        await sign_payload(signer)
    await signer.profile()
    with pytest.raises(AccessDeniedException):
        await sign_payload(signer, account_id=OTHER, profileOwner=ACCOUNT)
    await signer.do("CancelSigningProfile", profileName="team")
    with pytest.raises(ValidationException, match="not active"):
        await sign_payload(signer)


async def test_a_profile_that_changes_meanwhile_signs_nothing(signer, monkeypatch):
    await signer.profile()
    sign, loop = signer.authority.sign, asyncio.get_running_loop()

    def sign_slowly(*given):
        asyncio.run_coroutine_threadsafe(signer.profile(), loop).result(10)
        return sign(*given)

    monkeypatch.setattr(signer.authority, "sign", sign_slowly)
    with pytest.raises(ValidationException, match="has changed"):
        await sign_payload(signer)
    assert await jobs(signer) == []


def test_every_operation_of_the_model_has_a_handler(tmp_path):
    from tests.unit.signing.world import MODEL

    async def handlers(state):
        return SignerApi(state, Authority(tmp_path), FakeObjects()).operations()

    state = SqliteState.in_memory()
    try:
        assert asyncio.run(handlers(state)).keys() == MODEL.operations.keys()
    finally:
        state.close()
