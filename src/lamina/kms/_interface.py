"""What the rest of Lamina sees of KMS: keys for data, and nothing else."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

ENVIRONMENT = "environment variables"
PACKAGE = "deployment package"


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyUser:
    """On whose behalf Lambda uses a key: a function's account and Region, and its role.

    Without a ``principal`` it is the root of the account. ``subject`` is what the key protects, for messages.
    """

    account_id: str
    region: str
    principal: str = ""
    subject: str = ENVIRONMENT


@dataclass(frozen=True, slots=True, kw_only=True)
class DataKey:
    """A key for data: 32 random bytes, the same wrapped by a KMS key, and the ARN of that key (never of an alias)."""

    plaintext: bytes = field(repr=False)
    wrapped: bytes
    key_arn: str


class KeyService(Protocol):
    """Where KMS keys are: here, or in a real KMS.

    Failures are the modelled exceptions of Lambda, in its words: KMSAccessDeniedException, KMSDisabledException,
    KMSInvalidStateException, KMSNotFoundException; ServiceException where KMS cannot be reached or makes no sense.
    """

    async def data_key(self, key_arn: str, context: Mapping[str, str], user: KeyUser) -> DataKey:
        """A new data key, for something that is stored now. ``key_arn`` may be an alias's.

        A key that does not exist, and an ARN of something else, are InvalidParameterValueException here.
        """

    async def unwrap(self, wrapped: bytes, key_arn: str, context: Mapping[str, str], user: KeyUser) -> bytes:
        """The 32 bytes of a data key; ``context`` is the one that it was made with."""
