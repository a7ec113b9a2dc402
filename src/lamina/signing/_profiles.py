"""Signing profiles: Put, Get, List, Cancel and Revoke (Signer API reference, 2017-08-25)."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from string import ascii_letters, digits
from typing import TYPE_CHECKING, Any

from lamina.errors import ResourceNotFoundException, ValidationException
from lamina.signing._plane import Answer, Params, SignerPlane, caller_arn, need_profile, page, page_size, page_start
from lamina.signing._platforms import PLATFORMS
from lamina.signing._profile_tags import replace_tags, tags_of
from lamina.signing._records import (
    ACTIVE,
    CANCELED,
    REVOKED,
    ProfileVersion,
    find_profile,
    find_version,
    insert_version,
    profiles_from,
)
from lamina.signing._revocation import milliseconds
from lamina.signing._validity import validity_of
from lamina.state import Reader, Transaction

if TYPE_CHECKING:
    from lamina.functions import Call

_LIST = "profiles"
_LETTERS = ascii_letters + digits


async def put_signing_profile(plane: SignerPlane, call: Call, params: Params) -> Answer:
    """PutSigningProfile: a new profile, or a new version of one. What older versions have signed stays trusted."""
    if params["platformId"] not in PLATFORMS:
        raise ResourceNotFoundException(f"The signing platform {params['platformId']} does not exist.")
    for member in ("signingMaterial", "overrides"):
        if any((params.get(member) or {}).values()):
            raise ValidationException(f"{member} is not supported for the platform {params['platformId']}.")
    version = ProfileVersion(
        account_id=call.account_id,
        region=call.region,
        name=params["profileName"],
        version="".join(secrets.choice(_LETTERS) for _ in range(10)),
        platform_id=params["platformId"],
        validity=validity_of(params),
        parameters=params.get("signingParameters") or {},
    )

    def work(transaction: Transaction) -> None:
        before = find_profile(transaction, call.account_id, call.region, version.name)
        insert_version(transaction, version)
        if params.get("tags") or (before is not None and before.status != ACTIVE):
            replace_tags(transaction, version, params.get("tags") or {})

    await plane.state.write(work)
    return {"arn": version.arn, "profileVersion": version.version, "profileVersionArn": version.version_arn}


async def get_signing_profile(plane: SignerPlane, call: Call, params: Params) -> Answer:
    """GetSigningProfile."""

    def work(reader: Reader) -> Answer:
        owner = params.get("profileOwner")
        profile = need_profile(reader, call, params["profileName"], owner, "GetSigningProfile")
        return _details(profile, tags_of(reader, profile))

    return await plane.state.read(work)


async def list_signing_profiles(plane: SignerPlane, call: Call, params: Params) -> Answer:
    """ListSigningProfiles by name; those that can sign, unless the request wants others."""
    size = page_size(params)
    others = [CANCELED, REVOKED] if params.get("includeCanceled") else []
    statuses = params.get("statuses") or [ACTIVE, *others]

    def work(reader: Reader) -> list[tuple[ProfileVersion, dict[str, str]]]:
        found = profiles_from(
            reader,
            account_id=call.account_id,
            region=call.region,
            name=page_start(params, _LIST, ""),
            platform_id=params.get("platformId"),
            with_active=ACTIVE in statuses,
            with_canceled=CANCELED in statuses,
            with_revoked=REVOKED in statuses,
            count=size + 1,
        )
        return [(profile, tags_of(reader, profile)) for profile in found]

    found = await plane.state.read(work)
    shown, token = page(_LIST, found, size, lambda entry: (entry[0].name,))
    return {"profiles": [_summary(profile, tags) for profile, tags in shown]} | token


async def cancel_signing_profile(plane: SignerPlane, call: Call, params: Params) -> Answer:
    """CancelSigningProfile: it signs no more; its signatures stay trusted."""

    def work(transaction: Transaction) -> None:
        profile = need_profile(transaction, call, params["profileName"], None, "CancelSigningProfile")
        transaction.run(
            "signing_profile_cancel", account_id=profile.account_id, region=profile.region, name=profile.name
        )

    await plane.state.write(work)
    return {}


async def revoke_signing_profile(plane: SignerPlane, call: Call, params: Params) -> Answer:
    """RevokeSigningProfile: what a version has signed from a time on is not trusted, and it signs no more.

    A second revocation can only reach further back.
    """

    def work(transaction: Transaction) -> None:
        name, number = params["profileName"], params["profileVersion"]
        version = find_version(transaction, call.account_id, call.region, name, number)
        if version is None:
            raise ResourceNotFoundException(f"The signing profile {name} has no version {number}.")
        if version.revoked_from is not None and version.revoked_from <= params["effectiveTime"]:
            return
        transaction.run(
            "signing_version_revoke",
            account_id=version.account_id,
            region=version.region,
            name=version.name,
            version=version.version,
            revoked_from_ms=milliseconds(params["effectiveTime"]),
            revoked_at_ms=milliseconds(plane.now()),
            revoked_by=caller_arn(call),
            revocation_reason=params["reason"],
        )

    await plane.state.write(work)
    return {}


def _summary(profile: ProfileVersion, tags: Mapping[str, str]) -> dict[str, Any]:
    return {
        "profileName": profile.name,
        "profileVersion": profile.version,
        "profileVersionArn": profile.version_arn,
        "signatureValidityPeriod": {"value": profile.validity[0], "type": profile.validity[1]},
        "platformId": profile.platform_id,
        "platformDisplayName": PLATFORMS[profile.platform_id]["displayName"],
        "signingParameters": profile.parameters or None,
        "status": profile.status,
        "arn": profile.arn,
        "tags": dict(tags),
    }


def _details(profile: ProfileVersion, tags: Mapping[str, str]) -> dict[str, Any]:
    details = _summary(profile, tags)
    if profile.revoked_at is not None:
        details["statusReason"] = profile.revocation_reason
        details["revocationRecord"] = {
            "revocationEffectiveFrom": profile.revoked_from,
            "revokedAt": profile.revoked_at,
            "revokedBy": profile.revoked_by,
        }
    return details
