"""SignPayload for packages: the client digests its zip, and gets the signature to put into it.

AWS has SignPayload for container images only. For the Lambda platform Lamina takes a format of its own, which is what
``lamina sign`` sends: a JSON object of the two digests of the package in base64, ``contentDigest`` and
``framingDigest``. So a package of any size is signed with a request of two hundred bytes, and without S3.
"""

from __future__ import annotations

import asyncio
import binascii
import logging
from base64 import b64encode
from dataclasses import replace
from typing import TYPE_CHECKING
from uuid import uuid4

import orjson

from lamina.errors import ServiceException, ValidationException
from lamina.signing._authority import AuthorityError
from lamina.signing._content import Digests
from lamina.signing._plane import Answer, Params, SignerPlane, caller_arn, check_active, need_profile
from lamina.signing._records import SUCCEEDED, Job, ProfileVersion, insert_job
from lamina.signing._runner import claims_of
from lamina.state import Reader, Transaction

if TYPE_CHECKING:
    from lamina.functions import Call

_LOG = logging.getLogger(__name__)
PAYLOAD_FORMAT = "application/vnd.lamina.package-digests.v1+json"
_DIGEST_BYTES = 48


def write_payload(digests: Digests) -> bytes:
    """The payload that asks for the signature of a package with these digests."""
    document = {"contentDigest": digests.content, "framingDigest": digests.framing}
    return orjson.dumps({name: b64encode(digest).decode() for name, digest in document.items()})


async def sign_payload(plane: SignerPlane, call: Call, params: Params) -> Answer:
    """SignPayload: the signature is the text of the package's new entry."""
    if params["payloadFormat"] != PAYLOAD_FORMAT:
        raise ValidationException(f"The payload format must be {PAYLOAD_FORMAT}.")
    digests = _digests(params["payload"])

    def read(reader: Reader) -> ProfileVersion:
        owner = params.get("profileOwner")
        profile = need_profile(reader, call, params["profileName"], owner, "SignPayload")
        check_active(profile)
        return profile

    profile = await plane.state.read(read)
    job = _job(plane, call, profile)
    claims = claims_of(job, profile, job.created)
    try:
        signature = await asyncio.to_thread(plane.authority.sign, claims, digests)
    except AuthorityError as error:
        _LOG.error("%s", error)
        raise ServiceException("The signing keys of the server cannot be used.") from error

    def write(transaction: Transaction) -> None:
        if read(transaction).version != profile.version:
            raise ValidationException(f"The signing profile {profile.name} has changed. Please try again.")
        insert_job(transaction, replace(job, expires=claims.expires_at))

    await plane.state.write(write)
    return {
        "jobId": job.job_id,
        "jobOwner": job.account_id,
        "metadata": {"signingProfileVersionArn": profile.version_arn, "signingJobArn": job.arn},
        "signature": signature,
    }


def _job(plane: SignerPlane, call: Call, profile: ProfileVersion) -> Job:
    now = plane.now()
    return Job(
        job_id=str(uuid4()),
        account_id=profile.account_id,
        region=profile.region,
        invoker=call.account_id,
        requested_by=caller_arn(call),
        profile_name=profile.name,
        profile_version=profile.version,
        platform_id=profile.platform_id,
        parameters=profile.parameters,
        status=SUCCEEDED,
        created=now,
        completed=now,
    )


def _digests(payload: bytes) -> Digests:
    try:
        document = orjson.loads(payload)
        content, framing = (
            binascii.a2b_base64(document[name], strict_mode=True) for name in ("contentDigest", "framingDigest")
        )
    except (ValueError, TypeError, KeyError):
        raise ValidationException("The payload is not a JSON object of contentDigest and framingDigest.") from None
    if len(content) != _DIGEST_BYTES or len(framing) != _DIGEST_BYTES:
        raise ValidationException("A digest of the payload is not a SHA-384 digest.")
    return Digests(content, framing)
