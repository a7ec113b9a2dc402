"""STS: who a caller is, and temporary keys (AWS Security Token Service API Reference).

There are no policies for roles here: whoever has keys of an account may assume every role of that account, and keys of
a role may do in its account what the account itself may, except where a policy of a resource names the role.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from lamina.errors import AccessDeniedException, ValidationException
from lamina.functions import Call
from lamina.roles._identity import caller_arn, caller_id, role_parts
from lamina.roles._sessions import Sessions, account_of
from lamina.settings import AccessKey, TemporaryKey

_HOUR = 3600
_SESSION_SECONDS = 12 * _HOUR
# Members that would make the keys weaker or other than they are here.
_NOT_HERE = ("Policy", "PolicyArns", "Tags", "TransitiveTagKeys", "SourceIdentity", "ProvidedContexts")
_MFA = ("SerialNumber", "TokenCode")
Handler = Callable[[Call, dict[str, Any]], Awaitable[Mapping[str, Any]]]


class StsApi:
    """The operations of STS over ``sessions``; ``find_key`` knows the keys that are not temporary."""

    def __init__(self, sessions: Sessions, find_key: Callable[[str], AccessKey | None]) -> None:
        self._sessions = sessions
        self._find_key = find_key

    def operations(self) -> dict[str, Handler]:
        """The handlers by operation."""
        return {
            "AssumeRole": self.assume_role,
            "GetAccessKeyInfo": self.get_access_key_info,
            "GetCallerIdentity": self.get_caller_identity,
            "GetSessionToken": self.get_session_token,
        }

    async def get_caller_identity(self, call: Call, _params: dict[str, Any]) -> dict[str, str]:
        """GetCallerIdentity: needs no permission, and never fails."""
        who = (call.account_id, call.role, call.session)
        return {"UserId": caller_id(*who), "Account": call.account_id, "Arn": caller_arn(*who)}

    async def assume_role(self, call: Call, params: dict[str, Any]) -> dict[str, Any]:
        """AssumeRole: keys for a role of the caller's own account. ExternalId is for trust policies, and has no use."""
        _refuse(params, "AssumeRole", (*_NOT_HERE, *_MFA))
        role, session = params["RoleArn"], params["RoleSessionName"]
        parts = role_parts(role)
        if parts is None:
            raise ValidationException(f"{role} is invalid")
        if parts[0] != call.account_id:
            caller = caller_arn(call.account_id, call.role, call.session)
            raise AccessDeniedException(
                f"User: {caller} is not authorized to perform: sts:AssumeRole on resource: {role}"
            )
        seconds = params.get("DurationSeconds") or _HOUR
        if call.role and seconds > _HOUR:
            raise ValidationException(
                "The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role chaining"
            )
        key = self._sessions.issue(account_id=call.account_id, seconds=seconds, role=role, session=session)
        who = (call.account_id, role, session)
        user = {"AssumedRoleId": caller_id(*who), "Arn": caller_arn(*who)}
        return {"Credentials": _credentials(key), "AssumedRoleUser": user}

    async def get_session_token(self, call: Call, params: dict[str, Any]) -> dict[str, Any]:
        """GetSessionToken: temporary keys of the account itself, for callers that have lasting ones."""
        _refuse(params, "GetSessionToken", _MFA)
        if self._find_key(call.access_key_id) is None or call.role:
            raise AccessDeniedException("Cannot call GetSessionToken with session credentials")
        seconds = params.get("DurationSeconds") or _SESSION_SECONDS
        key = self._sessions.issue(account_id=call.account_id, seconds=seconds)
        return {"Credentials": _credentials(key)}

    async def get_access_key_info(self, _call: Call, params: dict[str, Any]) -> dict[str, str]:
        """GetAccessKeyInfo: the account that an access key belongs to; whether the key works is not asked."""
        name = params["AccessKeyId"]
        key = self._find_key(name)
        account = key.account_id if key is not None else account_of(name)
        if account is None:
            raise ValidationException(f"The access key {name} is not one of this server")
        return {"Account": account}


def _refuse(params: Mapping[str, Any], operation: str, names: tuple[str, ...]) -> None:
    """Members that cannot be honoured are not ignored."""
    given = [name for name in names if params.get(name)]
    if given:
        raise ValidationException(f"{operation} cannot honour {', '.join(given)} here")


def _credentials(key: TemporaryKey) -> dict[str, Any]:
    return {
        "AccessKeyId": key.access_key_id,
        "SecretAccessKey": key.secret_access_key,
        "SessionToken": key.session_token,
        "Expiration": datetime.fromtimestamp(key.expires, UTC),
    }
