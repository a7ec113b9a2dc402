"""What a signature says: who signed when, with which profile, and until when it holds."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, timedelta

# Two machines' clocks may differ by this much before a signature counts as one from the future.
_CLOCK_SKEW = timedelta(minutes=5)

_SCOPE = r"arn:(?P<partition>aws[a-z-]*):signer:(?P<region>[a-z0-9-]+):(?P<account_id>\d{12}):"
_JOB = re.compile(_SCOPE + r"/signing-jobs/(?P<job_id>[A-Za-z0-9-]{1,64})", re.ASCII)
_PROFILE_VERSION = re.compile(
    _SCOPE + r"/signing-profiles/(?P<name>[A-Za-z0-9_]{2,64})/(?P<version>[A-Za-z0-9]{10})", re.ASCII
)


class BadSignature(Exception):
    """The package carries a signature that does not hold; the message says why, for the server's log."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Signature:
    """A signature that holds over the package it came in. The times are in UTC."""

    profile_version_arn: str
    job_arn: str
    signed_at: datetime
    expires_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class SignerArns:
    """The parts of a job's and a profile version's ARN, which share account and Region."""

    account_id: str
    region: str
    job_id: str
    profile_name: str
    profile_version: str


def profile_arn(account_id: str, region: str, name: str) -> str:
    """The ARN of a signing profile."""
    return f"arn:aws:signer:{region}:{account_id}:/signing-profiles/{name}"


def profile_version_arn(account_id: str, region: str, name: str, version: str) -> str:
    """The ARN that a code signing configuration lists as an allowed publisher."""
    return f"{profile_arn(account_id, region, name)}/{version}"


def job_arn(account_id: str, region: str, job_id: str) -> str:
    """The ARN of a signing job."""
    return f"arn:aws:signer:{region}:{account_id}:/signing-jobs/{job_id}"


def parse_job_arn(arn: str) -> tuple[str, str, str] | None:
    """Account, Region and id of a job, or None for anything else."""
    match = _JOB.fullmatch(arn)
    return match and (match["account_id"], match["region"], match["job_id"])


def parse_profile_version_arn(arn: str) -> tuple[str, str, str, str] | None:
    """Account, Region, name and version of a profile version, or None for anything else."""
    match = _PROFILE_VERSION.fullmatch(arn)
    return match and (match["account_id"], match["region"], match["name"], match["version"])


def arns_of(signature: Signature) -> SignerArns:
    """The parts of both ARNs. Raises ``BadSignature`` when they are malformed or of different scopes."""
    job, version = _JOB.fullmatch(signature.job_arn), _PROFILE_VERSION.fullmatch(signature.profile_version_arn)
    if job is None or version is None:
        raise BadSignature("the ARN of the job or of the profile version is malformed")
    if job.group("partition", "region", "account_id") != version.group("partition", "region", "account_id"):
        raise BadSignature("job and profile are of different accounts or Regions")
    return SignerArns(
        account_id=job["account_id"],
        region=job["region"],
        job_id=job["job_id"],
        profile_name=version["name"],
        profile_version=version["version"],
    )


def check_claims(signature: Signature, now: datetime) -> None:
    """Refuse claims that contradict each other, or come from the future. Raises ``BadSignature``."""
    arns_of(signature)
    if signature.expires_at <= signature.signed_at:
        raise BadSignature("it expires before it was made")
    if signature.signed_at > now + _CLOCK_SKEW:
        raise BadSignature("it was made in the future")
