"""A Signer with a state in memory, an authority in a folder and objects in a dictionary."""

from __future__ import annotations

import io
import itertools
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from lamina.errors import InvalidParameterValueException
from lamina.functions import Call
from lamina.http import ServiceModel
from lamina.http._validation import validate
from lamina.objects import ObjectLocation
from lamina.signing import (
    Authority,
    Signature,
    SignerApi,
    Trust,
    Verification,
    add_signature,
    digests_to_sign,
)
from lamina.state import State

ACCOUNT, OTHER = "123456789012", "210987654321"
REGION = "eu-west-1"
PLATFORM = "AWSLambda-SHA384-ECDSA"
PREFIX = f"arn:aws:signer:{REGION}:{ACCOUNT}:"
PROFILE = PREFIX + "/signing-profiles/team/AbCdEf0123"
JOB = PREFIX + "/signing-jobs/11111111-2222-4333-8444-555555555555"
START = datetime(2026, 5, 1, 12, tzinfo=UTC)
MODEL = ServiceModel.load("signer")

FILES = {"app.py": b"def handler(event, context):\n    return 1\n", "lib/": b"", "lib/data.bin": bytes(70_000)}
_TOKENS = itertools.count()


def caller(account_id: str = ACCOUNT) -> Call:
    return Call(
        account_id=account_id, region=REGION, request_id="r", access_key_id="k", base_url="http://localhost:4566"
    )


def package(files: Mapping[str, bytes] = FILES, modes: Mapping[str, int] | None = None, comment: bytes = b"") -> bytes:
    """A zip of these files in this order."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.comment = comment
        for name, body in files.items():
            item = zipfile.ZipInfo(name, (2026, 1, 1, 0, 0, 0))
            item.compress_type = zipfile.ZIP_DEFLATED if len(body) > 20 else zipfile.ZIP_STORED
            item.external_attr = (modes or {}).get(name, 0o100644) << 16
            archive.writestr(item, body)
    return buffer.getvalue()


def files_of(data: bytes) -> dict[str, bytes]:
    """What is in a zip, in its order."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def modes_of(data: bytes) -> dict[str, int]:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return {item.filename: item.external_attr >> 16 for item in archive.infolist()}


class Clock:
    """A clock that a test sets."""

    def __init__(self) -> None:
        # Certificates are made with the machine's clock, so this one cannot be far from it.
        self.moment = datetime.now(UTC).replace(microsecond=0)

    def __call__(self) -> datetime:
        return self.moment

    def forward(self, **period: float) -> None:
        self.moment += timedelta(**period)


def claims(signed_at: datetime, **changed: Any) -> Signature:
    values = {
        "profile_version_arn": PROFILE,
        "job_arn": JOB,
        "signed_at": signed_at,
        "expires_at": signed_at + timedelta(days=1),
    }
    return Signature(**{**values, **changed})


def signed_by(authority: Authority, made: Signature, data: bytes | None = None) -> bytes:
    """A package with a signature that says this."""
    view = memoryview(package() if data is None else data)
    return add_signature(view, authority.sign(made, digests_to_sign(view)))


@dataclass
class FakeObjects:
    """Objects by (bucket, key, version); ``versioned`` are the buckets with versions."""

    objects: dict[tuple[str, str, str | None], bytes] = field(default_factory=dict)
    versioned: set[str] = field(default_factory=lambda: {"source"})
    failure: Exception | None = None

    async def read(self, location: ObjectLocation, most: int) -> bytes:
        if self.failure is not None:
            raise self.failure
        try:
            return self.objects[location.bucket, location.key, location.version]
        except KeyError:
            raise InvalidParameterValueException(
                "Error occurred while GetObject. S3 Error Code: NoSuchKey. "
                "S3 Error Message: The specified key does not exist."
            ) from None

    async def write(self, bucket: str, key: str, data: bytes) -> str | None:
        self.objects[bucket, key, None] = data
        return None

    async def is_versioned(self, bucket: str) -> bool:
        if bucket == "missing":
            raise InvalidParameterValueException("S3 Error Code: NoSuchBucket.")
        return bucket in self.versioned


class Signer:
    """The API, and the check at deployments."""

    def __init__(self, state: State, folder: Path) -> None:
        self.state = state
        self.clock = Clock()
        self.authority = Authority(folder)
        self.objects = FakeObjects()
        self.api = SignerApi(state, self.authority, self.objects, self.clock)
        self.verification = Verification(state, self.authority, self.clock)

    async def do(self, operation: str, /, account_id: str = ACCOUNT, **params: Any) -> dict[str, Any]:
        validate(MODEL.operations[operation], params)
        return await self.api.operations()[operation](caller(account_id), params)

    async def profile(self, name: str = "team", **params: Any) -> dict[str, Any]:
        return await self.do("PutSigningProfile", profileName=name, platformId=PLATFORM, **params)

    async def start(self, data: bytes | None = None, **params: Any) -> dict[str, Any]:
        """A job; its description when it has ended."""
        self.objects.objects["source", "app.zip", "v1"] = package() if data is None else data
        members = {
            "source": {"s3": {"bucketName": "source", "key": "app.zip", "version": "v1"}},
            "destination": {"s3": {"bucketName": "signed", "prefix": "out/"}},
            "profileName": "team",
            "clientRequestToken": f"t{next(_TOKENS)}",
        }
        job = await self.do("StartSigningJob", **{**members, **params})
        return await self.do("DescribeSigningJob", jobId=job["jobId"])

    async def sign(self, data: bytes | None = None) -> tuple[bytes, dict[str, Any]]:
        """A package that the profile ``team`` has signed, and its job."""
        job = await self.start(data)
        assert job["status"] == "Succeeded", job
        at = job["signedObject"]["s3"]
        return self.objects.objects[at["bucketName"], at["key"], None], job

    async def check(self, data: bytes, trust: Trust | None) -> Signature | None:
        return await self.verification.check(memoryview(data), trust, "f")

    async def faults(self) -> dict[str, int]:
        return {fault.value: count for (_, fault), count in self.verification.validation_errors.items()}


def trust(*allowed: str, policy: Any = "Enforce") -> Trust:
    return Trust(config_arn="arn", allowed=frozenset(allowed), policy=policy, change=1)
