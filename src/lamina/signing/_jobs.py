"""Signing jobs: StartSigningJob, DescribeSigningJob, ListSigningJobs, RevokeSignature, GetRevocationStatus."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import orjson

from lamina.errors import InvalidParameterValueException, ResourceNotFoundException, ValidationException
from lamina.signing._plane import (
    Answer,
    Params,
    SignerPlane,
    caller_arn,
    check_active,
    check_permission,
    need_profile,
    page,
    page_size,
    page_start,
)
from lamina.signing._platforms import PLATFORMS
from lamina.signing._records import IN_PROGRESS, SUCCEEDED, Job, find_job, find_version, insert_job, jobs_from
from lamina.signing._revocation import milliseconds, revoked_entities
from lamina.state import Reader, Transaction

if TYPE_CHECKING:
    from lamina.functions import Call

_LIST = "jobs"
_NEWEST = (1 << 61, "\U0010ffff")
# A client waits for an answer for a minute; a waiter asks at once, and then not for 20 seconds.
_WAIT_SECONDS = 20.0


async def start_signing_job(plane: SignerPlane, call: Call, params: Params) -> Answer:
    """StartSigningJob: sign an object of a bucket with versions. The answer waits for the job's end, for a while.

    A repeated clientRequestToken answers with the job that it has started.
    """
    source = (params["source"].get("s3")) or {}
    destination = (params["destination"].get("s3")) or {}
    if not source or not destination.get("bucketName"):
        raise ValidationException("The source needs an S3 object, and the destination an S3 bucket.")
    await _check_bucket(plane, source["bucketName"])
    job = await asyncio.shield(_begin(plane, call, params, source, destination))
    await plane.jobs.wait(job["jobId"], _WAIT_SECONDS)
    return job


async def _check_bucket(plane: SignerPlane, bucket: str) -> None:
    try:
        is_versioned = await plane.objects.is_versioned(bucket)
    except InvalidParameterValueException as refusal:
        raise ValidationException(refusal.message) from refusal
    if not is_versioned:
        raise ValidationException(f"The source bucket {bucket} must have versioning enabled.")


async def _begin(
    plane: SignerPlane, call: Call, params: Params, source: Mapping[str, str], destination: Mapping[str, str]
) -> Answer:
    """Accept the job and start it, in one: a job that is accepted runs, whatever becomes of its caller."""
    job_id = str(uuid4())
    token = params["clientRequestToken"]
    request = {name: value for name, value in params.items() if name != "clientRequestToken"}
    wanted = orjson.dumps(request, option=orjson.OPT_SORT_KEYS).decode()

    def work(transaction: Transaction) -> Job | Answer:
        known = transaction.one("signing_job_of_token", invoker=call.account_id, region=call.region, token=token)
        if known is not None:
            if known["request"] != wanted:
                raise ValidationException("The clientRequestToken was used for another request.")
            return {"jobId": known["job_id"], "jobOwner": known["account_id"]}
        owner = params.get("profileOwner")
        profile = need_profile(transaction, call, params["profileName"], owner, "StartSigningJob")
        check_active(profile)
        job = Job(
            job_id=job_id,
            account_id=profile.account_id,
            region=profile.region,
            invoker=call.account_id,
            requested_by=caller_arn(call),
            profile_name=profile.name,
            profile_version=profile.version,
            platform_id=profile.platform_id,
            parameters=profile.parameters,
            status=IN_PROGRESS,
            created=plane.now(),
            token=token,
            request=wanted,
            source=(source["bucketName"], source["key"], source["version"]),
            signed=(destination["bucketName"], f"{destination.get('prefix') or ''}{job_id}.zip"),
        )
        insert_job(transaction, job)
        return job

    accepted = await plane.state.write(work)
    if not isinstance(accepted, Job):
        return accepted
    plane.jobs.start(accepted)
    return {"jobId": accepted.job_id, "jobOwner": accepted.account_id}


async def describe_signing_job(plane: SignerPlane, call: Call, params: Params) -> Answer:
    """DescribeSigningJob, for the owner of the profile and for who has started the job."""

    def work(reader: Reader) -> Job:
        job = find_job(reader, call.region, params["jobId"])
        if job is None or call.account_id not in (job.account_id, job.invoker):
            raise _no_job(params["jobId"])
        return job

    return _details(await plane.state.read(work))


async def list_signing_jobs(plane: SignerPlane, call: Call, params: Params) -> Answer:
    """ListSigningJobs, the newest first."""
    size = page_size(params)
    created, job_id = page_start(params, _LIST, _NEWEST)
    before, after = params.get("signatureExpiresBefore"), params.get("signatureExpiresAfter")

    def work(reader: Reader) -> list[Job]:
        return jobs_from(
            reader,
            account_id=call.account_id,
            region=call.region,
            created_ms=created,
            job_id=job_id,
            status=params.get("status"),
            platform_id=params.get("platformId"),
            requested_by=params.get("requestedBy"),
            invoker=params.get("jobInvoker"),
            is_revoked=params.get("isRevoked"),
            expires_before_ms=before and milliseconds(before),
            expires_after_ms=after and milliseconds(after),
            count=size + 1,
        )

    found = await plane.state.read(work)
    shown, token = page(_LIST, found, size, lambda job: (milliseconds(job.created), job.job_id))
    return {"jobs": [_summary(job) for job in shown]} | token


async def revoke_signature(plane: SignerPlane, call: Call, params: Params) -> Answer:
    """RevokeSignature: what a job has signed is not trusted from now on. A second time changes nothing."""

    def work(transaction: Transaction) -> None:
        job = find_job(transaction, call.region, params["jobId"])
        if job is None or job.account_id != (params.get("jobOwner") or call.account_id):
            raise _no_job(params["jobId"])
        version = find_version(transaction, job.account_id, job.region, job.profile_name, job.profile_version)
        assert version is not None
        check_permission(transaction, call, version, "RevokeSignature")
        if job.status != SUCCEEDED:
            raise ValidationException(f"The signing job {job.job_id} has signed nothing: it is {job.status}.")
        transaction.run(
            "signing_job_revoke",
            job_id=job.job_id,
            revoked_at_ms=milliseconds(plane.now()),
            revoked_by=caller_arn(call),
            revocation_reason=params["reason"],
        )

    await plane.state.write(work)
    return {}


async def get_revocation_status(plane: SignerPlane, call: Call, params: Params) -> Answer:  # noqa: ARG001  # all may ask
    """GetRevocationStatus: those of the given ARNs that are revoked. Certificates are never revoked by themselves."""

    def work(reader: Reader) -> list[str]:
        return revoked_entities(reader, params["jobArn"], params["profileVersionArn"], params["signatureTimestamp"])

    return {"revokedEntities": await plane.state.read(work)}


def _no_job(job_id: str) -> ResourceNotFoundException:
    return ResourceNotFoundException(f"The signing job {job_id} does not exist.")


def _summary(job: Job) -> dict[str, Any]:
    summary: dict[str, Any] = {
        "jobId": job.job_id,
        "createdAt": job.created,
        "status": job.status,
        "isRevoked": job.revoked_at is not None,
        "profileName": job.profile_name,
        "profileVersion": job.profile_version,
        "platformId": job.platform_id,
        "platformDisplayName": PLATFORMS[job.platform_id]["displayName"],
        "signatureExpiresAt": job.expires,
        "jobOwner": job.account_id,
        "jobInvoker": job.invoker,
    }
    if job.source is not None:
        bucket, key, version = job.source
        summary["source"] = {"s3": {"bucketName": bucket, "key": key, "version": version}}
    if job.signed is not None and job.status == SUCCEEDED:
        summary["signedObject"] = {"s3": {"bucketName": job.signed[0], "key": job.signed[1]}}
    return summary


def _details(job: Job) -> dict[str, Any]:
    details = _summary(job) | {
        "signingParameters": job.parameters or None,
        "completedAt": job.completed,
        "requestedBy": job.requested_by,
        "statusReason": job.status_reason,
    }
    if job.revoked_at is not None:
        details["revocationRecord"] = {
            "reason": job.revocation_reason,
            "revokedAt": job.revoked_at,
            "revokedBy": job.revoked_by,
        }
    return details
