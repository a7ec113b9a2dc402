"""Permissions on a signing profile for other accounts: Add, Remove and List."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from uuid import uuid4

import orjson

from lamina.errors import (
    ConflictException,
    ResourceNotFoundException,
    ServiceLimitExceededException,
    ValidationException,
)
from lamina.signing._plane import Answer, Params, SignerPlane, need_profile, page, page_start
from lamina.signing._records import ProfileVersion, find_version
from lamina.state import Reader, Row, Transaction

if TYPE_CHECKING:
    from lamina.functions import Call

_ACTIONS = ("signer:StartSigningJob", "signer:SignPayload", "signer:GetSigningProfile", "signer:RevokeSignature")
_LIST = "permissions"
_PAGE = 25
_MOST_BYTES = 10_240


async def add_profile_permission(plane: SignerPlane, call: Call, params: Params) -> Answer:
    """AddProfilePermission: let another account use the profile, or one version of it."""
    if params["action"] not in _ACTIONS:
        raise ValidationException(f"The action must be one of {', '.join(_ACTIONS)}.")

    def work(transaction: Transaction) -> str:
        profile = need_profile(transaction, call, params["profileName"], None, "AddProfilePermission")
        _check_revision(profile, params.get("revisionId"))
        _check_version(transaction, profile, params.get("profileVersion"))
        rows = _permissions(transaction, profile)
        if any(row["statement_id"] == params["statementId"] for row in rows):
            raise ConflictException(f"The statement {params['statementId']} exists already.")
        added = {
            "statement_id": params["statementId"],
            "action": params["action"],
            "principal": params["principal"],
            "profile_version": params.get("profileVersion"),
        }
        if _size([*rows, added]) > _MOST_BYTES:
            raise ServiceLimitExceededException(f"The permissions of a profile may have {_MOST_BYTES} bytes together.")
        transaction.run("signing_permission_insert", **_key(profile), **added)
        return _revise(transaction, profile)

    return {"revisionId": await plane.state.write(work)}


async def remove_profile_permission(plane: SignerPlane, call: Call, params: Params) -> Answer:
    """RemoveProfilePermission."""

    def work(transaction: Transaction) -> str:
        profile = need_profile(transaction, call, params["profileName"], None, "RemoveProfilePermission")
        _check_revision(profile, params["revisionId"])
        removed = {**_key(profile), "statement_id": params["statementId"]}
        if not transaction.run("signing_permission_delete", **removed):
            raise ResourceNotFoundException(f"The statement {params['statementId']} does not exist.")
        return _revise(transaction, profile)

    return {"revisionId": await plane.state.write(work)}


async def list_profile_permissions(plane: SignerPlane, call: Call, params: Params) -> Answer:
    """ListProfilePermissions by statement id."""

    def work(reader: Reader) -> tuple[ProfileVersion, list[Row]]:
        profile = need_profile(reader, call, params["profileName"], None, "ListProfilePermissions")
        return profile, _permissions(reader, profile)

    profile, rows = await plane.state.read(work)
    first = page_start(params, _LIST, "")
    left = [row for row in rows if row["statement_id"] >= first]
    shown, token = page(_LIST, left, _PAGE, lambda row: (row["statement_id"],))
    permissions = [
        {
            "action": row["action"],
            "principal": row["principal"],
            "statementId": row["statement_id"],
            "profileVersion": row["profile_version"],
        }
        for row in shown
    ]
    size = _size(rows)
    return {
        "revisionId": profile.permissions_revision,
        "policySizeBytes": size,
        "permissions": permissions,
    } | token


def _check_revision(profile: ProfileVersion, given: str | None) -> None:
    # Terraform sends an empty one for a profile that has had no permissions yet.
    if given is not None and given != (profile.permissions_revision or ""):
        raise ConflictException("The revision ID provided is not that of the profile's permissions.")


def _check_version(reader: Reader, profile: ProfileVersion, version: str | None) -> None:
    if version is not None and find_version(reader, **_key(profile), version=version) is None:
        raise ResourceNotFoundException(f"The signing profile {profile.name} has no version {version}.")


def _permissions(reader: Reader, profile: ProfileVersion) -> list[Row]:
    return reader.all("signing_permissions_all", **_key(profile))


def _revise(transaction: Transaction, profile: ProfileVersion) -> str:
    revision = str(uuid4())
    transaction.run("signing_permissions_revise", **_key(profile), permissions_revision=revision)
    return revision


def _size(rows: list[dict[str, Any]]) -> int:
    members = ("statement_id", "action", "principal", "profile_version")
    return len(orjson.dumps([[row[member] for member in members] for row in rows]))


def _key(profile: ProfileVersion) -> dict[str, str]:
    return {"account_id": profile.account_id, "region": profile.region, "name": profile.name}
