"""Profiles and jobs as they are stored, and the part of the state that knows their rows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson

from lamina.signing._claims import job_arn, profile_arn, profile_version_arn
from lamina.signing._revocation import from_milliseconds, milliseconds
from lamina.state import Reader, Row, Transaction

IN_PROGRESS, SUCCEEDED, FAILED = "InProgress", "Succeeded", "Failed"
ACTIVE, CANCELED, REVOKED = "Active", "Canceled", "Revoked"


@dataclass(frozen=True, slots=True, kw_only=True)
class ProfileVersion:
    """One version of a signing profile; the newest is what the API calls the profile.

    ``validity`` is how long signatures hold: a number and DAYS, MONTHS or YEARS. Signatures made from ``revoked_from``
    on do not count.
    """

    account_id: str
    region: str
    name: str
    version: str
    platform_id: str
    validity: tuple[int, str]
    parameters: Mapping[str, str]
    is_canceled: bool = False
    permissions_revision: str | None = None
    revoked_from: datetime | None = None
    revoked_at: datetime | None = None
    revoked_by: str | None = None
    revocation_reason: str | None = None

    @property
    def arn(self) -> str:
        """The profile's ARN."""
        return profile_arn(self.account_id, self.region, self.name)

    @property
    def version_arn(self) -> str:
        """The version's ARN."""
        return profile_version_arn(self.account_id, self.region, self.name, self.version)

    @property
    def status(self) -> str:
        """Whether it can sign: Active, or Canceled or Revoked."""
        if self.revoked_at is not None:
            return REVOKED
        return CANCELED if self.is_canceled else ACTIVE


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One signature that was asked for. A payload's job has neither token nor source nor signed object.

    ``source`` is bucket, key and version, ``signed`` bucket and key. ``request`` is what came with the token, as JSON.
    """

    job_id: str
    account_id: str
    region: str
    invoker: str
    requested_by: str
    profile_name: str
    profile_version: str
    platform_id: str
    parameters: Mapping[str, str]
    status: str
    created: datetime
    token: str | None = None
    request: str | None = None
    source: tuple[str, str, str] | None = None
    signed: tuple[str, str] | None = None
    status_reason: str | None = None
    completed: datetime | None = None
    expires: datetime | None = None
    revoked_at: datetime | None = None
    revoked_by: str | None = None
    revocation_reason: str | None = None

    @property
    def arn(self) -> str:
        """The job's ARN."""
        return job_arn(self.account_id, self.region, self.job_id)


def find_profile(reader: Reader, account_id: str, region: str, name: str) -> ProfileVersion | None:
    """The newest version of a profile, or None."""
    row = reader.one("signing_profile_one", account_id=account_id, region=region, name=name)
    return None if row is None else _profile(row)


def find_version(reader: Reader, account_id: str, region: str, name: str, version: str) -> ProfileVersion | None:
    """One version of a profile, or None."""
    row = reader.one("signing_version_one", account_id=account_id, region=region, name=name, version=version)
    return None if row is None else _profile(row)


def profiles_from(reader: Reader, **where: Any) -> list[ProfileVersion]:
    """A page of profiles; see the query."""
    return [_profile(row) for row in reader.all("signing_profiles_page", **where)]


def insert_version(transaction: Transaction, version: ProfileVersion) -> None:
    """Store a new version, which is the newest of its profile from now on."""
    key = {"account_id": version.account_id, "region": version.region, "name": version.name, "version": version.version}
    transaction.run("signing_profile_save", **key)
    transaction.run(
        "signing_version_insert",
        **key,
        platform_id=version.platform_id,
        validity_value=version.validity[0],
        validity_type=version.validity[1],
        parameters=orjson.dumps(version.parameters).decode(),
    )


def find_job(reader: Reader, region: str, job_id: str) -> Job | None:
    """The job, whoever owns it, or None."""
    row = reader.one("signing_job_one", region=region, job_id=job_id)
    return None if row is None else _job(row)


def jobs_from(reader: Reader, **where: Any) -> list[Job]:
    """A page of jobs; see the query."""
    return [_job(row) for row in reader.all("signing_jobs_page", **where)]


def unfinished_jobs(reader: Reader) -> list[Job]:
    """The jobs whose work has not ended."""
    return [_job(row) for row in reader.all("signing_jobs_unfinished")]


def insert_job(transaction: Transaction, job: Job) -> None:
    """Store a new job."""
    source, signed = job.source or (None, None, None), job.signed or (None, None)
    transaction.run(
        "signing_job_insert",
        job_id=job.job_id,
        account_id=job.account_id,
        region=job.region,
        invoker=job.invoker,
        requested_by=job.requested_by,
        token=job.token,
        request=job.request,
        profile_name=job.profile_name,
        profile_version=job.profile_version,
        source_bucket=source[0],
        source_key=source[1],
        source_version=source[2],
        signed_bucket=signed[0],
        signed_key=signed[1],
        status=job.status,
        created_ms=milliseconds(job.created),
        completed_ms=job.completed and milliseconds(job.completed),
        expires_ms=job.expires and milliseconds(job.expires),
    )


def finish_job(
    transaction: Transaction, job_id: str, completed: datetime, *, expires: datetime | None, reason: str | None
) -> None:
    """End a job: it has succeeded when its signature ``expires``, else failed for a ``reason``."""
    transaction.run(
        "signing_job_finish",
        job_id=job_id,
        status=FAILED if expires is None else SUCCEEDED,
        status_reason=reason,
        completed_ms=milliseconds(completed),
        expires_ms=expires and milliseconds(expires),
    )


def _profile(row: Row) -> ProfileVersion:
    return ProfileVersion(
        account_id=row["account_id"],
        region=row["region"],
        name=row["name"],
        version=row["version"],
        platform_id=row["platform_id"],
        validity=(row["validity_value"], row["validity_type"]),
        parameters=orjson.loads(row["parameters"]),
        is_canceled=bool(row["is_canceled"]),
        permissions_revision=row["permissions_revision"],
        revoked_from=from_milliseconds(row["revoked_from_ms"]),
        revoked_at=from_milliseconds(row["revoked_at_ms"]),
        revoked_by=row["revoked_by"],
        revocation_reason=row["revocation_reason"],
    )


def _job(row: Row) -> Job:
    source, signed = (row["source_bucket"], row["source_key"], row["source_version"]), row["signed_bucket"]
    created = from_milliseconds(row["created_ms"])
    assert created is not None
    return Job(
        job_id=row["job_id"],
        account_id=row["account_id"],
        region=row["region"],
        invoker=row["invoker"],
        requested_by=row["requested_by"],
        profile_name=row["profile_name"],
        profile_version=row["profile_version"],
        platform_id=row["platform_id"],
        parameters=orjson.loads(row["parameters"]),
        status=row["status"],
        created=created,
        token=row["token"],
        request=row["request"],
        source=None if source[0] is None else source,
        signed=None if signed is None else (signed, row["signed_key"]),
        status_reason=row["status_reason"],
        completed=from_milliseconds(row["completed_ms"]),
        expires=from_milliseconds(row["expires_ms"]),
        revoked_at=from_milliseconds(row["revoked_at_ms"]),
        revoked_by=row["revoked_by"],
        revocation_reason=row["revocation_reason"],
    )
