from __future__ import annotations

from datetime import timedelta

import pytest

from lamina.errors import (
    AccessDeniedException,
    BadRequestException,
    ConflictException,
    NotFoundException,
    ResourceNotFoundException,
    ServiceLimitExceededException,
    ValidationException,
)
from tests.unit.signing.world import ACCOUNT, OTHER, PLATFORM, PREFIX, REGION

ARN = PREFIX + "/signing-profiles/team"


async def test_a_profile_shows_what_it_was_made_of(signer):
    made = await signer.profile(signingParameters={"a": "b"}, tags={"owner": "us"})
    version = made["profileVersion"]

    assert made == {"arn": ARN, "profileVersion": version, "profileVersionArn": f"{ARN}/{version}"}
    assert await signer.do("GetSigningProfile", profileName="team") == {
        **made,
        "profileName": "team",
        "signatureValidityPeriod": {"value": 135, "type": "MONTHS"},
        "platformId": PLATFORM,
        "platformDisplayName": "AWS Lambda",
        "signingParameters": {"a": "b"},
        "status": "Active",
        "tags": {"owner": "us"},
    }


async def test_putting_a_profile_again_makes_a_new_version(signer):
    first = await signer.profile(tags={"a": "1"})
    second = await signer.profile(signatureValidityPeriod={"value": 3, "type": "YEARS"})
    shown = await signer.do("GetSigningProfile", profileName="team")

    assert first["profileVersion"] != second["profileVersion"] == shown["profileVersion"]
    assert shown["signatureValidityPeriod"] == {"value": 3, "type": "YEARS"}
    assert shown["tags"] == {"a": "1"}


@pytest.mark.parametrize(
    ("period", "text"),
    [
        ({"value": 136, "type": "MONTHS"}, "from 1 to 135 MONTHS"),
        ({"value": 0, "type": "DAYS"}, "from 1 to 4109 DAYS"),
        ({"value": 12, "type": "YEARS"}, "from 1 to 11 YEARS"),
        ({"value": 1}, "needs a value and a type"),
    ],
)
async def test_a_validity_that_cannot_be(signer, period, text):
    with pytest.raises(ValidationException, match=text):
        await signer.profile(signatureValidityPeriod=period)


async def test_what_would_be_ignored_is_refused(signer):
    with pytest.raises(ValidationException, match="signingMaterial is not supported"):
        await signer.profile(signingMaterial={"certificateArn": "arn"})
    with pytest.raises(ValidationException, match="overrides is not supported"):
        await signer.profile(overrides={"signingImageFormat": "JSON"})
    with pytest.raises(ResourceNotFoundException, match="AmazonFreeRTOS"):
        await signer.do("PutSigningProfile", profileName="team", platformId="AmazonFreeRTOS-Default")


@pytest.mark.parametrize(
    ("operation", "params"),
    [
        ("GetSigningProfile", {}),
        ("CancelSigningProfile", {}),
        ("ListProfilePermissions", {}),
        ("AddProfilePermission", {"action": "signer:SignPayload", "principal": OTHER, "statementId": "s"}),
        ("RemoveProfilePermission", {"revisionId": "r", "statementId": "s"}),
    ],
)
async def test_a_profile_that_does_not_exist(signer, operation, params):
    with pytest.raises(ResourceNotFoundException, match="The signing profile team does not exist"):
        await signer.do(operation, profileName="team", **params)


async def test_accounts_do_not_see_each_other(signer):
    await signer.profile()

    assert (await signer.do("ListSigningProfiles", account_id=OTHER))["profiles"] == []
    with pytest.raises(ResourceNotFoundException):
        await signer.do("GetSigningProfile", account_id=OTHER, profileName="team")
    with pytest.raises(AccessDeniedException, match=f"iam::{OTHER}:root is not authorized to perform: signer:GetSign"):
        await signer.do("GetSigningProfile", account_id=OTHER, profileName="team", profileOwner=ACCOUNT)


async def test_a_canceled_profile_signs_no_more_until_it_is_put_again(signer):
    await signer.profile(tags={"a": "1"})
    await signer.do("CancelSigningProfile", profileName="team")
    assert (await signer.do("GetSigningProfile", profileName="team"))["status"] == "Canceled"
    with pytest.raises(ValidationException, match="is not active: it is Canceled"):
        await signer.start()

    await signer.profile()
    shown = await signer.do("GetSigningProfile", profileName="team")
    assert (shown["status"], shown["tags"]) == ("Active", {})
    assert (await signer.start())["status"] == "Succeeded"


async def test_a_revoked_version_says_why_and_signs_no_more(signer):
    version = (await signer.profile())["profileVersion"]
    at = signer.clock.moment
    revoke = {"profileName": "team", "profileVersion": version, "reason": "leaked"}
    await signer.do("RevokeSigningProfile", **revoke, effectiveTime=at)
    shown = await signer.do("GetSigningProfile", profileName="team")

    assert (shown["status"], shown["statusReason"]) == ("Revoked", "leaked")
    assert shown["revocationRecord"] == {
        "revocationEffectiveFrom": at,
        "revokedAt": at,
        "revokedBy": f"arn:aws:iam::{ACCOUNT}:root",
    }
    with pytest.raises(ValidationException, match="is not active: it is Revoked"):
        await signer.start()


@pytest.mark.parametrize(("hours", "expected"), [(-1, -1), (1, 0)])
async def test_a_second_revocation_reaches_further_back_only(signer, hours, expected):
    version = (await signer.profile())["profileVersion"]
    at = signer.clock.moment
    revoke = {"profileName": "team", "profileVersion": version, "reason": "leaked"}
    await signer.do("RevokeSigningProfile", **revoke, effectiveTime=at)
    await signer.do("RevokeSigningProfile", **revoke, effectiveTime=at + timedelta(hours=hours))
    record = (await signer.do("GetSigningProfile", profileName="team"))["revocationRecord"]

    assert record["revocationEffectiveFrom"] == at + timedelta(hours=expected)


async def test_a_version_that_does_not_exist_is_not_revoked(signer):
    await signer.profile()
    with pytest.raises(ResourceNotFoundException, match="has no version 0123456789"):
        await signer.do(
            "RevokeSigningProfile",
            profileName="team",
            profileVersion="0123456789",
            reason="r",
            effectiveTime=signer.clock.moment,
        )


async def names(signer, **params):
    return [each["profileName"] for each in (await signer.do("ListSigningProfiles", **params))["profiles"]]


async def test_lists_by_status_and_platform(signer):
    for name in ("active", "canceled", "revoked"):
        made = await signer.profile(name)
    await signer.do("CancelSigningProfile", profileName="canceled")
    await signer.do(
        "RevokeSigningProfile",
        profileName="revoked",
        profileVersion=made["profileVersion"],
        reason="r",
        effectiveTime=signer.clock.moment,
    )

    assert await names(signer) == ["active"]
    assert await names(signer, includeCanceled=True) == ["active", "canceled", "revoked"]
    assert await names(signer, statuses=["Canceled"]) == ["canceled"]
    assert await names(signer, platformId=PLATFORM) == ["active"]
    assert await names(signer, platformId="other") == []


async def test_lists_in_pages(signer):
    for name in ("aa", "bb", "cc"):
        await signer.profile(name)
    first = await signer.do("ListSigningProfiles", maxResults=2)
    rest = await signer.do("ListSigningProfiles", maxResults=2, nextToken=first["nextToken"])

    assert [each["profileName"] for each in first["profiles"] + rest["profiles"]] == ["aa", "bb", "cc"]
    assert "nextToken" not in rest
    for token in ("x", "AAAA", "bnVsbA==", "\u00e4"):
        with pytest.raises(ValidationException, match="nextToken"):
            await signer.do("ListSigningProfiles", nextToken=token)
        with pytest.raises(ValidationException, match="nextToken"):
            await signer.do("ListSigningJobs", nextToken=token)
    with pytest.raises(ValidationException, match="nextToken"):
        await signer.do("ListSigningJobs", nextToken=first["nextToken"])


async def test_platforms(signer):
    platform = await signer.do("GetSigningPlatform", platformId=PLATFORM)

    assert (platform["displayName"], platform["maxSizeInMB"]) == ("AWS Lambda", 250)
    assert await signer.do("ListSigningPlatforms", partner="AWSLambda") == {"platforms": [platform]}
    assert await signer.do("ListSigningPlatforms", category="AWSIoT") == {"platforms": []}
    with pytest.raises(ResourceNotFoundException):
        await signer.do("GetSigningPlatform", platformId="other")


async def permit(signer, action="StartSigningJob", statement="one", principal=OTHER, **params):
    return await signer.do(
        "AddProfilePermission",
        profileName="team",
        action=f"signer:{action}",
        principal=principal,
        statementId=statement,
        **params,
    )


async def test_a_permission_lets_another_account_in(signer):
    version = (await signer.profile())["profileVersion"]
    added = await permit(signer, "GetSigningProfile", profileVersion=version)
    shown = await signer.do("GetSigningProfile", account_id=OTHER, profileName="team", profileOwner=ACCOUNT)
    listed = await signer.do("ListProfilePermissions", profileName="team")

    assert shown["arn"] == ARN
    assert listed["revisionId"] == added["revisionId"]
    assert listed["policySizeBytes"] > 0
    assert listed["permissions"] == [
        {"action": "signer:GetSigningProfile", "principal": OTHER, "statementId": "one", "profileVersion": version}
    ]

    await signer.profile()  # the permission is for the version before
    with pytest.raises(AccessDeniedException):
        await signer.do("GetSigningProfile", account_id=OTHER, profileName="team", profileOwner=ACCOUNT)


async def test_a_permission_is_for_its_action_and_principal(signer):
    await signer.profile()
    await permit(signer, "StartSigningJob")
    with pytest.raises(AccessDeniedException):
        await signer.do("GetSigningProfile", account_id=OTHER, profileName="team", profileOwner=ACCOUNT)

    await permit(signer, "GetSigningProfile", "two", principal=f"arn:aws:iam::{OTHER}:root")
    assert await signer.do("GetSigningProfile", account_id=OTHER, profileName="team", profileOwner=ACCOUNT)
    with pytest.raises(AccessDeniedException):
        await signer.do("GetSigningProfile", account_id="9" * 12, profileName="team", profileOwner=ACCOUNT)


async def test_permissions_have_revisions(signer):
    await signer.profile()
    first = (await permit(signer))["revisionId"]
    with pytest.raises(ConflictException, match="exists already"):
        await permit(signer, revisionId=first)
    with pytest.raises(ConflictException, match="revision ID"):
        await permit(signer, statement="two", revisionId="other")
    second = (await permit(signer, statement="two", revisionId=first))["revisionId"]

    with pytest.raises(ConflictException, match="revision ID"):
        await signer.do("RemoveProfilePermission", profileName="team", revisionId=first, statementId="one")
    with pytest.raises(ResourceNotFoundException, match="three"):
        await signer.do("RemoveProfilePermission", profileName="team", revisionId=second, statementId="three")
    third = await signer.do("RemoveProfilePermission", profileName="team", revisionId=second, statementId="one")
    listed = await signer.do("ListProfilePermissions", profileName="team")

    assert [each["statementId"] for each in listed["permissions"]] == ["two"]
    assert listed["revisionId"] == third["revisionId"] not in (first, second)


async def test_the_revision_of_no_permissions_is_empty(signer):
    await signer.profile()
    assert (await signer.do("ListProfilePermissions", profileName="team"))["revisionId"] is None
    await permit(signer, revisionId="")

    with pytest.raises(ConflictException, match="revision ID"):
        await permit(signer, statement="two", revisionId="")


async def test_permissions_that_cannot_be(signer):
    await signer.profile()
    with pytest.raises(ValidationException, match="The action must be one of"):
        await permit(signer, "PutSigningProfile")
    with pytest.raises(ResourceNotFoundException, match="0123456789"):
        await permit(signer, profileVersion="0123456789")
    with pytest.raises(ServiceLimitExceededException):
        await permit(signer, statement="s" * 20_000)


async def test_permissions_are_listed_in_pages(signer):
    await signer.profile()
    for number in range(27):
        await permit(signer, statement=f"s{number:02}")
    first = await signer.do("ListProfilePermissions", profileName="team")
    rest = await signer.do("ListProfilePermissions", profileName="team", nextToken=first["nextToken"])

    assert len(first["permissions"]) == 25
    assert [each["statementId"] for each in rest["permissions"]] == ["s25", "s26"]


async def test_tags(signer):
    await signer.profile(tags={"a": "1", "b": "2"})
    await signer.do("TagResource", resourceArn=ARN, tags={"b": "3", "c": "4"})
    await signer.do("UntagResource", resourceArn=ARN, tagKeys=["a", "none"])

    assert await signer.do("ListTagsForResource", resourceArn=ARN) == {"tags": {"b": "3", "c": "4"}}


@pytest.mark.parametrize(
    ("arn", "error"),
    [
        (ARN + "x", NotFoundException),
        (ARN.replace(REGION, "eu-west-3"), NotFoundException),
        (ARN.replace(ACCOUNT, OTHER), NotFoundException),
        ("arn:aws:s3:::bucket", BadRequestException),
        (ARN + "/AbCdEf0123", BadRequestException),
    ],
)
async def test_tags_of_what_has_none(signer, arn, error):
    await signer.profile()
    for operation, params in (
        ("TagResource", {"tags": {"a": "1"}}),
        ("UntagResource", {"tagKeys": ["a"]}),
        ("ListTagsForResource", {}),
    ):
        with pytest.raises(error):
            await signer.do(operation, resourceArn=arn, **params)


async def test_at_most_fifty_tags(signer):
    await signer.profile(tags={f"t{number}": "" for number in range(50)})
    await signer.do("TagResource", resourceArn=ARN, tags={"t0": "x"})
    with pytest.raises(BadRequestException):
        await signer.do("TagResource", resourceArn=ARN, tags={"more": ""})
    with pytest.raises(BadRequestException):
        await signer.profile("other", tags={f"t{number}": "" for number in range(51)})
    assert await names(signer) == ["team"]
