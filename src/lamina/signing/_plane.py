"""What the operations of Signer share: the parts they work with, and who may do what."""

from __future__ import annotations

import binascii
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, TypeVar

import orjson

from lamina.errors import AccessDeniedException, ResourceNotFoundException, ValidationException
from lamina.signing._authority import Authority
from lamina.signing._objects import ObjectStore
from lamina.signing._records import ACTIVE, ProfileVersion, find_profile
from lamina.signing._runner import JobRunner
from lamina.state import Reader, State

if TYPE_CHECKING:
    from lamina.functions import Call

T = TypeVar("T")
Params = dict[str, Any]
Answer = dict[str, Any]

_PAGE = 25


@dataclass(frozen=True, slots=True, kw_only=True)
class SignerPlane:
    """The parts that the operations share."""

    state: State
    authority: Authority
    objects: ObjectStore
    jobs: JobRunner
    now: Callable[[], datetime]


def caller_arn(call: Call) -> str:
    """The principal that asks: each account has one."""
    return f"arn:aws:iam::{call.account_id}:root"


def need_profile(reader: Reader, call: Call, name: str, owner: str | None, action: str) -> ProfileVersion:
    """The profile that a request names, if the caller may use it for an action such as StartSigningJob.

    Raises ResourceNotFoundException, and AccessDeniedException for another account's without permission.
    """
    profile = find_profile(reader, owner or call.account_id, call.region, name)
    if owner is not None and owner != call.account_id:
        if profile is None or not _is_permitted(reader, call, profile, profile.version, action):
            raise _denied(call, action)
        return profile
    if profile is None:
        raise ResourceNotFoundException(f"The signing profile {name} does not exist.")
    return profile


def check_permission(reader: Reader, call: Call, profile: ProfileVersion, action: str) -> None:
    """Refuse an action on something of this profile version to who does not own it and has no permission."""
    if profile.account_id != call.account_id and not _is_permitted(reader, call, profile, profile.version, action):
        raise _denied(call, action)


def check_active(profile: ProfileVersion) -> None:
    """Refuse to sign with a profile that was cancelled or revoked."""
    if profile.status != ACTIVE:
        raise ValidationException(f"The signing profile {profile.name} is not active: it is {profile.status}.")


def _is_permitted(reader: Reader, call: Call, profile: ProfileVersion, version: str, action: str) -> bool:
    rows = reader.all(
        "signing_permissions_all", account_id=profile.account_id, region=profile.region, name=profile.name
    )
    return any(
        row["action"] == f"signer:{action}"
        and row["principal"] in (call.account_id, caller_arn(call))
        and row["profile_version"] in (None, version)
        for row in rows
    )


def _denied(call: Call, action: str) -> AccessDeniedException:
    return AccessDeniedException(f"User: {caller_arn(call)} is not authorized to perform: signer:{action}")


def page_size(params: Mapping[str, Any]) -> int:
    """The number of entries of this page."""
    return int(params.get("maxResults") or _PAGE)


def page_start(params: Mapping[str, Any], list_of: str, first: T) -> T:
    """Where this page starts: at ``first``, or where the ``nextToken`` of the last page says.

    Raises ValidationException for a token that another list or nobody has given.
    """
    token = params.get("nextToken")
    if not token:
        return first
    try:
        name, *position = orjson.loads(urlsafe_b64decode(token.encode("ascii")))
    except (ValueError, TypeError, binascii.Error):
        raise _refused() from None
    wanted = list(first) if isinstance(first, tuple) else [first]
    if name != list_of or [type(each) for each in position] != [type(each) for each in wanted]:
        raise _refused()
    if any(isinstance(each, int) and not 0 <= each < 1 << 62 for each in position):
        raise _refused()
    return tuple(position) if isinstance(first, tuple) else position[0]  # type: ignore[return-value]


def page(
    list_of: str, found: Sequence[T], size: int, position: Callable[[T], tuple[Any, ...]]
) -> tuple[Sequence[T], Answer]:
    """The entries of this page, and the member that leads to the next if there is more in ``found``."""
    if len(found) <= size:
        return found, {}
    text = orjson.dumps([list_of, *position(found[size])])
    return found[:size], {"nextToken": urlsafe_b64encode(text).decode("ascii")}


def _refused() -> ValidationException:
    return ValidationException("The provided nextToken is invalid.")
