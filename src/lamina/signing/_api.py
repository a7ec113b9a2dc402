"""The Signer API (2017-08-25), with botocore's member names."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime
from functools import partial
from types import MappingProxyType
from typing import TYPE_CHECKING

from lamina.errors import ResourceNotFoundException
from lamina.signing._authority import Authority
from lamina.signing._jobs import (
    describe_signing_job,
    get_revocation_status,
    list_signing_jobs,
    revoke_signature,
    start_signing_job,
)
from lamina.signing._objects import ObjectStore
from lamina.signing._payload import sign_payload
from lamina.signing._permissions import add_profile_permission, list_profile_permissions, remove_profile_permission
from lamina.signing._plane import Answer, Params, SignerPlane
from lamina.signing._platforms import PLATFORMS
from lamina.signing._profile_tags import list_tags_for_resource, tag_resource, untag_resource
from lamina.signing._profiles import (
    cancel_signing_profile,
    get_signing_profile,
    list_signing_profiles,
    put_signing_profile,
    revoke_signing_profile,
)
from lamina.signing._runner import JobRunner
from lamina.state import State

if TYPE_CHECKING:
    from lamina.functions import Call

Handler = Callable[["Call", Params], Awaitable[Answer]]


async def _get_signing_platform(plane: SignerPlane, call: Call, params: Params) -> Answer:  # noqa: ARG001  # the same for all
    """GetSigningPlatform."""
    platform = PLATFORMS.get(params["platformId"])
    if platform is None:
        raise ResourceNotFoundException(f"The signing platform {params['platformId']} does not exist.")
    return dict(platform)


async def _list_signing_platforms(plane: SignerPlane, call: Call, params: Params) -> Answer:  # noqa: ARG001
    """ListSigningPlatforms: there are fewer than a page holds."""
    wanted = {name: params[name] for name in ("category", "partner", "target") if params.get(name)}
    found = [dict(each) for each in PLATFORMS.values() if all(each.get(name) == wanted[name] for name in wanted)]
    return {"platforms": found}


_OPERATIONS: Mapping[str, Callable[[SignerPlane, Call, Params], Awaitable[Answer]]] = MappingProxyType(
    {
        "AddProfilePermission": add_profile_permission,
        "CancelSigningProfile": cancel_signing_profile,
        "DescribeSigningJob": describe_signing_job,
        "GetRevocationStatus": get_revocation_status,
        "GetSigningPlatform": _get_signing_platform,
        "GetSigningProfile": get_signing_profile,
        "ListProfilePermissions": list_profile_permissions,
        "ListSigningJobs": list_signing_jobs,
        "ListSigningPlatforms": _list_signing_platforms,
        "ListSigningProfiles": list_signing_profiles,
        "ListTagsForResource": list_tags_for_resource,
        "PutSigningProfile": put_signing_profile,
        "RemoveProfilePermission": remove_profile_permission,
        "RevokeSignature": revoke_signature,
        "RevokeSigningProfile": revoke_signing_profile,
        "SignPayload": sign_payload,
        "StartSigningJob": start_signing_job,
        "TagResource": tag_resource,
        "UntagResource": untag_resource,
    }
)


def _now() -> datetime:
    return datetime.now(UTC)


class SignerApi:
    """Signing profiles, jobs and revocation, per account and Region.

    Call ``recover`` before the first request, and ``close`` after the last.
    """

    def __init__(
        self, state: State, authority: Authority, objects: ObjectStore, now: Callable[[], datetime] = _now
    ) -> None:
        self._jobs = JobRunner(state, authority, objects, now)
        self._plane = SignerPlane(state=state, authority=authority, objects=objects, jobs=self._jobs, now=now)

    def operations(self) -> dict[str, Handler]:
        """The handler of each operation, as ``lamina.functions.Functions.operations`` has them."""
        return {name: partial(operation, self._plane) for name, operation in _OPERATIONS.items()}

    async def recover(self) -> None:
        """Start again the jobs that an earlier run has accepted and not finished."""
        await self._jobs.recover()

    async def close(self) -> None:
        """Stop the jobs that run; the next start does them again."""
        await self._jobs.close()
