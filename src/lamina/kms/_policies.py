"""Key policies over the API. A key has exactly one, named ``default``."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from lamina.errors import (
    AccessDeniedException,
    LimitExceededException,
    MalformedPolicyDocumentException,
    NotFoundException,
    ValidationException,
)
from lamina.kms._members import Answer, Params, page
from lamina.kms._policy import Use, check_access, parse_policy
from lamina.kms._store import Caller, KeyStore, caller_of, check_not_pending, save
from lamina.state import Reader, Transaction

if TYPE_CHECKING:
    from lamina.functions import Call

_NAME = "default"
_PAGE = 100
_LARGEST = 32_768


def check_policy(policy: str, caller: Caller, arn: str, *, bypass: bool) -> None:
    """Refuse what is no policy, and without ``bypass`` one under which the caller could never change it again.

    Raises MalformedPolicyDocumentException and LimitExceededException.
    """
    if len(policy.encode()) > _LARGEST:
        raise LimitExceededException(f"The key policy is longer than {_LARGEST} bytes.")
    parse_policy(policy)
    if bypass:
        return
    use = Use(action="kms:PutKeyPolicy", key_arn=arn, account_id=caller.account_id, principal=caller.principal)
    try:
        check_access(policy, use)
    except AccessDeniedException:
        raise MalformedPolicyDocumentException(
            "The new key policy will not allow you to update the key policy in the future."
        ) from None


async def get_key_policy(store: KeyStore, call: Call, params: Params) -> Answer:
    """GetKeyPolicy."""
    _check_name(params)
    await store.ensure_lambda_key(params["KeyId"], call.account_id, call.region)

    def work(reader: Reader) -> Answer:
        key = store.need(reader, caller_of(call), params["KeyId"], "GetKeyPolicy")
        return {"Policy": key.policy, "PolicyName": _NAME}

    return await store.state.read(work)


async def put_key_policy(store: KeyStore, call: Call, params: Params) -> Answer:
    """PutKeyPolicy."""
    if params.get("PolicyName", _NAME) != _NAME:
        raise ValidationException(f"The policy name must be {_NAME}.")
    bypass = bool(params.get("BypassPolicyLockoutSafetyCheck"))

    def work(transaction: Transaction) -> Answer:
        caller = caller_of(call)
        key = store.need(transaction, caller, params["KeyId"], "PutKeyPolicy")
        check_not_pending(key)
        check_policy(params["Policy"], caller, key.arn, bypass=bypass)
        save(transaction, replace(key, policy=params["Policy"]))
        return {}

    return await store.state.write(work)


async def list_key_policies(store: KeyStore, call: Call, params: Params) -> Answer:
    """ListKeyPolicies."""

    def work(reader: Reader) -> Answer:
        store.need(reader, caller_of(call), params["KeyId"], "ListKeyPolicies")
        names, more = page(params, "PolicyNames", _PAGE, lambda start, _: [_NAME] if start <= _NAME else [], str)
        return {"PolicyNames": list(names)} | more

    return await store.state.read(work)


def _check_name(params: Params) -> None:
    if params.get("PolicyName", _NAME) != _NAME:
        raise NotFoundException("No such policy exists")
