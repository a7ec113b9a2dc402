"""The KMS API (API reference, 2014-11-01), as far as it is about symmetric keys."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from lamina.kms import _aliases, _cryptography, _keys, _policies, _rotation, _tags
from lamina.kms._members import Answer
from lamina.kms._store import KeyStore

if TYPE_CHECKING:
    from lamina.functions import Call

Handler = Callable[["Call", dict[str, Any]], Awaitable[Answer]]


class KmsApi:
    """Answers the operations of KMS from a ``KeyStore``."""

    def __init__(self, store: KeyStore) -> None:
        self._store = store

    def operations(self) -> dict[str, Handler]:
        """The handler of each operation."""
        return {name: partial(operation, self._store) for name, operation in OPERATIONS.items()}


OPERATIONS: Mapping[str, Callable[[KeyStore, Call, dict[str, Any]], Awaitable[Answer]]] = MappingProxyType(
    {
        "CancelKeyDeletion": _keys.cancel_key_deletion,
        "CreateAlias": _aliases.create_alias,
        "CreateKey": _keys.create_key,
        "Decrypt": _cryptography.decrypt,
        "DeleteAlias": _aliases.delete_alias,
        "DescribeKey": _keys.describe_key,
        "DisableKey": _keys.disable_key,
        "DisableKeyRotation": _rotation.disable_key_rotation,
        "EnableKey": _keys.enable_key,
        "EnableKeyRotation": _rotation.enable_key_rotation,
        "Encrypt": _cryptography.encrypt,
        "GenerateDataKey": _cryptography.generate_data_key,
        "GenerateDataKeyWithoutPlaintext": _cryptography.generate_data_key_without_plaintext,
        "GenerateRandom": _cryptography.generate_random,
        "GetKeyPolicy": _policies.get_key_policy,
        "GetKeyRotationStatus": _rotation.get_key_rotation_status,
        "ListAliases": _aliases.list_aliases,
        "ListKeyPolicies": _policies.list_key_policies,
        "ListKeys": _keys.list_keys,
        "ListResourceTags": _tags.list_resource_tags,
        "PutKeyPolicy": _policies.put_key_policy,
        "ReEncrypt": _cryptography.re_encrypt,
        "ScheduleKeyDeletion": _keys.schedule_key_deletion,
        "TagResource": _tags.tag_resource,
        "UntagResource": _tags.untag_resource,
        "UpdateAlias": _aliases.update_alias,
        "UpdateKeyDescription": _keys.update_key_description,
    }
)
"""All operations by name."""
