"""TagResource, UntagResource and ListTagsForResource: the tags of signing profiles."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING

from lamina.errors import BadRequestException, NotFoundException
from lamina.signing._plane import Answer, Params, SignerPlane
from lamina.signing._records import ProfileVersion, find_profile
from lamina.state import Reader, Transaction

if TYPE_CHECKING:
    from lamina.functions import Call

_MOST = 50
_PROFILE = re.compile(r"arn:aws[a-z-]*:signer:[a-z0-9-]+:\d{12}:/signing-profiles/([A-Za-z0-9_]{2,64})", re.ASCII)


async def tag_resource(plane: SignerPlane, call: Call, params: Params) -> Answer:
    """TagResource: add tags or give them new values."""

    def work(transaction: Transaction) -> None:
        profile = _tagged(transaction, call, params["resourceArn"])
        _check_count(tags_of(transaction, profile) | params["tags"])
        _save(transaction, profile, params["tags"])

    await plane.state.write(work)
    return {}


async def untag_resource(plane: SignerPlane, call: Call, params: Params) -> Answer:
    """UntagResource: remove tags, those that exist."""

    def work(transaction: Transaction) -> None:
        profile = _tagged(transaction, call, params["resourceArn"])
        for tag in params["tagKeys"]:
            transaction.run("signing_tag_delete", **_key(profile), tag=tag)

    await plane.state.write(work)
    return {}


async def list_tags_for_resource(plane: SignerPlane, call: Call, params: Params) -> Answer:
    """ListTagsForResource."""

    def work(reader: Reader) -> dict[str, str]:
        return tags_of(reader, _tagged(reader, call, params["resourceArn"]))

    return {"tags": await plane.state.read(work)}


def tags_of(reader: Reader, profile: ProfileVersion) -> dict[str, str]:
    """The tags of a profile by name."""
    return {row["tag"]: row["value"] for row in reader.all("signing_tags_all", **_key(profile))}


def replace_tags(transaction: Transaction, profile: ProfileVersion, tags: Mapping[str, str]) -> None:
    """Give a profile these tags and no others. Raises BadRequestException for too many."""
    _check_count(tags)
    transaction.run("signing_tags_delete", **_key(profile))
    _save(transaction, profile, tags)


def _save(transaction: Transaction, profile: ProfileVersion, tags: Mapping[str, str]) -> None:
    for tag, value in tags.items():
        transaction.run("signing_tag_save", **_key(profile), tag=tag, value=value)


def _check_count(tags: Mapping[str, str]) -> None:
    if len(tags) > _MOST:
        raise BadRequestException(f"A signing profile can have at most {_MOST} tags.")


def _tagged(reader: Reader, call: Call, arn: str) -> ProfileVersion:
    match = _PROFILE.fullmatch(arn)
    if match is None:
        raise BadRequestException(f"{arn} is not the ARN of a signing profile.")
    profile = find_profile(reader, call.account_id, call.region, match[1])
    if profile is None or profile.arn != arn:
        raise NotFoundException(f"The signing profile {arn} does not exist.")
    return profile


def _key(profile: ProfileVersion) -> dict[str, str]:
    return {"account_id": profile.account_id, "region": profile.region, "name": profile.name}
