"""Keys: made, described, listed, disabled, enabled, and deleted after a time in which that can be taken back."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from lamina.errors import (
    KMSInvalidStateException,
    UnsupportedOperationException,
    ValidationException,
)
from lamina.kms._identifiers import key_arn
from lamina.kms._members import Answer, Params, check_tokens, page, refuse
from lamina.kms._policies import check_policy
from lamina.kms._policy import default_policy
from lamina.kms._records import ALGORITHM, CUSTOMER, Key, moment
from lamina.kms._store import KeyStore, caller_of, check_not_pending, save
from lamina.kms._tags import check_tags
from lamina.state import Reader, Transaction

if TYPE_CHECKING:
    from lamina.functions import Call

_PAGE = 100
_DAY_MS = 86_400_000
_SHORTEST_WAIT, _LONGEST_WAIT = 7, 30


async def create_key(store: KeyStore, call: Call, params: Params) -> Answer:
    """CreateKey: a symmetric key with material made here, and nothing else."""
    _check_kind(params)
    refuse(params, "CustomKeyStoreId", "XksKeyId", "MultiRegion")
    tags = {tag["TagKey"]: tag["TagValue"] for tag in check_tags(params.get("Tags") or [])}
    policy = params.get("Policy") or default_policy(call.account_id)
    bypass = bool(params.get("BypassPolicyLockoutSafetyCheck"))
    check_policy(policy, caller_of(call), key_arn(call.account_id, call.region, "*"), bypass=bypass)

    def work(transaction: Transaction) -> Answer:
        description = params.get("Description") or ""
        key = store.add(transaction, call.account_id, call.region, description, policy, manager=CUSTOMER)
        for name, value in tags.items():
            transaction.run("kms_tag_save", key_id=key.key_id, name=name, value=value)
        return {"KeyMetadata": key.metadata}

    return await store.state.write(work)


async def describe_key(store: KeyStore, call: Call, params: Params) -> Answer:
    """DescribeKey."""
    check_tokens(params)
    await store.ensure_lambda_key(params["KeyId"], call.account_id, call.region)

    def work(reader: Reader) -> Answer:
        return {"KeyMetadata": store.need(reader, caller_of(call), params["KeyId"], "DescribeKey").metadata}

    return await store.state.read(work)


async def list_keys(store: KeyStore, call: Call, params: Params) -> Answer:
    """ListKeys: the keys of the account; none is of another."""
    place = {"account_id": call.account_id, "region": call.region, "now_ms": store.now_ms()}
    if params.get("ResourceOwners") == ["OTHER_ACCOUNTS"]:
        return {"Keys": [], "Truncated": False}

    def work(reader: Reader) -> Answer:
        def find(start: str, count: int) -> list[str]:
            return [row["key_id"] for row in reader.all("kms_keys_page", **place, start=start, count=count)]

        found, more = page(params, "Keys", _PAGE, find, str)
        keys = [{"KeyId": key_id, "KeyArn": key_arn(call.account_id, call.region, key_id)} for key_id in found]
        return {"Keys": keys} | more

    return await store.state.read(work)


async def enable_key(store: KeyStore, call: Call, params: Params) -> Answer:
    """EnableKey."""
    await _change(store, call, params, "EnableKey", lambda key: replace(key, enabled=True))
    return {}


async def disable_key(store: KeyStore, call: Call, params: Params) -> Answer:
    """DisableKey: nothing is encrypted or decrypted with the key until it is enabled again."""
    await _change(store, call, params, "DisableKey", lambda key: replace(key, enabled=False))
    return {}


async def update_key_description(store: KeyStore, call: Call, params: Params) -> Answer:
    """UpdateKeyDescription."""
    description = params["Description"]
    await _change(store, call, params, "UpdateKeyDescription", lambda key: replace(key, description=description))
    return {}


async def schedule_key_deletion(store: KeyStore, call: Call, params: Params) -> Answer:
    """ScheduleKeyDeletion: unusable at once, and destroyed with all its material after 7 to 30 days."""
    days = params.get("PendingWindowInDays", _LONGEST_WAIT)
    if not _SHORTEST_WAIT <= days <= _LONGEST_WAIT:
        raise ValidationException(f"PendingWindowInDays must be between {_SHORTEST_WAIT} and {_LONGEST_WAIT}.")
    due = store.now_ms() + days * _DAY_MS
    key = await _change(store, call, params, "ScheduleKeyDeletion", lambda key: replace(key, deletion_ms=due))
    date = moment(key.deletion_ms or due)
    return {"KeyId": key.arn, "DeletionDate": date, "KeyState": key.state, "PendingWindowInDays": days}


async def cancel_key_deletion(store: KeyStore, call: Call, params: Params) -> Answer:
    """CancelKeyDeletion: the key is disabled then."""

    def work(transaction: Transaction) -> Answer:
        key = store.need(transaction, caller_of(call), params["KeyId"], "CancelKeyDeletion")
        if key.deletion_ms is None:
            raise KMSInvalidStateException(f"{key.arn} is not pending deletion.")
        save(transaction, replace(key, deletion_ms=None, enabled=False))
        return {"KeyId": key.arn}

    return await store.state.write(work)


async def _change(store: KeyStore, call: Call, params: Params, action: str, changed: Callable[[Key], Key]) -> Key:
    def work(transaction: Transaction) -> Key:
        key = store.need(transaction, caller_of(call), params["KeyId"], action)
        check_not_pending(key)
        key = changed(key)
        save(transaction, key)
        return key

    return await store.state.write(work)


def _check_kind(params: Params) -> None:
    wanted: Mapping[str, str] = {
        "KeyUsage": "ENCRYPT_DECRYPT",
        "KeySpec": ALGORITHM,
        "CustomerMasterKeySpec": ALGORITHM,
        "Origin": "AWS_KMS",
    }
    for name, value in wanted.items():
        if params.get(name, value) != value:
            raise UnsupportedOperationException(f"{name} {params[name]} is not supported by the KMS of Lamina.")
    if "KeySpec" in params and "CustomerMasterKeySpec" in params:
        raise ValidationException("You cannot specify KeySpec and CustomerMasterKeySpec in the same request.")
