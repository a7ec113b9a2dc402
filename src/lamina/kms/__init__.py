"""KMS, and encryption at rest: what is stored is sealed under a KMS key or under the data folder's master key.

KeyStore ─→ KmsApi          the API of KMS
        └─→ EmbeddedKms ─┐
            RemoteKms  ──┴→ KeyService ─→ Vault, SealedVariables
                                     └──→ BlockingKeys ─→ SealedBlobs
"""

from lamina.kms._api import OPERATIONS, KmsApi
from lamina.kms._blobs import SealedBlobs, sealed_name
from lamina.kms._blocking import BlockingKeys
from lamina.kms._calendar import Calendar
from lamina.kms._cipher import SealBroken
from lamina.kms._embedded import EmbeddedKms
from lamina.kms._failures import reason_code
from lamina.kms._interface import ENVIRONMENT, PACKAGE, DataKey, KeyService, KeyUser
from lamina.kms._master import MasterKey, MasterKeyError
from lamina.kms._remote import RemoteKms
from lamina.kms._store import KeyStore
from lamina.kms._variables import SealedVariables
from lamina.kms._vault import Vault, key_of

__all__ = [
    "ENVIRONMENT",
    "OPERATIONS",
    "PACKAGE",
    "BlockingKeys",
    "Calendar",
    "DataKey",
    "EmbeddedKms",
    "KeyService",
    "KeyStore",
    "KeyUser",
    "KmsApi",
    "MasterKey",
    "MasterKeyError",
    "RemoteKms",
    "SealBroken",
    "SealedBlobs",
    "SealedVariables",
    "Vault",
    "key_of",
    "reason_code",
    "sealed_name",
]
