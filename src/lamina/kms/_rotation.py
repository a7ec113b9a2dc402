"""Automatic rotation: new material for a key every so many days; what the old has encrypted stays readable."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from lamina.kms._members import Answer, Params
from lamina.kms._records import moment
from lamina.kms._store import KeyStore, caller_of, check_usable, save
from lamina.state import Reader, Transaction

if TYPE_CHECKING:
    from lamina.functions import Call

_DEFAULT_DAYS = 365
_DAY_MS = 86_400_000


async def enable_key_rotation(store: KeyStore, call: Call, params: Params) -> Answer:
    """EnableKeyRotation: from now on, every ``RotationPeriodInDays``."""

    def work(transaction: Transaction) -> Answer:
        key = store.need(transaction, caller_of(call), params["KeyId"], "EnableKeyRotation")
        check_usable(key)
        days = params.get("RotationPeriodInDays") or key.rotation_days or _DEFAULT_DAYS
        if days != key.rotation_days:
            due = store.now_ms() + days * _DAY_MS
            save(transaction, replace(key, rotation_days=days, next_rotation_ms=due))
        return {}

    return await store.state.write(work)


async def disable_key_rotation(store: KeyStore, call: Call, params: Params) -> Answer:
    """DisableKeyRotation."""

    def work(transaction: Transaction) -> Answer:
        key = store.need(transaction, caller_of(call), params["KeyId"], "DisableKeyRotation")
        check_usable(key)
        save(transaction, replace(key, rotation_days=None, next_rotation_ms=None))
        return {}

    return await store.state.write(work)


async def get_key_rotation_status(store: KeyStore, call: Call, params: Params) -> Answer:
    """GetKeyRotationStatus: a key that is pending deletion is not rotated, whatever was set."""

    def work(reader: Reader) -> Answer:
        key = store.need(reader, caller_of(call), params["KeyId"], "GetKeyRotationStatus")
        if key.rotation_days is None or key.next_rotation_ms is None or key.deletion_ms is not None:
            return {"KeyId": key.arn, "KeyRotationEnabled": False}
        return {
            "KeyId": key.arn,
            "KeyRotationEnabled": True,
            "RotationPeriodInDays": key.rotation_days,
            "NextRotationDate": moment(key.next_rotation_ms),
        }

    return await store.state.read(work)


def rotate_due(store: KeyStore, transaction: Transaction) -> int:
    """Give new material to every usable key whose rotation is due; how many there were."""
    now_ms = store.now_ms()
    rows = transaction.all("kms_keys_to_rotate", now_ms=now_ms)
    for row in rows:
        key = store.find(transaction, row["account_id"], row["region"], row["key_id"])
        assert key is not None
        assert key.rotation_days is not None
        store.add_material(transaction, key.key_id, key.number + 1)
        save(transaction, replace(key, next_rotation_ms=now_ms + key.rotation_days * _DAY_MS))
    return len(rows)
