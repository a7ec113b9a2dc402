"""A key of KMS as a record, and as the API shows it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from lamina.kms._identifiers import key_arn

AWS = "AWS"
CUSTOMER = "CUSTOMER"
ALGORITHM = "SYMMETRIC_DEFAULT"


@dataclass(frozen=True, slots=True, kw_only=True)
class Key:
    """One symmetric key. ``manager`` is AWS or CUSTOMER; times are epoch milliseconds.

    ``number`` counts its materials and ``material_id`` names the newest. With a ``deletion_ms`` the key is pending
    deletion. ``rotation_days`` is None without automatic rotation.
    """

    key_id: str
    account_id: str
    region: str
    created_ms: int
    description: str
    manager: str
    enabled: bool
    policy: str
    number: int
    material_id: str
    deletion_ms: int | None = None
    rotation_days: int | None = None
    next_rotation_ms: int | None = None

    @property
    def arn(self) -> str:
        """The ARN of the key."""
        return key_arn(self.account_id, self.region, self.key_id)

    @property
    def state(self) -> str:
        """The KeyState."""
        if self.deletion_ms is not None:
            return "PendingDeletion"
        return "Enabled" if self.enabled else "Disabled"

    @property
    def metadata(self) -> dict[str, Any]:
        """The KeyMetadata of the API."""
        members: dict[str, Any] = {
            "AWSAccountId": self.account_id,
            "KeyId": self.key_id,
            "Arn": self.arn,
            "CreationDate": moment(self.created_ms),
            "Enabled": self.state == "Enabled",
            "Description": self.description,
            "KeyUsage": "ENCRYPT_DECRYPT",
            "KeyState": self.state,
            "Origin": "AWS_KMS",
            "KeyManager": self.manager,
            "CustomerMasterKeySpec": ALGORITHM,
            "KeySpec": ALGORITHM,
            "EncryptionAlgorithms": [ALGORITHM],
            "MultiRegion": False,
            "CurrentKeyMaterialId": self.material_id,
        }
        return members if self.deletion_ms is None else members | {"DeletionDate": moment(self.deletion_ms)}


def moment(milliseconds: int) -> datetime:
    """Epoch milliseconds as a time in UTC."""
    return datetime.fromtimestamp(milliseconds / 1000, UTC)
