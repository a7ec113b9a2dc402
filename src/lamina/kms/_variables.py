"""Environment variables at rest."""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections.abc import Mapping
from typing import Protocol

import orjson

from lamina.kms._cipher import SealBroken
from lamina.kms._interface import KeyUser
from lamina.kms._vault import Vault


class Owner(Protocol):
    """The function whose variables they are."""

    @property
    def account_id(self) -> str: ...
    @property
    def region(self) -> str: ...
    @property
    def arn(self) -> str: ...


class SealedVariables:
    """Environment variables as the text in which the state keeps them.

    The encryption context is AWS's: the ARN of the function, so that the variables of one function can never be put
    into the place of another's (Lambda Developer Guide, "Securing environment variables").
    """

    def __init__(self, vault: Vault) -> None:
        self._vault = vault

    async def seal(self, key: Owner, variables: Mapping[str, str], kms_key: str, role: str = "") -> str:
        """The variables of a function, sealed. ``kms_key`` is an ARN, or empty for the data folder's key."""
        sealed = await self._vault.seal(orjson.dumps(variables), kms_key, _context(key), _user(key, role))
        return b64encode(sealed).decode()

    async def unseal(self, key: Owner, sealed: str, role: str = "") -> dict[str, str]:
        """The variables again. Raises ``SealBroken`` and the errors of the KMS key."""
        if sealed.startswith("{"):
            # Version 0.1 kept them as they were.
            return dict(orjson.loads(sealed))
        try:
            data = b64decode(sealed, validate=True)
        except ValueError:
            raise SealBroken("the sealed environment variables are damaged") from None
        variables: dict[str, str] = orjson.loads(await self._vault.unseal(data, _context(key), _user(key, role)))
        return variables


def _context(key: Owner) -> dict[str, str]:
    return {"aws:lambda:FunctionArn": key.arn}


def _user(key: Owner, role: str) -> KeyUser:
    return KeyUser(account_id=key.account_id, region=key.region, principal=role)
