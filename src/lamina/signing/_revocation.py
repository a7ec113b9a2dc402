"""What is not trusted any more: a signing job, or what a version of a profile has signed from some time on."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from lamina.signing._claims import Signature, arns_of, parse_job_arn, parse_profile_version_arn
from lamina.state import Reader

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def milliseconds(moment: datetime) -> int:
    """Epoch milliseconds."""
    return (moment - _EPOCH) // timedelta(milliseconds=1)


def from_milliseconds(value: int | None) -> datetime | None:
    """A time in UTC, or None."""
    return None if value is None else _EPOCH + timedelta(milliseconds=value)


def is_revoked(reader: Reader, signature: Signature, *, is_own: bool) -> bool:
    """Whether a signature that holds is revoked.

    Every job of the own authority is in the state. One that is not there cannot be known to be good, so it counts as
    revoked; that of another authority does not.
    """
    arns = arns_of(signature)
    job = _job_revoked(reader, arns.account_id, arns.region, arns.job_id)
    version = _version_revoked(
        reader, arns.account_id, arns.region, arns.profile_name, arns.profile_version, signature.signed_at
    )
    return (is_own if job is None else job) or (is_own if version is None else version)


def revoked_entities(reader: Reader, job_arn: str, profile_version_arn: str, signed_at: datetime) -> list[str]:
    """Those of the two ARNs that are revoked for a signature of that time."""
    job, version = parse_job_arn(job_arn), parse_profile_version_arn(profile_version_arn)
    found = []
    if version and _version_revoked(reader, *version, signed_at):
        found.append(profile_version_arn)
    if job and _job_revoked(reader, *job):
        found.append(job_arn)
    return found


def _job_revoked(reader: Reader, account_id: str, region: str, job_id: str) -> bool | None:
    """None when there is no such job."""
    row = reader.one("signing_job_one", job_id=job_id, region=region)
    return None if row is None or row["account_id"] != account_id else row["revoked_at_ms"] is not None


def _version_revoked(
    reader: Reader, account_id: str, region: str, name: str, version: str, signed_at: datetime
) -> bool | None:
    """None when there is no such version."""
    row = reader.one("signing_version_one", account_id=account_id, region=region, name=name, version=version)
    if row is None:
        return None
    revoked_from: int | None = row["revoked_from_ms"]
    return revoked_from is not None and milliseconds(signed_at) >= revoked_from
